"""The schema of the SQLite file: its versions, and what is not ours."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.sqlite_schema import MIGRATIONS
from mdactors.store.ticks import COLUMNS
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
MS = 1_000_000
NOON = 1_790_663_400_000
END = Position("journal", 1, 100, 1)
FOREVER = 2**62


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote("R", "full", 1421.05, raw=b"raw"), "kite", 7, seq, NOON * MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks #1.db"


def make_version_1(path: Path, ticks: int = 0) -> None:
    """A file as the release before left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in MIGRATIONS[0].statements:
            old.execute(statement)
        old.execute("CREATE TABLE schema_version AS SELECT 1 AS version")
        old.execute("PRAGMA journal_mode = WAL")
        columns = COLUMNS[: COLUMNS.index("instrument_key")]
        for seq in range(ticks):
            row = [738561, "RELIANCE", "NSE", NOON + seq, b"raw", NOON, 7, seq, "STOCK", 1421.05]
            row += [None] * (len(columns) - len(row) - 2)
            old.execute(
                f"INSERT INTO ticks VALUES ({', '.join('?' * len(columns))})",
                (*row, "kite", 0),
            )


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


def test_bars_of_an_old_file_are_of_ticks_and_of_the_open_market(path: Path) -> None:
    make_version_1(path)
    before = next(
        number for number, step in enumerate(MIGRATIONS) if any("'ticks'" in each for each in step.statements)
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for migration in MIGRATIONS[1:before]:
            for statement in migration.statements:
                old.execute(statement)
        old.execute("UPDATE schema_version SET version = ?", (before,))
        old.execute("INSERT INTO market_ohlc_1m VALUES (?, ?, 1, 4, 0.5, 2, 30)", (RELIANCE.key, NOON))
    database = SqliteDatabase(path)
    (bar,) = SqliteBars(database, ["1m"]).read(RELIANCE.key, "1m", 0, FOREVER, 10)
    assert (bar.volume, bar.phase, bar.source) == (30, "open", "ticks")
    database.close()


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
        assert len(other.execute("PRAGMA table_info(ticks)").fetchall()) == COLUMNS.index("instrument_key")
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
    with pytest.raises(StoreError, match=r"schema version \[99\] is not 1 to 7"):
        SqliteDatabase(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        SqliteDatabase(path)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: unable to open"):
        SqliteDatabase(tmp_path / "nowhere" / "ticks.db")
