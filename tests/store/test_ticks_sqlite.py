"""What is SQLite's own: one file, its lock, its disk, its versions."""

from __future__ import annotations

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
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import retention_sqlite, ticks_sqlite
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase
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


def test_what_is_old_is_deleted_in_slices(
    database: SqliteDatabase, store: SqliteTicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = SqliteBars(database, ["1s"])
    bars.write([Bar(RELIANCE, "1s", NOON - 9 * DAY + n, 1.0, 1.0, 1.0, 1.0, n) for n in range(100)])
    store.write([tick(seq, NOON - 9 * DAY + seq) for seq in range(100)], None, END)
    monkeypatch.setattr(retention_sqlite, "SLICE_ROWS", 10)
    monkeypatch.setattr(retention_sqlite, "SLICES", 3)
    keeping = SqliteTicks(database, retention_days=2)
    for left in (70, 40, 10, 0, 0):
        keeping.maintain(NOON * MS)
        rows = store.read(RELIANCE.token, 0, FOREVER, 1000)
        assert [row.seq for row in rows] == list(range(100 - left, 100))
        kept = bars.read(RELIANCE.key, "1s", 0, FOREVER, 1000)
        assert [bar.volume for bar in kept] == list(range(100 - left, 100))


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
        (retention_sqlite.TICKS.replace("?", "1"), "receipt"),
        (ticks_sqlite._PAGE.replace("?", "1"), "token"),
        (ticks_sqlite._PAGE_RECEIVED.replace("?", "1"), "receipt"),
    ],
)
def test_questions_are_answered_by_an_index(database: SqliteDatabase, statement: str, index: str) -> None:
    assert f"INDEX ticks_by_{index}" in plan(database, statement)
    assert "SCAN ticks" not in plan(database, statement).replace("SCAN ticks USING", "")


def test_what_is_too_old_is_found_without_reading_the_rest(database: SqliteDatabase) -> None:
    refused = plan(database, retention_sqlite.REFUSED.replace("?", "1"))
    assert "USING COVERING INDEX refused_ticks_by_time (at<?)" in refused
    seconds = plan(database, retention_sqlite.SECONDS.replace("?", "1"))
    assert "USING PRIMARY KEY (instrument_key=? AND ts<?)" in seconds
    assert "SCAN market_ohlc" not in seconds


def test_ticks_and_bars_share_a_file(database: SqliteDatabase, store: SqliteTicks) -> None:
    assert SqliteBars(database, ["1m"]).read("NSE_EQ|X", "1m", 0, FOREVER, 1) == []
    assert store.count() == 0
    with pytest.raises(StoreError, match="bars of 5m are not stored"):
        SqliteBars(database, ["1m"]).read("NSE_EQ|X", "5m", 0, FOREVER, 1)
