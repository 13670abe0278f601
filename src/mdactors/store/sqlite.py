"""One SQLite file and its connections: one that writes, as many as needed that only read."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mdactors.errors import StoreError
from mdactors.store.sqlite_schema import migrate

LOCK_SECONDS = 5.0
"""How long to wait for another process, or another thread of ours, that writes."""
FAULTS = (
    OverflowError,
    UnicodeError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What SQLite says of a row that it will never take; all else is the file's trouble and may pass."""


class SqliteDatabase:
    """Owns one file and keeps its schema up to date. Safe to use from any thread; blocks.

    Whoever reads never waits for who writes, nor the other way round (write-ahead log), and what was
    committed is on the disk (``synchronous=FULL``).

    Raises:
        StoreError: the file cannot be opened, is newer than this program, or holds what is not ours.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._idle_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        with self._reported("opened"):
            self._writer = self._connect("rwc")
            try:
                self._prepare()
            except (sqlite3.Error, StoreError):
                self._writer.close()
                raise
        self._file = os.stat(path).st_ino

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        self._writer.execute("PRAGMA synchronous = FULL")
        # Every instrument has its own place in the indexes: with the default of 2 MiB most rows would
        # read that place from the file again, and a longer log is folded in less often.
        self._writer.execute("PRAGMA cache_size = -65536")
        self._writer.execute("PRAGMA wal_autocheckpoint = 8000")
        try:
            migrate(self._writer)
        except StoreError as error:
            raise StoreError(f"{self.path}: {error}") from None
        self._writer.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"{self.path}: cannot be {what}: {error}") from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its begin, committed when the block ends well.

        Raises:
            StoreError: nothing was written.
        """
        with self.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, outside any transaction, for one thread at a time.

        Raises:
            StoreError: another thread has not finished, or the file failed.
        """
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise StoreError(f"{self.path}: cannot be written: another thread is still writing")
        try:
            with self._reported("written"):
                self._check_place()
                yield self._writer
        finally:
            self._lock.release()

    def _check_place(self) -> None:
        """A file that was moved or removed goes on taking rows that nobody would find again."""
        try:
            found = os.stat(self.path).st_ino
        except OSError:
            found = None
        if found != self._file and not self._closed:
            raise StoreError(f"{self.path}: was moved or removed while in use; put it back, or restart")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write, for this block alone.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._reported("read"):
            connection = self._take_reader()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _take_reader(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._closed:
                raise StoreError(f"{self.path}: cannot be read: it is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect("ro")

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._idle_lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except OSError:
            return 0

    def fold_log(self) -> bool:
        """Fold the write-ahead log into the file and cut it to nothing; False where a reader is in the way.

        Raises:
            StoreError: the file failed.
        """
        with self.writing() as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        with self._idle_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._lock:
            self._writer.close()


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """A block within a transaction that is undone when an exception leaves it."""
    connection.execute("SAVEPOINT batch")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO batch")
            connection.execute("RELEASE batch")
        raise
    connection.execute("RELEASE batch")
