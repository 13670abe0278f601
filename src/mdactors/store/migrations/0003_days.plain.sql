-- A partition for each of India's days by received_at, and one for what fits no day.

CREATE TABLE ticks (LIKE ticks_default) PARTITION BY RANGE (received_at);
ALTER TABLE ticks ATTACH PARTITION ticks_default DEFAULT;

-- Both functions have the owner's rights, for a writer who may not make or drop a table.

-- Partitions from today on, and for the days of what waits in the default partition; says what stays there.
CREATE FUNCTION ticks_make_room(today date, days integer) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    most_days CONSTANT integer := 31;
    most_rows CONSTANT integer := 500000;
    day date;
    partition text;
    first timestamptz;
    past timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('mdactors ticks'), hashtext(current_schema()));
    FOR day IN
        SELECT today + ahead FROM generate_series(0, least(days, most_days)) AS ahead
        UNION
        (SELECT DISTINCT (received_at AT TIME ZONE INTERVAL '05:30')::date FROM ticks_default LIMIT most_days)
    LOOP
        partition := 'ticks_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        first := day::timestamp AT TIME ZONE INTERVAL '05:30';
        past := (day + 1)::timestamp AT TIME ZONE INTERVAL '05:30';
        -- Nobody may add rows of this day to the default partition between the move and the attachment.
        LOCK TABLE ticks_default IN ACCESS EXCLUSIVE MODE;
        -- To move very many would hold up who writes for too long.
        PERFORM FROM ticks_default WHERE received_at >= first AND received_at < past OFFSET most_rows LIMIT 1;
        CONTINUE WHEN found;
        EXECUTE format('CREATE TABLE %I (LIKE ticks)', partition);
        EXECUTE format(
            'WITH moved AS (DELETE FROM ticks_default WHERE received_at >= %L AND received_at < %L RETURNING *)'
            ' INSERT INTO %I SELECT * FROM moved', first, past, partition);
        EXECUTE format('ALTER TABLE ticks ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            partition, first, past);
    END LOOP;
    RETURN QUERY
        SELECT format('%s ticks wait in ticks_default, received from %s to %s: too many to be moved to their days',
            count(*), min(received_at), max(received_at))
        FROM ticks_default HAVING count(*) > 0;
END $$;

-- Days that ended so many days ago go as a whole.
CREATE FUNCTION ticks_forget(at timestamptz, days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    partition text;
    before timestamptz := at - make_interval(days => days);
BEGIN
    IF days < 1 THEN
        RETURN;
    END IF;
    FOR partition IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'ticks'::regclass AND relname ~ '^ticks_[0-9]{8}$'
        ORDER BY relname
    LOOP
        EXIT WHEN (to_date(right(partition, 8), 'YYYYMMDD') + 1)::timestamp
            AT TIME ZONE INTERVAL '05:30' > before;
        EXECUTE format('DROP TABLE %I', partition);
    END LOOP;
    DELETE FROM ticks_default WHERE received_at < before;
END $$;

REVOKE ALL ON FUNCTION ticks_make_room, ticks_forget FROM PUBLIC;
