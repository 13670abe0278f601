-- Bars as hypertables, and bars of an hour (from 09:15) and of a day in India made of the minutes.

SELECT create_hypertable('market_ohlc', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('market_ohlc_1m', by_range('ts', INTERVAL '7 days'), create_default_indexes => false);
ALTER TABLE market_ohlc SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'instrument_key', timescaledb.orderby = 'ts DESC'
);
ALTER TABLE market_ohlc_1m SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'instrument_key', timescaledb.orderby = 'ts DESC'
);
CALL add_columnstore_policy('market_ohlc', after => INTERVAL '7 days');
CALL add_columnstore_policy('market_ohlc_1m', after => INTERVAL '30 days');

CREATE MATERIALIZED VIEW market_ohlc_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT instrument_key, time_bucket(INTERVAL '1 hour', ts, INTERVAL '45 minutes') AS bucket,
    first(open, ts) AS open, max(high) AS high, min(low) AS low, last(close, ts) AS close,
    sum(volume)::bigint AS volume
FROM market_ohlc_1m GROUP BY instrument_key, bucket
WITH NO DATA;

CREATE MATERIALIZED VIEW market_ohlc_1d WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT instrument_key, time_bucket(INTERVAL '1 day', ts, 'Asia/Kolkata') AS bucket,
    first(open, ts) AS open, max(high) AS high, min(low) AS low, last(close, ts) AS close,
    sum(volume)::bigint AS volume
FROM market_ohlc_1m GROUP BY instrument_key, bucket
WITH NO DATA;

SELECT add_continuous_aggregate_policy('market_ohlc_1h',
    start_offset => INTERVAL '3 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '30 minutes');
SELECT add_continuous_aggregate_policy('market_ohlc_1d',
    start_offset => INTERVAL '7 days', end_offset => INTERVAL '1 day', schedule_interval => INTERVAL '6 hours');
