"""PostgreSQL with TimescaleDB: runs where a server has the extension.

``MDACTORS_TIMESCALE_DSN`` names one; else the machine's own is tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.today import NOW_MS
from tests.waiting import wait_until

from mdactors.adapter import Secret
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.bars_postgres import PostgresBars
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.ticks_postgres import PostgresTicks

pytestmark = pytest.mark.timescale

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
SCHEMA = "mdactors_test"
MS = 1_000_000
MINUTE = 60_000
DAY = 86_400_000
NOW = NOW_MS
"""The server's jobs go by its own clock, by which this is at least as long ago."""


@pytest.fixture(scope="module")
def dsn(request: pytest.FixtureRequest) -> str:
    """A database that has the extension, or may install it."""
    named = os.environ.get("MDACTORS_TIMESCALE_DSN")
    found = named or request.getfixturevalue("postgres_server").dsn
    with psycopg.connect(found, autocommit=True) as connection:
        offered = connection.execute(
            "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()
    if offered is None:
        pytest.skip("this PostgreSQL has no extension timescaledb; name one with MDACTORS_TIMESCALE_DSN")
    return str(found)


@pytest.fixture
def database(dsn: str) -> Iterator[PostgresDatabase]:
    def clean() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")

    clean()
    made = PostgresDatabase(Secret(dsn), schema=SCHEMA)
    yield made
    made.close()
    clean()


@pytest.fixture
def beside(dsn: str, database: PostgresDatabase) -> Iterator[psycopg.Connection[Any]]:
    """The owner's own connection to the schema, which is made."""
    assert database.kind == "timescale"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}, public")
        yield connection


def tick(seq: int, received: int = NOW) -> Tick:
    quote = Quote("R", "full", 1400.0 + seq % 50, exchange_time=received, raw=b"raw" * 20, book=b"book" * 30)
    return Tick(RELIANCE, quote, "kite", 7, seq, received * MS)


def bar(start: int, price: float) -> Bar:
    return Bar(RELIANCE, "1m", start, price, price + 2, price - 1, price + 1, 10)


def test_ticks_are_a_hypertable_with_a_chunk_a_day(
    database: PostgresDatabase, beside: psycopg.Connection[Any]
):
    store = PostgresTicks(database)
    assert store.write([tick(day, NOW - day * DAY) for day in range(3)], None, Position("j", 1, 1, 3)) == 0
    chunks = beside.execute(
        "SELECT range_end - range_start FROM timescaledb_information.chunks "
        "WHERE hypertable_schema = %s AND hypertable_name = 'ticks'",
        (SCHEMA,),
    ).fetchall()
    assert [str(width) for (width,) in chunks] == ["1 day, 0:00:00"] * 3
    assert [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10)] == [2, 1, 0]
    assert [row.seq for row in store.received((NOW - DAY) * MS, 2**62, 10)] == [1, 0]
    assert [row.seq for row in store.newest(0)] == [0]


def test_a_chunk_in_the_columnstore_is_read_and_written_as_any_other(
    database: PostgresDatabase, beside: psycopg.Connection[Any]
):
    store = PostgresTicks(database)
    old = NOW - 10 * DAY
    store.write([tick(seq, old + seq) for seq in range(5000)], None, Position("j", 1, 1, 5000))
    (job,) = beside.execute(
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE hypertable_schema = %s AND hypertable_name = 'ticks' AND proc_name = 'policy_compression'",
        (SCHEMA,),
    ).fetchone() or (None,)
    beside.execute("CALL run_job(%s)", (job,))
    compressed = beside.execute(
        "SELECT is_compressed FROM timescaledb_information.chunks "
        "WHERE hypertable_schema = %s AND hypertable_name = 'ticks'",
        (SCHEMA,),
    ).fetchall()
    assert compressed == [(True,)]
    store.write([tick(5000, old + 5000)], Position("j", 1, 1, 5000), Position("j", 1, 2, 5001))
    assert [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10_000)] == list(range(5001))
    segments = beside.execute(
        "SELECT attname FROM timescaledb_information.compression_settings "
        "WHERE hypertable_schema = %s AND hypertable_name = 'ticks' AND segmentby_column_index IS NOT NULL "
        "ORDER BY segmentby_column_index",
        (SCHEMA,),
    ).fetchall()
    assert segments == [("instrument_token",), ("tradingsymbol",), ("exchange",)]


@pytest.mark.parametrize("hypertable", ["ticks", "market_ohlc"])
def test_retention_is_a_policy_that_follows_the_setting(
    database: PostgresDatabase, beside: psycopg.Connection[Any], hypertable: str
):
    def policies() -> list[tuple[Any, ...]]:
        return beside.execute(
            "SELECT job_id, (config ->> 'drop_after')::interval = interval '30 days' "
            "FROM timescaledb_information.jobs WHERE hypertable_schema = %s "
            "AND hypertable_name = %s AND proc_name = 'policy_retention'",
            (SCHEMA, hypertable),
        ).fetchall()

    PostgresTicks(database).maintain(NOW * MS)
    assert policies() == []
    PostgresTicks(database, retention_days=30).maintain(NOW * MS)
    ((job, _),) = before = policies()
    assert before == [(job, True)]
    PostgresTicks(database, retention_days=30).maintain(NOW * MS)
    assert policies() == before
    PostgresTicks(database, retention_days=5).maintain(NOW * MS)
    ((changed, thirty),) = policies()
    assert (changed != job, thirty) == (True, False)
    PostgresTicks(database).maintain(NOW * MS)
    assert policies() == []


def test_a_job_that_failed_is_reported(database: PostgresDatabase, beside: psycopg.Connection[Any]):
    store = PostgresTicks(database)
    assert store.maintain(NOW * MS) == []
    (job,) = beside.execute(
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE hypertable_schema = %s AND hypertable_name = 'ticks' AND proc_name = 'policy_compression'",
        (SCHEMA,),
    ).fetchone() or (None,)
    # A hypertable that is not there makes the job fail, when the scheduler starts it.
    beside.execute(
        "SELECT alter_job(%s, config => jsonb_set(config, '{hypertable_id}', '0'), next_start => now()) "
        "FROM timescaledb_information.jobs WHERE job_id = %s",
        (job, job),
    )
    lines: list[str] = []

    def scheduler_has_run() -> bool:
        lines[:] = store.maintain(NOW * MS)
        return bool(lines)

    wait_until(scheduler_has_run, 60)
    (line,) = lines
    assert f"job {job} (policy_compression) failed" in line


def test_hours_and_days_are_made_of_the_minutes(database: PostgresDatabase, beside: psycopg.Connection[Any]):
    opening = 1_790_653_500_000  # 2026-09-29 09:15 in India
    PostgresBars(database, ["1s", "1m"]).write(
        [bar(opening + minute * MINUTE, 100.0 + minute) for minute in range(375)]
    )
    for view in ("market_ohlc_1h", "market_ohlc_1d"):
        beside.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")
    hours = beside.execute(
        "SELECT extract(epoch FROM bucket)::bigint * 1000, open, close, volume "
        "FROM market_ohlc_1h ORDER BY bucket"
    ).fetchall()
    assert hours[0] == (opening, 100.0, 160.0, 600)
    assert [volume for *_, volume in hours] == [600] * 6 + [150]
    days = beside.execute("SELECT open, high, low, close, volume FROM market_ohlc_1d").fetchall()
    assert days == [(100.0, 476.0, 99.0, 475.0, 3750)]


def test_a_bar_is_corrected_in_the_columnstore_too(
    database: PostgresDatabase, beside: psycopg.Connection[Any]
):
    bars = PostgresBars(database, ["1m"])
    start = (NOW - 40 * DAY) // MINUTE * MINUTE
    bars.write([bar(start, 100.0)])
    for (chunk,) in beside.execute("SELECT c::text FROM show_chunks('market_ohlc_1m') c").fetchall():
        beside.execute(f"CALL convert_to_columnstore('{chunk}')")
    bars.write([bar(start, 200.0)])
    assert [kept.open for kept in bars.read(RELIANCE.key, "1m", 0, 2**42, 10)] == [200.0]
