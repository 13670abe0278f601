"""A database's files are moved, removed or replaced while they are in use: it says so, and goes on."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mdactors.config import LogSettings, StoreSettings
from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.carrier_process import CarrierProcess, Errand
from mdactors.store.journal import Journal
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
TAKEN_AWAY = "was moved or removed while in use"


def ticks(first: int, last: int) -> list[Tick]:
    return [
        Tick(RELIANCE, Quote(RELIANCE.token, "ltp", 1.0), "test", 1, seq, seq * 1_000_000)
        for seq in range(first, last + 1)
    ]


def end(count: int) -> Position:
    return Position("journal", 1, count, count)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteTicks]:
    """Ten ticks are stored, and have been read."""
    store = SqliteTicks(SqliteDatabase(path))
    store.write(ticks(1, 10), None, end(10))
    assert kept(store) == list(range(1, 11))
    yield store
    store.close()


def kept(store: SqliteTicks) -> list[int]:
    return [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10**6)]


def in_file(path: Path) -> list[int]:
    """What another program finds there; the file must be sound."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [seq for (seq,) in other.execute("SELECT seq FROM ticks ORDER BY seq")]


def remove(path: Path, suffixes: Sequence[str]) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
@pytest.mark.parametrize("reads_first", [False, True])
def test_a_log_that_was_removed_costs_no_row(
    store: SqliteTicks, path: Path, suffixes: Sequence[str], reads_first: bool
) -> None:
    remove(path, suffixes)
    with pytest.raises(StoreError, match=f"ticks.db{suffixes[0]}: {TAKEN_AWAY}"):
        store.position("journal") if reads_first else store.write(ticks(11, 12), end(10), end(12))
    assert store.position("journal") == end(10)
    store.write(ticks(11, 12), end(10), end(12))
    assert kept(store) == in_file(path) == list(range(1, 13))
    store.close()
    assert in_file(path) == list(range(1, 13))


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
@pytest.mark.parametrize("reads_first", [False, True])
def test_in_the_place_of_a_file_that_was_removed_a_new_one_is_begun(
    store: SqliteTicks, path: Path, suffixes: Sequence[str], reads_first: bool
) -> None:
    remove(path, suffixes)
    with pytest.raises(StoreError, match=f"ticks.db: {TAKEN_AWAY}"):
        store.position("journal") if reads_first else store.write(ticks(11, 12), end(10), end(12))
    assert store.position("journal") is None
    store.write(ticks(5, 12), None, end(12))
    assert kept(store) == in_file(path) == list(range(5, 13))


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_a_file_that_was_moved_holds_all_that_was_committed(
    store: SqliteTicks, path: Path, tmp_path: Path, suffixes: Sequence[str]
) -> None:
    (tmp_path / "away").mkdir()
    for suffix in suffixes:
        name = path.name + suffix
        path.with_name(name).rename(tmp_path / "away" / name)
    with pytest.raises(StoreError, match=TAKEN_AWAY):
        store.write(ticks(11, 12), end(10), end(12))
    store.write(ticks(11, 12), None, end(12))
    assert kept(store) == in_file(path) == [11, 12]
    assert in_file(tmp_path / "away" / path.name) == list(range(1, 11))


def test_a_copy_that_was_put_in_its_place_is_used_as_it_is(
    store: SqliteTicks, path: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
    store.write(ticks(11, 5000), end(10), end(5000))
    (tmp_path / "copy.db").replace(path)
    with pytest.raises(StoreError, match=TAKEN_AWAY):
        store.write(ticks(5001, 5002), end(5000), end(5002))
    assert store.position("journal") == end(10)
    store.write(ticks(5001, 5002), end(10), end(5002))
    assert kept(store) == in_file(path) == [*range(1, 11), 5001, 5002]


def test_a_file_behind_a_link_is_watched_too(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    path, real = tmp_path / "ticks.db", tmp_path / "disk" / "real.db"
    path.symlink_to(real)
    store = SqliteTicks(SqliteDatabase(path))
    store.write(ticks(1, 10), None, end(10))
    remove(real, ["-wal"])
    with pytest.raises(StoreError, match=TAKEN_AWAY):
        store.write(ticks(11, 12), end(10), end(12))
    store.write(ticks(11, 12), end(10), end(12))
    path.unlink()
    path.symlink_to(tmp_path / "disk" / "other.db")
    with pytest.raises(StoreError, match=TAKEN_AWAY):
        store.write(ticks(13, 14), end(12), end(14))
    store.write(ticks(13, 14), None, end(14))
    assert (in_file(real), in_file(path)) == (list(range(1, 13)), [13, 14])
    store.close()


def test_a_folder_that_is_away_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    folder, away = tmp_path / "data", tmp_path / "away"
    folder.mkdir()
    store = SqliteTicks(SqliteDatabase(folder / "ticks.db"))
    store.write(ticks(1, 10), None, end(10))
    folder.rename(away)
    with pytest.raises(StoreError, match=TAKEN_AWAY):
        store.write(ticks(11, 12), end(10), end(12))
    for attempt in (lambda: store.position("journal"), lambda: store.write([], end(10), end(12))):
        with pytest.raises(StoreError, match="unable to open database file"):
            attempt()
    away.rename(folder)
    store.write(ticks(11, 12), end(10), end(12))
    assert kept(store) == in_file(folder / "ticks.db") == list(range(1, 13))
    store.close()


def test_who_still_reads_the_old_file_ends_in_peace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdactors.store.sqlite.LOCK_SECONDS", 0.01)
    database = SqliteDatabase(path)
    store = SqliteTicks(database)
    store.write(ticks(1, 10), None, end(10))
    with database.reading() as connection:
        cursor = connection.execute("SELECT seq FROM ticks ORDER BY seq")
        assert cursor.fetchone() == (1,)
        remove(path, ["-wal"])
        with pytest.raises(StoreError, match=f"{TAKEN_AWAY}, and still being read"):
            store.write(ticks(11, 12), end(10), end(12))
        assert [seq for (seq,) in cursor] == list(range(2, 11))
    with pytest.raises(StoreError, match=f"{TAKEN_AWAY}; what is there next"):
        store.write(ticks(11, 12), end(10), end(12))
    store.write(ticks(11, 12), end(10), end(12))
    assert kept(store) == in_file(path) == list(range(1, 13))
    store.close()


def test_a_closed_store_is_said_to_be_closed(store: SqliteTicks) -> None:
    store.close()
    for attempt in (lambda: store.position("journal"), lambda: store.write([], None, end(1))):
        with pytest.raises(StoreError, match="it is closed"):
            attempt()


def test_many_threads_go_on_together(store: SqliteTicks, path: Path) -> None:
    """Readers and a writer meet a log that was removed again and again; each row is there in the end."""
    stop, errors = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                assert kept(store)[:10] == list(range(1, 11))
            except StoreError as error:
                errors.append(str(error))

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    at = 10
    for turn in range(100):
        if turn % 10 == 5:
            remove(path, ["-wal"] if path.with_name("ticks.db-wal").exists() else [])
        try:
            store.write(ticks(at + 1, at + 5), end(at), end(at + 5))
            at += 5
        except StoreError as error:
            errors.append(str(error))
    stop.set()
    for reader in readers:
        reader.join()
    assert at > 300
    assert any(TAKEN_AWAY in error for error in errors)
    assert kept(store) == in_file(path) == list(range(1, at + 1))


# --- Beside another process


@pytest.fixture
def synced(tmp_path: Path) -> Position:
    """Where a journal of 1000 ticks ends."""
    with closing(Journal(tmp_path / "journal", segment_bytes=1 << 20, max_bytes=1 << 30)) as journal:
        appender = journal.appender()
        for first in range(1, 1001, 5):
            appender.append(ticks(first, first + 4))
        position = appender.sync()
        appender.close()
    return position


@pytest.fixture
def errand(tmp_path: Path) -> Errand:
    return Errand(StoreSettings(), str(tmp_path), str(tmp_path / "journal"), LogSettings())


@pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm"), ("",), ("", "-wal", "-shm")])
@pytest.mark.parametrize("other_first", [False, True])
def test_two_processes_leave_the_old_files_one_after_the_other(
    errand: Errand, synced: Position, path: Path, suffixes: Sequence[str], other_first: bool
) -> None:
    with closing(CarrierProcess(errand)) as carrier, closing(SqliteTicks(SqliteDatabase(path))) as store:
        stored = carrier.carry(None, synced, 100).upto
        store.write(ticks(2001, 2010), None, end(10))
        assert store.position(synced.journal) == stored
        remove(path, suffixes)

        def other() -> None:
            with pytest.raises(StoreError, match=TAKEN_AWAY):
                carrier.carry(stored, synced, 100)

        def own() -> None:
            with pytest.raises(StoreError, match=TAKEN_AWAY):
                store.write([], end(10), end(11))

        turns = (other, own) if other_first else (own, other)
        turns[0]()
        turns[1]()
        new = "" in suffixes
        while stored != synced:
            stored = store.position(synced.journal)
            assert (stored is None) == new
            new = False
            stored = carrier.carry(stored, synced, 300).upto
            store.write(ticks(3001, 3001), store.position("journal"), end(20))
        rows = set(in_file(path))
        assert set(range(1, 1001)) <= rows
        assert set(range(2001, 2011)) <= rows or "" in suffixes
        assert set(kept(store)) == rows


@pytest.mark.parametrize("suffixes", [("-wal",), ("",)])
def test_the_other_process_may_be_at_work_again_before_this_one_looks(
    errand: Errand, synced: Position, path: Path, suffixes: Sequence[str]
) -> None:
    with closing(CarrierProcess(errand)) as carrier, closing(SqliteTicks(SqliteDatabase(path))) as store:
        stored = carrier.carry(None, synced, 100).upto
        assert store.position(synced.journal) == stored
        remove(path, suffixes)
        with pytest.raises(StoreError, match=TAKEN_AWAY):
            carrier.carry(stored, synced, 100)
        carrier.carry(None if "" in suffixes else stored, synced, 10_000)
        with pytest.raises(StoreError, match=TAKEN_AWAY):
            store.write(ticks(2001, 2010), None, end(10))
        store.write(ticks(2001, 2010), None, end(10))
        assert store.position(synced.journal) == synced
        assert in_file(path) == sorted(kept(store)) == [*range(1, 1001), *range(2001, 2011)]


def test_a_disk_that_fails_is_an_error_of_the_store(
    store: SqliteTicks, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        with pytest.raises(StoreError, match=r"ticks\.db: cannot be written: Input/output error"):
            store.write(ticks(11, 12), end(10), end(12))
    store.write(ticks(11, 12), end(10), end(12))
    assert kept(store) == list(range(1, 13))
