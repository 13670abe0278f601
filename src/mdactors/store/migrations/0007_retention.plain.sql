-- Retention covers bars of a second and refused ticks, too.

CREATE INDEX refused_ticks_by_time ON refused_ticks (at);

-- Of all but whole days of ticks so many rows go at once: to delete very many would hold up who writes.
CREATE OR REPLACE FUNCTION ticks_forget(at timestamptz, days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    most_rows CONSTANT integer := 100000;
    partition text;
    before CONSTANT timestamptz :=
        ((at AT TIME ZONE INTERVAL '05:30')::date - days)::timestamp AT TIME ZONE INTERVAL '05:30';
BEGIN
    IF days < 1 THEN
        RETURN;
    END IF;
    DELETE FROM refused_ticks WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM refused_ticks WHERE refused_ticks.at < before ORDER BY refused_ticks.at LIMIT most_rows
    ));
    DELETE FROM ticks_default WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ticks_default WHERE received_at < before ORDER BY received_at LIMIT most_rows
    ));
    -- From key to key: each instrument's bars lie in the order of their time in the primary key. The
    -- index by time finds little once the room of old bars was given to new ones.
    DELETE FROM market_ohlc WHERE ctid = ANY (ARRAY(
        WITH RECURSIVE keys(key) AS (
            SELECT min(instrument_key) FROM market_ohlc
            UNION ALL
            SELECT (SELECT min(instrument_key) FROM market_ohlc WHERE instrument_key > key)
            FROM keys WHERE key IS NOT NULL
        )
        SELECT old.ctid FROM keys CROSS JOIN LATERAL (
            SELECT ctid FROM market_ohlc WHERE instrument_key = key AND ts < before ORDER BY ts
        ) old
        LIMIT most_rows
    ));
    -- Last: to drop a partition keeps everybody from the ticks until the transaction ends.
    FOR partition IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'ticks'::regclass AND relname ~ '^ticks_[0-9]{8}$'
        ORDER BY relname
    LOOP
        EXIT WHEN to_date(right(partition, 8), 'YYYYMMDD')::timestamp AT TIME ZONE INTERVAL '05:30' >= before;
        EXECUTE format('DROP TABLE %I', partition);
    END LOOP;
END $$;
