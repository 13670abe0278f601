"""A database's file is write-protected while it is in use: it says so, and goes on once it may."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NOBODY = 65534


def ticks(first: int, last: int) -> list[Tick]:
    return [
        Tick(RELIANCE, Quote(RELIANCE.token, "ltp", 1.0), "test", 1, seq, seq * 1_000_000)
        for seq in range(first, last + 1)
    ]


def end(count: int) -> Position:
    return Position("journal", 1, count, count)


def kept(store: SqliteTicks) -> list[int]:
    return [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10**6)]


def in_file(path: Path) -> list[int]:
    """What another program finds there; the file must be sound."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [seq for (seq,) in other.execute("SELECT seq FROM ticks ORDER BY seq")]


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Not root, whom no protection stops; ``folder`` is theirs."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def beside(path: Path) -> Iterator[None]:
    """Another process has the file open, so that its log is there."""
    program = (
        "import sqlite3, sys; other = sqlite3.connect(sys.argv[1]);"
        "print(other.execute('SELECT count(*) FROM ticks').fetchone(), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"(0,)\n"
        yield
        process.communicate()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others than root can reach."""
    with TemporaryDirectory(prefix="mdactors-") as name:
        yield Path(name)


def test_a_file_is_written_again_once_it_may_be(open_folder: Path) -> None:
    path = open_folder / "ticks.db"
    with as_nobody(open_folder):
        store = SqliteTicks(SqliteDatabase(path))
        store.write(ticks(1, 5), None, end(5))
        path.chmod(0o444)
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be written: it is write-protected"):
                store.write(ticks(6, 10), end(5), end(10))
            assert store.position("journal") == end(5)
        path.chmod(0o644)
        store.write(ticks(6, 10), end(5), end(10))
        assert kept(store) == in_file(path) == list(range(1, 11))
        store.close()


def test_a_file_that_is_protected_from_the_start_is_refused_and_stays_usable(open_folder: Path) -> None:
    path = open_folder / "ticks.db"
    with as_nobody(open_folder):
        SqliteDatabase(path).close()
        path.chmod(0o444)
        with pytest.raises(StoreError, match="cannot be opened: it is write-protected"):
            SqliteDatabase(path)
        path.chmod(0o644)
        with closing(SqliteTicks(SqliteDatabase(path))) as store:
            store.write(ticks(1, 10), None, end(10))
            assert kept(store) == in_file(path) == list(range(1, 11))


def test_who_opened_a_file_while_it_was_protected_writes_it_later(open_folder: Path) -> None:
    path = open_folder / "ticks.db"
    with as_nobody(open_folder):
        SqliteDatabase(path).close()
    with beside(path), as_nobody(open_folder):
        path.chmod(0o444)
        with closing(SqliteTicks(SqliteDatabase(path))) as store:
            assert store.position("journal") is None
            path.chmod(0o644)
            # Its empty log was given the file's protection: that takes one attempt, the file another.
            for _ in range(2):
                with pytest.raises(StoreError, match="attempt to write a readonly database"):
                    store.write(ticks(1, 10), None, end(10))
            store.write(ticks(1, 10), None, end(10))
            assert kept(store) == in_file(path) == list(range(1, 11))
