-- Every instrument and the sectors, as they were last loaded: replaced as a whole, for others to read.

CREATE TABLE instruments (
    instrument_key text NOT NULL,
    symbol text NOT NULL,
    exchange text NOT NULL,
    segment text NOT NULL,
    sector text,
    industry text,
    tradable boolean NOT NULL,
    index_instrument boolean NOT NULL,
    underlying text,
    instrument_token bigint PRIMARY KEY,
    type text NOT NULL,
    name text,
    isin text,
    series text,
    etf boolean NOT NULL,
    lot_size integer NOT NULL,
    tick_size double precision NOT NULL,
    expiry date,
    strike double precision,
    option_type text,
    mtf boolean NOT NULL,
    mis boolean NOT NULL
);
CREATE INDEX idx_sector ON instruments (sector);
CREATE INDEX instruments_by_key ON instruments (instrument_key);
CREATE INDEX instruments_by_symbol ON instruments (symbol);

CREATE TABLE sectors (
    code text PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL
);
