-- Bars of one second and of one minute; ts is a bar's begin.

CREATE TABLE market_ohlc (
    instrument_key text NOT NULL,
    ts timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume bigint NOT NULL,
    PRIMARY KEY (instrument_key, ts)
);
CREATE TABLE market_ohlc_1m (LIKE market_ohlc INCLUDING INDEXES);
