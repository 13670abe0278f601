-- Retention covers bars of a second and refused ticks, too.

CREATE INDEX refused_ticks_by_time ON refused_ticks (at);

CREATE OR REPLACE FUNCTION ticks_forget(at timestamptz, days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    most_rows CONSTANT integer := 100000;
    relation text;
    kept interval;
    wanted CONSTANT interval := CASE WHEN days > 0 THEN make_interval(days => days) END;
BEGIN
    FOREACH relation IN ARRAY ARRAY['ticks', 'market_ohlc'] LOOP
        SELECT (config ->> 'drop_after')::interval INTO kept FROM timescaledb_information.jobs
        WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema()
            AND hypertable_name = relation;
        CONTINUE WHEN kept IS NOT DISTINCT FROM wanted;
        PERFORM remove_retention_policy(relation::regclass, if_exists => true);
        IF wanted IS NOT NULL THEN
            PERFORM add_retention_policy(relation::regclass, drop_after => wanted);
        END IF;
    END LOOP;
    IF wanted IS NOT NULL THEN
        DELETE FROM refused_ticks WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM refused_ticks WHERE refused_ticks.at < ticks_forget.at - wanted
            ORDER BY refused_ticks.at LIMIT most_rows
        ));
    END IF;
END $$;
