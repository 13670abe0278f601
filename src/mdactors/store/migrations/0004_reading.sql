-- What the questions about ticks need: indexes, and views for other programs.

CREATE INDEX ticks_by_token ON ticks (instrument_token, tick_timestamp DESC);
CREATE INDEX ticks_by_symbol ON ticks (tradingsymbol, tick_timestamp DESC);
CREATE INDEX ticks_by_exchange ON ticks (exchange, tick_timestamp DESC);
CREATE INDEX ticks_by_receipt ON ticks (received_at);

CREATE VIEW kite_ticks_data AS
SELECT instrument_token, tradingsymbol, exchange, tick_timestamp, raw_tick_data FROM ticks;

-- From one token to the next and there to the newest entry of the index: a few steps for each
-- instrument, where grouping would read every tick that was ever kept.
CREATE VIEW live_prices AS
WITH RECURSIVE tokens(token) AS (
    (SELECT instrument_token FROM ticks ORDER BY instrument_token LIMIT 1)
    UNION ALL
    SELECT (
        SELECT instrument_token FROM ticks WHERE instrument_token > token ORDER BY instrument_token LIMIT 1
    )
    FROM tokens WHERE token IS NOT NULL
)
SELECT newest.* FROM tokens CROSS JOIN LATERAL (
    SELECT instrument_token, instrument_key, tradingsymbol, exchange, type, tick_timestamp, received_at,
        last_price, volume, open, high, low, previous_close, open_interest, source
    FROM ticks WHERE instrument_token = token
    ORDER BY tick_timestamp DESC, epoch DESC, seq DESC LIMIT 1
) newest;
