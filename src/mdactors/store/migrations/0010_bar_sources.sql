-- Which part of the day a bar is of, and who made it: ticks, the broker or a backfill. It stays the last column.

ALTER TABLE market_ohlc ADD COLUMN phase text NOT NULL DEFAULT 'open';
ALTER TABLE market_ohlc ADD COLUMN source text NOT NULL DEFAULT 'ticks';
ALTER TABLE market_ohlc_1m ADD COLUMN phase text NOT NULL DEFAULT 'open';
ALTER TABLE market_ohlc_1m ADD COLUMN source text NOT NULL DEFAULT 'ticks';
