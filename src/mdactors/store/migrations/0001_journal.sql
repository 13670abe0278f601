-- How far each journal is stored, and the ticks that can never be stored.

CREATE TABLE journal_positions (
    journal text PRIMARY KEY,
    segment bigint NOT NULL,
    "offset" bigint NOT NULL,
    ticks bigint NOT NULL
);

CREATE TABLE refused_ticks (
    journal text NOT NULL,
    segment bigint NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    tick bytea NOT NULL
);
