"""A fault of a table is not a fault of the ticks: they wait until it is mended, then all are stored."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench._servers import Postgres

from mdactors.adapter import Secret
from mdactors.errors import StoreError, TableFault
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.bars import BarStore
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import TickStore
from mdactors.store.ticks_postgres import PostgresTicks
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
MS = 1_000_000
NOON = 1_790_663_400_000
"""2026-09-29 12:00 in India."""
DAY = 86_400_000
PART = 500
REFUSED = "SELECT count(*) FROM refused_ticks"
Query = Callable[[str], list[tuple[Any, ...]]]


def tick(seq: int, received: int = NOON, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", **{"last_price": 1421.05, **said}, raw=b"raw")
    return Tick(instrument, quote, "kite", 7, seq, received * MS)


def write(store: TickStore, ticks: Sequence[Tick]) -> int:
    """The next batch of a journal."""
    at = store.position("j")
    before = at.ticks if at else 0
    return store.write(ticks, at, Position("j", 1, before + len(ticks), before + len(ticks)))


def assert_waits(store: TickStore, query: Query, reason: str) -> None:
    """A part of good ticks is refused as a whole, and nothing of it is written or set aside."""
    before, rows = store.position("j"), store.count()
    with pytest.raises(StoreError) as caught:
        write(store, [tick(seq) for seq in range(1, PART + 1)])
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (store.position("j"), store.count(), query(REFUSED)) == (before, rows, [(0,)])


def assert_all_is_stored(store: TickStore, query: Query) -> None:
    assert write(store, [tick(seq) for seq in range(1, PART + 1)]) == 0
    assert [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10**6)] == list(range(PART + 1))
    assert query(REFUSED) == [(0,)]


# --- PostgreSQL: the fault, how it is mended, what is said

POSTGRES_FAULTS = {
    "partitions that are detached": (
        "ALTER TABLE ticks DETACH PARTITION ticks_20260929; ALTER TABLE ticks DETACH PARTITION ticks_default",
        "ALTER TABLE ticks ATTACH PARTITION ticks_20260929 FOR VALUES FROM ('2026-09-29 00:00+05:30') "
        "TO ('2026-09-30 00:00+05:30')",
        'no partition of relation "ticks" found for row',
    ),
    "somebody's column that must be filled": (
        "ALTER TABLE ticks ADD COLUMN desk text DEFAULT ''; ALTER TABLE ticks ALTER COLUMN desk SET NOT NULL;"
        "ALTER TABLE ticks ALTER COLUMN desk DROP DEFAULT",
        "ALTER TABLE ticks ALTER COLUMN desk DROP NOT NULL",
        'null value in column "desk"',
    ),
    "a constraint": (
        "ALTER TABLE ticks ADD CONSTRAINT never CHECK (seq < 1)",
        "ALTER TABLE ticks DROP CONSTRAINT never",
        'violates check constraint "never"',
    ),
    "an index that wants each but once": (
        "CREATE UNIQUE INDEX never ON ticks (exchange, received_at)",
        "DROP INDEX never",
        "violates unique constraint",
    ),
    "a column of ours that has gone": (
        "ALTER TABLE ticks RENAME COLUMN iv TO volatility",
        "ALTER TABLE ticks RENAME COLUMN volatility TO iv",
        'column "iv" of relation "ticks" does not exist',
    ),
    "a trigger that raises": (
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;"
        "CREATE TRIGGER never BEFORE INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION never()",
        "DROP TRIGGER never ON ticks",
        "not today",
    ),
    "a trigger that drops rows without an error": (
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER never BEFORE INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION never()",
        "DROP TRIGGER never ON ticks",
        "dropped by a trigger",
    ),
    "a disk that is full": (
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        "CREATE TRIGGER never BEFORE INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION full_disk()",
        "DROP TRIGGER never ON ticks",
        "could not extend file",
    ),
    "a type that is too narrow": (
        "DROP VIEW kite_ticks_data, live_prices; ALTER TABLE ticks ALTER COLUMN source TYPE varchar(3)"
        " USING left(source, 3)",
        "ALTER TABLE ticks ALTER COLUMN source TYPE text",
        "value too long for type character varying(3)",
    ),
    "a type of another format": (
        "DROP VIEW live_prices; ALTER TABLE ticks ALTER COLUMN epoch TYPE integer",
        "ALTER TABLE ticks ALTER COLUMN epoch TYPE bigint",
        "incorrect binary data format",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "mended", "reason"), POSTGRES_FAULTS.values(), ids=POSTGRES_FAULTS)
def test_postgresql_refuses_all_for_a_fault_of_its_own(
    postgres_database: PostgresDatabase, query: Query, fault: str, mended: str, reason: str
) -> None:
    store = PostgresTicks(postgres_database)
    store.maintain(NOON * MS)
    write(store, [tick(0)])
    query(fault)
    assert_waits(store, query, reason)
    assert_waits(store, query, reason)
    query(mended)
    assert_all_is_stored(store, query)


def test_a_right_that_is_taken_away_is_a_fault_of_the_table(
    postgres_server: Postgres, postgres_database: PostgresDatabase, query: Query
) -> None:
    owner = PostgresTicks(postgres_database)
    write(owner, [tick(0)])
    query(
        f"CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA {postgres_database.schema} TO clerk; "
        f"GRANT ALL ON ALL TABLES IN SCHEMA {postgres_database.schema} TO clerk; "
        "REVOKE INSERT ON ticks FROM clerk"
    )
    dsn = Secret(postgres_server.dsn)
    clerk = PostgresTicks(PostgresDatabase(dsn, username="clerk", schema=postgres_database.schema))
    assert_waits(clerk, query, "permission denied for table ticks")
    query("GRANT INSERT ON ticks TO clerk")
    assert_all_is_stored(clerk, query)
    clerk.close()
    query("DROP OWNED BY clerk; DROP ROLE clerk")


@pytest.mark.parametrize("of_a_missing_day", [1, PART // 4])
def test_no_tick_is_at_fault_for_a_partition_that_is_missing_however_few_belong_there(
    postgres_database: PostgresDatabase, query: Query, of_a_missing_day: int
) -> None:
    store = PostgresTicks(postgres_database)
    store.maintain(NOON * MS)
    query("ALTER TABLE ticks DETACH PARTITION ticks_default")
    part = [tick(seq, NOON - DAY if seq < of_a_missing_day else NOON) for seq in range(PART)]
    with pytest.raises(TableFault, match="no partition"):
        write(store, part)
    assert (store.count(), query(REFUSED)) == (0, [(0,)])
    query("ALTER TABLE ticks ATTACH PARTITION ticks_default DEFAULT")
    assert write(store, part) == 0
    assert store.count() == PART


# --- SQLite

SQLITE_FAULTS = {
    "a trigger that aborts": (
        "CREATE TRIGGER never BEFORE INSERT ON ticks BEGIN SELECT RAISE(ABORT, 'not today'); END",
        "DROP TRIGGER never",
        "not today",
    ),
    "a trigger that undoes everything": (
        "CREATE TRIGGER never BEFORE INSERT ON ticks BEGIN SELECT RAISE(ROLLBACK, 'not today'); END",
        "DROP TRIGGER never",
        "not today",
    ),
    "a trigger that drops rows without an error": (
        "CREATE TRIGGER never BEFORE INSERT ON ticks BEGIN SELECT RAISE(IGNORE); END",
        "DROP TRIGGER never",
        "dropped by a trigger",
    ),
    "an index that wants each but once": (
        "CREATE UNIQUE INDEX never ON ticks (exchange)",
        "DROP INDEX never",
        "UNIQUE constraint failed: ticks.exchange",
    ),
    "a column of ours that has gone": (
        "ALTER TABLE ticks RENAME COLUMN iv TO volatility",
        "ALTER TABLE ticks RENAME COLUMN volatility TO iv",
        "no column named iv",
    ),
}


@pytest.mark.parametrize(("fault", "mended", "reason"), SQLITE_FAULTS.values(), ids=SQLITE_FAULTS)
def test_sqlite_refuses_all_for_a_fault_of_its_own(
    tmp_path: Path, fault: str, mended: str, reason: str
) -> None:
    def query(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tmp_path / "ticks.db")) as other:
            return other.execute(statement).fetchall()

    store = SqliteTicks(SqliteDatabase(tmp_path / "ticks.db"))
    write(store, [tick(0)])
    query(fault)
    assert_waits(store, query, reason)
    assert_waits(store, query, reason)
    query(mended)
    assert_all_is_stored(store, query)
    store.close()


@pytest.mark.parametrize(
    ("constraint", "reason"),
    [
        ("flags INTEGER NOT NULL CHECK (seq < 1)", "CHECK constraint failed"),
        ("desk TEXT NOT NULL, flags INTEGER NOT NULL", "NOT NULL constraint failed: ticks.desk"),
    ],
)
def test_sqlite_refuses_all_for_a_constraint_of_somebodys(
    tmp_path: Path, constraint: str, reason: str
) -> None:
    path = tmp_path / "ticks.db"

    def query(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as other:
            return other.execute(statement).fetchall()

    def have(before: str, after: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            (version,) = other.execute("PRAGMA schema_version").fetchone()
            other.execute("PRAGMA writable_schema = ON")
            other.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, ?)", (before, after))
            other.execute(f"PRAGMA schema_version = {version + 1}")

    store = SqliteTicks(SqliteDatabase(path))
    own = "flags INTEGER NOT NULL"
    have(own, constraint)
    before = store.position("j")
    with pytest.raises(TableFault, match=reason):
        write(store, [tick(seq) for seq in range(1, PART + 1)])
    assert (store.position("j"), store.count(), query(REFUSED)) == (before, 0, [(0,)])
    have(constraint, own)
    assert write(store, [tick(seq) for seq in range(1, PART + 1)]) == 0
    assert store.count() == PART
    store.close()


# --- Both: who is to blame


def have_refused(database: Any, store: TickStore) -> None:
    """Have INFY refused from now on, and all others taken: there is one of it, and there may be but one."""
    write(store, [tick(0, instrument=INFY)])
    database.query(
        "CREATE UNIQUE INDEX never ON ticks (tradingsymbol, received_at) WHERE tradingsymbol = 'INFY'"
    )


def test_a_tick_that_a_table_refuses_among_many_is_set_aside(database: Any, ticks_store: TickStore) -> None:
    have_refused(database, ticks_store)
    batch = [tick(seq, instrument=INFY if seq % 10 == 5 else RELIANCE) for seq in range(1, PART + 1)]
    assert write(ticks_store, batch) == PART // 10
    assert database.query(REFUSED) == [(PART // 10,)]
    assert ticks_store.count() == 1 + PART - PART // 10


def test_what_only_a_commit_would_refuse_is_refused_by_its_row(
    postgres_database: PostgresDatabase, query: Query
) -> None:
    store = PostgresTicks(postgres_database)
    write(store, [tick(0)])
    query(
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.seq % 10 = 5 THEN RAISE 'not today'; END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER never AFTER INSERT ON ticks DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION never()"
    )
    assert write(store, [tick(seq) for seq in range(1, PART + 1)]) == PART // 10
    assert (query(REFUSED), store.count()) == ([(PART // 10,)], 1 + PART - PART // 10)


def test_ticks_that_a_trigger_drops_are_set_aside(database: Any, ticks_store: TickStore) -> None:
    write(ticks_store, [tick(0)])
    if type(database).__name__ == "PostgresSchema":
        database.query(
            "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
            "CREATE TRIGGER never BEFORE INSERT ON ticks FOR EACH ROW "
            "WHEN (NEW.tradingsymbol = 'INFY') EXECUTE FUNCTION never()"
        )
    else:
        database.query(
            "CREATE TRIGGER never BEFORE INSERT ON ticks WHEN NEW.tradingsymbol = 'INFY' "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
    batch = [tick(seq, instrument=INFY if seq % 10 == 5 else RELIANCE) for seq in range(1, PART + 1)]
    assert write(ticks_store, batch) == PART // 10
    assert (database.query(REFUSED), ticks_store.count()) == ([(PART // 10,)], 1 + PART - PART // 10)


def test_where_good_ticks_shut_each_other_out_it_is_the_table(database: Any, ticks_store: TickStore) -> None:
    write(ticks_store, [tick(0)])
    database.query("CREATE UNIQUE INDEX never ON ticks (exchange, received_at)")
    batch = [tick(seq, NOON + 1) for seq in range(1, PART + 1)]  # each would be taken by itself
    with pytest.raises(TableFault):
        write(ticks_store, batch)
    assert (database.query(REFUSED), ticks_store.count()) == ([(0,)], 1)
    database.query("DROP INDEX never")
    assert (write(ticks_store, batch), ticks_store.count()) == (0, PART + 1)


def test_a_tick_alone_waits_until_others_show_who_is_to_blame(database: Any, ticks_store: TickStore) -> None:
    have_refused(database, ticks_store)
    alone = tick(1, instrument=INFY)
    for _ in range(2):
        with pytest.raises(TableFault):
            write(ticks_store, [alone])
    assert database.query(REFUSED) == [(0,)]
    assert write(ticks_store, [alone, tick(2)]) == 1
    assert (database.query(REFUSED), ticks_store.count()) == ([(1,)], 2)


def test_where_most_are_refused_it_is_the_table_also_if_some_could_never_be_kept(
    database: Any, ticks_store: TickStore
) -> None:
    have_refused(database, ticks_store)
    poisoned = [tick(seq, last_price=math.nan) for seq in range(1, 101)]
    refused = [tick(seq, instrument=INFY) for seq in range(101, 201)]
    taken = [tick(seq) for seq in range(201, 206)]
    with pytest.raises(TableFault):
        write(ticks_store, [*poisoned, *refused, *taken])
    assert (database.query(REFUSED), ticks_store.count()) == ([(0,)], 1)
    database.query("DROP INDEX never")
    assert write(ticks_store, [*poisoned, *refused, *taken]) == 100
    assert ticks_store.count() == 106


# --- Bars


def test_bars_wait_as_well_for_a_table_to_be_mended(
    database: Any, ticks_store: TickStore, bars_store: BarStore
) -> None:
    bars = [Bar(RELIANCE, "1m", NOON + n * 60_000, 1.0, 1.0, 1.0, 1.0, 5) for n in range(100)]
    bars_store.write(bars[:1])
    if type(database).__name__ == "PostgresSchema":
        database.query("ALTER TABLE market_ohlc_1m ADD CONSTRAINT never CHECK (volume > 5) NOT VALID")
        mended = "ALTER TABLE market_ohlc_1m DROP CONSTRAINT never"
    else:
        database.query(
            "CREATE TRIGGER never BEFORE INSERT ON market_ohlc_1m BEGIN SELECT RAISE(ABORT, 'never'); END"
        )
        mended = "DROP TRIGGER never"
    with pytest.raises(TableFault, match="never"):
        bars_store.write(bars)
    assert len(bars_store.read(RELIANCE.key, "1m", 0, 2**42, 1000)) == 1
    database.query(mended)
    bars_store.write(bars)
    assert len(bars_store.read(RELIANCE.key, "1m", 0, 2**42, 1000)) == 100
