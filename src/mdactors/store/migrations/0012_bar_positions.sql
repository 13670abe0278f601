-- How far bars are made of each journal's ticks; times are epoch milliseconds.

CREATE TABLE bar_positions (
    journal text PRIMARY KEY,
    received bigint NOT NULL,
    exchange bigint NOT NULL,
    receipt bigint NOT NULL
);
