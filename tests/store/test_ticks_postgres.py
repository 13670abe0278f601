"""Ticks in PostgreSQL: what is its own beside the contract of all stores."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from bench._servers import Postgres

from mdactors.adapter import Secret
from mdactors.errors import PositionMoved, StoreError
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import postgres as postgres_module
from mdactors.store.bars_postgres import PostgresBars
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.refusal import SLICE
from mdactors.store.ticks_postgres import PostgresTicks
from mdactors.store.timescale import failed_jobs

Query = Callable[[str], list[tuple[Any, ...]]]
RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
MS = 1_000_000
NOON = 1_790_663_400_000
"""2026-09-29 12:00 in India."""
HOUR = 3_600_000
DAY = 24 * HOUR
PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'ticks'::regclass ORDER BY relname"""
PLACES = "SELECT tableoid::regclass::text, seq FROM ticks ORDER BY seq"


def tick(seq: int, received: int = NOON, instrument: Instrument = RELIANCE) -> Tick:
    return Tick(instrument, Quote("R", "full", 1421.05, raw=b"raw"), "kite", 7, seq, received * MS)


@pytest.fixture
def store(postgres_database: PostgresDatabase) -> PostgresTicks:
    return PostgresTicks(postgres_database)


def write(store: PostgresTicks, *ticks: Tick) -> int:
    """The next batch of a journal."""
    at = store.position("j")
    return store.write(ticks, at, Position("j", 1, at.offset + 1 if at else 1, len(ticks)))


# --- Partitions


def test_each_of_indias_days_has_its_partition(store: PostgresTicks, query: Query):
    assert store.maintain(NOON * MS) == []
    days = ["20260929", "20260930", *(f"202610{day:02d}" for day in range(1, 7))]
    assert query(PARTITIONS) == [(f"ticks_{day}",) for day in days] + [("ticks_default",)]
    midnight = NOON + 12 * HOUR
    write(store, tick(1, midnight - 1), tick(2, midnight))
    assert query(PLACES) == [("ticks_20260929", 1), ("ticks_20260930", 2)]


def test_to_maintain_again_changes_nothing(store: PostgresTicks, query: Query):
    store.maintain(NOON * MS)
    before = query(PARTITIONS)
    assert store.maintain(NOON * MS + HOUR * MS) == []
    assert query(PARTITIONS) == before
    assert store.maintain((NOON + DAY) * MS) == []
    assert query(PARTITIONS) == sorted([*before, ("ticks_20261007",)])


def test_what_came_before_its_partition_is_moved_into_it(store: PostgresTicks, query: Query):
    write(store, tick(1), tick(2, NOON + DAY), tick(3, NOON - 40 * DAY))
    assert query(PLACES) == [("ticks_default", 1), ("ticks_default", 2), ("ticks_default", 3)]
    assert store.maintain(NOON * MS) == []
    assert query(PLACES) == [("ticks_20260929", 1), ("ticks_20260930", 2), ("ticks_20260820", 3)]
    assert [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10)] == [3, 1, 2]


def test_too_many_to_move_stay_and_are_reported(store: PostgresTicks, query: Query):
    write(store, tick(1))
    query(
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('ticks_make_room'::regproc), '500000', '0'); END $$"
    )
    (line,) = store.maintain(NOON * MS)
    assert "1 ticks wait in ticks_default, received from 2026-09-29" in line
    assert query(PLACES) == [("ticks_default", 1)]
    write(store, tick(2), tick(3, NOON + DAY))
    assert query(PLACES) == [("ticks_default", 1), ("ticks_default", 2), ("ticks_20260930", 3)]


def test_old_days_are_dropped_as_a_whole(postgres_database: PostgresDatabase, query: Query):
    store = PostgresTicks(postgres_database, retention_days=2)
    store.maintain((NOON - 5 * DAY) * MS)
    write(store, *(tick(ago, NOON - ago * DAY) for ago in range(6)))
    assert store.maintain(NOON * MS) == []
    assert query("SELECT seq FROM ticks ORDER BY seq") == [(0,), (1,), (2,)]
    assert [name for (name,) in query(PARTITIONS)][:2] == ["ticks_20260927", "ticks_20260928"]


def test_what_is_old_and_no_whole_day_is_deleted_by_and_by(postgres_database: PostgresDatabase, query: Query):
    store, bars = PostgresTicks(postgres_database, retention_days=2), PostgresBars(postgres_database, ["1s"])
    assert store.maintain(NOON * MS) == []
    query("DO $$ BEGIN EXECUTE replace(pg_get_functiondef('ticks_forget'::regproc), '100000', '10'); END $$")
    old = NOON - 9 * DAY
    bars.write([Bar(RELIANCE, "1s", old + n * 1000, 1.0, 1.0, 1.0, 1.0, n) for n in range(25)])
    torn = Instrument(738561, "RELI\0ANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
    write(store, *(tick(seq, old, torn) for seq in range(25)), tick(25, old), tick(26))
    for left in (15, 5, 0):
        assert store.maintain(NOON * MS) == []
        assert query("SELECT count(*) FROM market_ohlc") == [(left,)]
        assert query("SELECT count(*) FROM refused_ticks") == [(left,)]
    assert query("SELECT seq FROM ticks") == [(26,)]


def test_a_reader_in_the_way_makes_maintenance_fail_for_now_only(
    postgres_server: Postgres, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(postgres_module._SETTINGS, "lock_timeout", "200ms")
    store = PostgresTicks(postgres_database)
    write(store, tick(1))
    with psycopg.connect(postgres_server.dsn) as reader:
        reader.execute(f"SELECT 1 FROM {postgres_database.schema}.ticks")
        with pytest.raises(StoreError, match="lock timeout"):
            store.maintain(NOON * MS)
        assert write(store, tick(2)) == 0
    assert store.maintain(NOON * MS) == []


# --- What is refused


def test_what_the_server_refuses_is_set_aside_and_the_rest_is_kept(store: PostgresTicks, query: Query):
    torn = Instrument(738561, "RELI\0ANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
    huge = Instrument(738561, secrets.token_hex(20_000), "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
    late = tick(5, 10**17)  # the year 3,170,843
    large = tick(4)
    large.quote.volume = 2**63
    batch = [tick(1), tick(2, instrument=torn), tick(3, instrument=huge), large, late, tick(6)]
    assert write(store, *batch) == 4
    assert query("SELECT seq FROM ticks ORDER BY seq") == [(1,), (6,)]
    reasons = [reason for (reason,) in query("SELECT reason FROM refused_ticks")]
    assert len(reasons) == 4
    assert "0x00" in reasons[0]
    assert "index row" in reasons[1]


def test_a_batch_of_many_slices_is_one_transaction(store: PostgresTicks, query: Query):
    poisoned = tick(3 * SLICE)
    poisoned.quote.last_price = float("inf")
    batch = [tick(seq) for seq in range(3 * SLICE)] + [poisoned]
    assert write(store, *batch) == 1
    assert query("SELECT count(*), count(DISTINCT xmin::text) FROM journal_positions") == [(1, 1)]
    assert store.count() == 3 * SLICE


# --- Position


def test_of_two_who_store_the_same_journal_one_is_told(
    postgres_server: Postgres, postgres_database: PostgresDatabase
):
    stores = [
        PostgresTicks(PostgresDatabase(Secret(postgres_server.dsn), schema=postgres_database.schema))
        for _ in range(4)
    ]
    first = Position("j", 1, 10, 1)
    stores[0].write([tick(0)], None, first)
    told: list[Exception] = []

    def race(store: PostgresTicks) -> None:
        try:
            store.write([tick(seq) for seq in range(1, 500)], first, Position("j", 1, 20, 500))
        except PositionMoved as error:
            told.append(error)

    threads = [threading.Thread(target=race, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 3
    assert stores[0].count() == 500
    for store in stores:
        store.close()


def test_a_connection_lost_while_committing_leaves_all_or_nothing(store: PostgresTicks, query: Query):
    write(store, tick(1))
    at = store.position("j")
    # The server ends the connection when the transaction is about to be committed.
    query(
        """
        CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER lose AFTER UPDATE ON journal_positions
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose();"""
    )
    with pytest.raises(StoreError, match="cannot be written"):
        write(store, tick(2))
    assert store.position("j") == at
    assert store.count() == 1
    query("DROP TRIGGER lose ON journal_positions")
    assert write(store, tick(2)) == 0
    assert store.count() == 2


# --- Reading


def test_pages_use_the_index_and_receipts_only_their_days(store: PostgresTicks, query: Query):
    store.maintain(NOON * MS)
    write(store, *(tick(seq, NOON + seq) for seq in range(5000)))
    query("ANALYZE ticks")

    def plan(statement: str) -> str:
        return "\n".join(line for (line,) in query(f"EXPLAIN {statement}"))

    page = plan(
        "SELECT * FROM ticks WHERE instrument_token = 738561 AND tick_timestamp >= '2026-09-29 12:00+05:30' "
        "ORDER BY tick_timestamp, epoch, seq, source LIMIT 100"
    )
    assert "instrument_token_tick_timestamp_idx" in page
    received = plan(
        "SELECT * FROM ticks WHERE received_at BETWEEN '2026-09-29 12:00+05:30' AND '2026-09-29 13:00+05:30' "
        "ORDER BY received_at, instrument_token, epoch, seq, source LIMIT 100"
    )
    assert "ticks_20260929_received_at_idx" in received
    assert "ticks_20260930" not in received


def test_the_views_are_there_for_others(store: PostgresTicks, query: Query):
    other = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
    write(store, tick(1), tick(2, NOON + 1), tick(3, NOON, other))
    assert query(
        "SELECT tradingsymbol, last_price, extract(epoch FROM received_at)::bigint FROM live_prices"
    ) == [
        ("INFY", 1421.05, NOON // 1000),
        ("RELIANCE", 1421.05, NOON // 1000),
    ]
    columns = query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'kite_ticks_data'::regclass ORDER BY attnum"
    )
    assert [name for (name,) in columns] == [
        "instrument_token", "tradingsymbol", "exchange", "tick_timestamp", "raw_tick_data",
    ]  # fmt: skip


def test_a_failed_job_of_timescaledb_is_one_line(postgres_database: PostgresDatabase, query: Query):
    """TimescaleDB's views as its documents have them; test_timescale.py asks the real ones."""
    query(
        """
        CREATE SCHEMA timescaledb_information
            CREATE TABLE jobs (job_id integer, proc_name name, hypertable_schema name)
            CREATE TABLE job_stats (job_id integer, hypertable_schema name, last_run_started_at timestamptz,
                last_run_status text, total_runs bigint, total_failures bigint)"""
    )
    with postgres_database.reading() as connection:
        assert failed_jobs(connection) == []
        query(
            f"""
            INSERT INTO timescaledb_information.jobs VALUES
                (1000, 'policy_compression', '{postgres_database.schema}'),
                (1001, 'policy_retention', 'theirs'),
                (1002, 'policy_retention', '{postgres_database.schema}');
            INSERT INTO timescaledb_information.job_stats VALUES
                (1000, '{postgres_database.schema}', '2026-09-29 12:00+05:30', 'Failed', 4, 3),
                (1001, 'theirs', '2026-09-29 12:00+05:30', 'Failed', 4, 3),
                (1002, '{postgres_database.schema}', '2026-09-29 12:00+05:30', 'Success', 4, 3)"""
        )
        (line,) = failed_jobs(connection)
    query("DROP SCHEMA timescaledb_information CASCADE")
    assert line.startswith(
        "TimescaleDB's job 1000 (policy_compression) failed at its last run, 2026-09-29T12:00:00.000+05:30; "
        "3 of 4 runs failed"
    )
