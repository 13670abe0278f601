"""What is SQLite's own: one file, its lock, its disk, its versions."""

from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import ticks_sqlite
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.sqlite_schema import MIGRATIONS
from mdactors.store.ticks import COLUMNS
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
MS = 1_000_000
NOON = 1_790_663_400_000
DAY = 86_400_000
END = Position("journal", 1, 100, 1)
FOREVER = 2**62


def tick(seq: int, received: int = NOON, **said: Any) -> Tick:
    return Tick(RELIANCE, Quote("R", "full", 1421.05, raw=b"raw", **said), "kite", 7, seq, received * MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks #1.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(path)
    yield database
    database.close()


@pytest.fixture
def store(database: SqliteDatabase) -> SqliteTicks:
    return SqliteTicks(database)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock."""
    monkeypatch.setattr("mdactors.store.sqlite.LOCK_SECONDS", 0.01)


def make_version_1(path: Path, ticks: int = 0) -> None:
    """A file as the release before left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in MIGRATIONS[0].statements:
            old.execute(statement)
        old.execute("CREATE TABLE schema_version AS SELECT 1 AS version")
        old.execute("PRAGMA journal_mode = WAL")
        columns = COLUMNS[:-1]
        for seq in range(ticks):
            row = [738561, "RELIANCE", "NSE", NOON + seq, b"raw", NOON, 7, seq, "STOCK", 1421.05]
            row += [None] * (len(columns) - len(row) - 2)
            old.execute(
                f"INSERT INTO ticks VALUES ({', '.join('?' * len(columns))})",
                (*row, "kite", 0),
            )


# --- The lock, the disk


def test_what_was_committed_is_on_the_disk(database: SqliteDatabase) -> None:
    with database.writing() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_disk_without_room_leaves_nothing_and_the_batch_is_written_later(
    database: SqliteDatabase, store: SqliteTicks
) -> None:
    with database.writing() as connection:
        connection.execute("PRAGMA max_page_count = 40")
    batch = [tick(seq) for seq in range(5000)]
    for poison in ([], [tick(0, volume=2**70)]):
        with pytest.raises(StoreError, match=r"ticks #1\.db: cannot be written: database or disk is full"):
            store.write([*poison, *batch], None, END)
        assert (store.count(), store.position("journal")) == (0, None)
    with database.writing() as connection:
        connection.execute("PRAGMA max_page_count = 1073741823")
    assert store.write(batch, None, END) == 0
    assert store.count() == 5000


def test_a_locked_file_is_a_store_error_and_works_again_afterwards(impatient: None, path: Path) -> None:
    store = SqliteTicks(SqliteDatabase(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="cannot be written: database is locked"):
            store.write([tick(1)], None, END)
        assert store.position("journal") is None
    assert store.write([tick(1)], None, END) == 0
    store.close()


def test_a_file_can_be_opened_and_read_while_another_process_writes(
    impatient: None, database: SqliteDatabase, store: SqliteTicks, path: Path
) -> None:
    store.write([tick(1)], None, END)
    with database.transaction():
        second = SqliteTicks(SqliteDatabase(path))
        assert second.count() == 1
        second.close()


def test_a_thread_that_hangs_in_a_write_is_a_store_error_for_the_next(
    impatient: None, database: SqliteDatabase, store: SqliteTicks
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hang() -> None:
        with database.transaction():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=hang)
    thread.start()
    entered.wait()
    with pytest.raises(StoreError, match="another thread is still writing"):
        store.write([tick(1)], None, END)
    leave.set()
    thread.join()
    assert store.write([tick(1)], None, END) == 0


def test_a_long_read_does_not_hold_up_writes_nor_see_them(
    database: SqliteDatabase, store: SqliteTicks
) -> None:
    store.write([tick(seq) for seq in range(100)], None, END)
    with database.reading() as connection:
        rows = connection.execute("SELECT seq FROM ticks")
        rows.fetchone()
        store.write([tick(100)], END, Position("journal", 1, 200, 101))
        assert store.count() == 101
        assert len(rows.fetchall()) == 99


def test_reading_never_waits_for_a_writer(database: SqliteDatabase, store: SqliteTicks) -> None:
    store.write([tick(1)], None, END)
    with database.transaction():
        assert store.count() == 1


def test_a_connection_for_queries_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(StoreError, match="readonly"), database.reading() as connection:
        connection.execute("DELETE FROM ticks")


def test_a_file_that_was_moved_takes_no_more_rows_until_it_is_back(
    database: SqliteDatabase, store: SqliteTicks, path: Path
) -> None:
    moved = path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(StoreError, match="moved or removed while in use"):
        store.write([tick(1)], None, END)
    moved.rename(path)
    assert store.write([tick(1)], None, END) == 0
    assert store.count() == 1


def test_old_ticks_are_deleted_in_slices(
    database: SqliteDatabase, store: SqliteTicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([tick(seq, NOON - 9 * DAY + seq) for seq in range(100)], None, END)
    monkeypatch.setattr(ticks_sqlite, "SLICE_ROWS", 10)
    monkeypatch.setattr(ticks_sqlite, "SLICES", 3)
    keeping = SqliteTicks(database, retention_days=2)
    for left in (70, 40, 10, 0, 0):
        keeping.maintain(NOON * MS)
        rows = store.read(RELIANCE.token, 0, FOREVER, 1000)
        assert [row.seq for row in rows] == list(range(100 - left, 100))


def test_a_log_that_has_grown_long_is_cut_or_whoever_keeps_it_is_told_of(
    impatient: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks_sqlite, "LONG_LOG_BYTES", 1000)
    database = SqliteDatabase(path)
    store = SqliteTicks(database)
    store.write([tick(1)], None, END)
    with database.reading() as connection:
        rows = connection.execute("SELECT name FROM sqlite_schema")
        rows.fetchone()
        store.write([tick(2)], END, Position("journal", 1, 200, 2))
        (line,) = store.maintain(NOON * MS)
        assert "a reader keeps the write-ahead log from being cut" in line
        rows.close()
    assert store.maintain(NOON * MS) == []
    assert database.log_bytes() == 0
    store.close()


def write_until_killed(path: Path) -> None:
    """In a process of its own: small parts, one behind the other."""
    try:
        store = SqliteTicks(SqliteDatabase(path))
        at = store.position("journal")
        while True:
            done = at.ticks if at else 0
            upto = Position("journal", 1, done + 150, done + 150)
            store.write([tick(done + n) for n in range(150)], at, upto)
            at = upto
    finally:
        os._exit(1)


def test_kill_9_at_any_moment_leaves_rows_and_position_in_step(
    path: Path, wait_until: Callable[..., None]
) -> None:
    rng = random.Random(5)
    goal = 0
    for _ in range(5):
        goal += rng.randrange(1, 3000)
        # An open database must not be carried into another process.
        if (child := os.fork()) == 0:
            write_until_killed(path)
        store = SqliteTicks(SqliteDatabase(path))
        wait_until(lambda store=store, goal=goal: store.count() >= goal, 30)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        position = store.position("journal")
        assert position is not None
        rows = store.read(RELIANCE.token, 0, FOREVER, 10**6)
        assert [row.seq for row in rows] == list(range(position.ticks))
        goal = position.ticks
        store.close()


# --- Versions, and what is not ours


def test_a_file_of_the_release_before_is_brought_up_to_date_with_all_its_ticks(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_version_1(path, ticks=3)
    with caplog.at_level(logging.INFO):
        database = SqliteDatabase(path)
    assert "from schema version 1 to 2" in caplog.text
    store = SqliteTicks(database)
    store.write([tick(3)], None, END)
    rows = store.read(RELIANCE.token, 0, FOREVER, 10)
    assert [row.seq for row in rows] == [0, 3, 1, 2]
    assert {row.seq: row.instrument_key for row in rows} == {
        0: "NSE_EQ|RELIANCE", 1: "NSE_EQ|RELIANCE", 2: "NSE_EQ|RELIANCE", 3: RELIANCE.key,
    }  # fmt: skip
    assert [row.instrument_key for row in store.received(0, FOREVER, 10)][:1] == ["NSE_EQ|RELIANCE"]
    store.close()


def test_an_old_file_and_a_new_one_have_the_same_schema(path: Path, tmp_path: Path) -> None:
    make_version_1(path)
    schemas = []
    for each in (path, tmp_path / "new.db"):
        SqliteDatabase(each).close()
        with closing(sqlite3.connect(each)) as other:
            schemas.append(
                other.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
            )
            assert other.execute("SELECT version FROM schema_version").fetchall() == [(len(MIGRATIONS),)]
            assert tuple(name for _, name, *_ in other.execute("PRAGMA table_info(ticks)")) == COLUMNS
    assert schemas[0] == schemas[1]
    made = {name for migration in MIGRATIONS for name in migration.makes}
    assert {name for _, name, _ in schemas[0] if not name.startswith("sqlite_")} == {*made, "schema_version"}


def test_many_who_open_a_file_at_once_bring_it_up_to_date_together(path: Path) -> None:
    make_version_1(path, ticks=50)
    opened: list[SqliteDatabase] = []
    threads = [
        threading.Thread(target=lambda: opened.append(SqliteDatabase(path)), daemon=True) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [SqliteTicks(database).count() for database in opened] == [50] * 5
    for database in opened:
        database.close()


def test_a_step_that_fails_leaves_the_old_version(path: Path) -> None:
    make_version_1(path, ticks=3)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE market_ohlc (a)")
    with pytest.raises(StoreError, match="holds a table market_ohlc that is not ours"):
        SqliteDatabase(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        assert len(other.execute("PRAGMA table_info(ticks)").fetchall()) == len(COLUMNS) - 1
        other.execute("DROP TABLE market_ohlc")
    database = SqliteDatabase(path)
    assert SqliteTicks(database).count() == 3
    database.close()


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        ("CREATE TABLE ticks (a)", "a table ticks"),
        ("CREATE TABLE Ticks (a)", "a table ticks"),
        ("CREATE VIEW live_prices AS SELECT 1", "a view live_prices"),
        ("CREATE TABLE journal_positions (a)", "a table journal_positions"),
    ],
)
def test_what_is_foreign_and_has_our_name_is_left_alone_and_named(
    path: Path, foreign: str, named: str
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(foreign)
    for _ in range(2):
        with pytest.raises(StoreError, match=rf"ticks #1\.db: holds {named} that is not ours"):
            SqliteDatabase(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT sql FROM sqlite_schema").fetchall() == [(foreign,)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_newer_version_is_refused(path: Path) -> None:
    SqliteDatabase(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match=r"schema version \[99\] is not 1 to 2"):
        SqliteDatabase(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        SqliteDatabase(path)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: unable to open"):
        SqliteDatabase(tmp_path / "nowhere" / "ticks.db")


# --- Answers come out of an index


def plan(database: SqliteDatabase, statement: str, *arguments: Any) -> str:
    with database.reading() as connection:
        return "; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", arguments))


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT * FROM kite_ticks_data WHERE tradingsymbol = 'A' ORDER BY tick_timestamp DESC", "symbol"),
        ("SELECT * FROM kite_ticks_data WHERE exchange = 'A' ORDER BY tick_timestamp DESC", "exchange"),
        ("SELECT * FROM kite_ticks_data WHERE instrument_token = 1 ORDER BY tick_timestamp DESC", "token"),
        ("SELECT * FROM live_prices", "token"),
        (ticks_sqlite._EXPIRED.replace("?", "1"), "receipt"),
        (ticks_sqlite._PAGE.replace("?", "1"), "token"),
        (ticks_sqlite._PAGE_RECEIVED.replace("?", "1"), "receipt"),
    ],
)
def test_questions_are_answered_by_an_index(database: SqliteDatabase, statement: str, index: str) -> None:
    assert f"INDEX ticks_by_{index}" in plan(database, statement)
    assert "SCAN ticks" not in plan(database, statement).replace("SCAN ticks USING", "")


def test_ticks_and_bars_share_a_file(database: SqliteDatabase, store: SqliteTicks) -> None:
    assert SqliteBars(database, ["1m"]).read("NSE_EQ|X", "1m", 0, FOREVER, 1) == []
    assert store.count() == 0
    with pytest.raises(StoreError, match="bars of 5m are not stored"):
        SqliteBars(database, ["1m"]).read("NSE_EQ|X", "5m", 0, FOREVER, 1)
