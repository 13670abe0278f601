-- What few ticks say, packed: day's range and change of open interest, an auction, the broker's own minute.

ALTER TABLE ticks ADD COLUMN extra bytea;
