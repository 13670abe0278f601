-- Bars come in the order of their time: this costs next to nothing and finds a day's among all others.

CREATE INDEX market_ohlc_by_time ON market_ohlc USING brin (ts) WITH (pages_per_range = 32);
CREATE INDEX market_ohlc_1m_by_time ON market_ohlc_1m USING brin (ts) WITH (pages_per_range = 32);
