-- What a journal did not have any more when its ticks were asked for: they are in no table.

CREATE TABLE journal_gaps (
    journal text NOT NULL,
    ticks bigint NOT NULL,
    received_after timestamptz,
    received_before timestamptz
);
