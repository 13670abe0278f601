-- A hypertable with a chunk a day by received_at; a week later a chunk goes to the columnstore.

ALTER TABLE ticks_default RENAME TO ticks;
SELECT create_hypertable('ticks', by_range('received_at', INTERVAL '1 day'), create_default_indexes => false);
ALTER TABLE ticks SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'instrument_token, tradingsymbol, exchange',
    timescaledb.orderby = 'tick_timestamp DESC'
);
CALL add_columnstore_policy('ticks', after => INTERVAL '7 days');

-- Chunks make themselves; the function is there so that both kinds of schema are used alike.
CREATE FUNCTION ticks_make_room(today date, days integer) RETURNS SETOF text
LANGUAGE sql AS $$ SELECT NULL::text WHERE false $$;

-- The owner's rights, for a writer who may not change a policy.
CREATE FUNCTION ticks_forget(at timestamptz, days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    kept interval;
    wanted CONSTANT interval := CASE WHEN days > 0 THEN make_interval(days => days) END;
BEGIN
    SELECT (config ->> 'drop_after')::interval INTO kept FROM timescaledb_information.jobs
    WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema() AND hypertable_name = 'ticks';
    IF kept IS NOT DISTINCT FROM wanted THEN
        RETURN;
    END IF;
    PERFORM remove_retention_policy('ticks', if_exists => true);
    IF wanted IS NOT NULL THEN
        PERFORM add_retention_policy('ticks', drop_after => wanted);
    END IF;
END $$;

REVOKE ALL ON FUNCTION ticks_make_room, ticks_forget FROM PUBLIC;
