"""One SQLite file and its connections: one that writes, as many as needed that only read."""

from __future__ import annotations

import logging
import os
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from mdactors.errors import StoreError, TableFault
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
"""What SQLite says of a row, whoever is at fault; all else is the file's trouble and may pass."""


_STUCK = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
"""What a connection may say for ever, although the file is well again."""

_logger = logging.getLogger(__name__)


class SqliteDatabase:
    """Owns one file and keeps its schema up to date. Safe to use from any thread; blocks.

    Whoever reads never waits for who writes, nor the other way round (write-ahead log), and what was
    committed is on the disk (``synchronous=FULL``). A file that was moved, removed or replaced is an error
    for once; then what is in its place is used, and a new file begun where none is.

    Raises:
        StoreError: the file cannot be opened, is newer than this program, or holds what is not ours.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._paths: tuple[pathlib.Path, ...] = ()
        """Of the database, its log, and the log's index."""
        self._inodes: list[int | None] = []
        """Which files ``_writer`` has open under these names."""
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        """None while the file cannot be opened again."""
        self._idle_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        """Those that read, and do not now; another list once the file is another."""
        self._closed = False
        with self._reported("opened"):
            self._open()

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _open(self) -> sqlite3.Connection:
        real = self.path.resolve()  # the log is beside the file, not beside a link to it
        self._paths = (self.path, *(real.with_name(real.name + suffix) for suffix in ("-wal", "-shm")))
        if self._is_protected() and not self._paths[-1].exists():
            # A log that is made now gets the file's protection, and keeps it when the file loses it.
            raise StoreError(f"{self.path}: cannot be opened: it is write-protected")
        writer = self._connect("rwc")
        try:
            self._prepare(writer)
        except (sqlite3.Error, StoreError):
            writer.close()
            raise
        self._inodes = [_inode(path) for path in self._paths]
        self._writer = writer
        return writer

    def _prepare(self, writer: sqlite3.Connection) -> None:
        writer.execute("PRAGMA synchronous = FULL")
        # Every instrument has its own place in the indexes: with the default of 2 MiB most rows would
        # read that place from the file again, and a longer log is folded in less often.
        writer.execute("PRAGMA cache_size = -65536")
        writer.execute("PRAGMA wal_autocheckpoint = 8000")
        try:
            migrate(writer)
        except StoreError as error:
            raise StoreError(f"{self.path}: {error}") from None
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("SELECT count(*) FROM schema_version").fetchone()  # opens the log

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"{self.path}: cannot be {what}: {error}") from None
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be {what}: {error.strerror}") from None

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
            StoreError: another thread has not finished, or the file failed or was taken away; the next
                one to come opens what is there then.
        """
        with self._exclusively(), self._reported("written"):
            connection = self._current()
            try:
                yield connection
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _STUCK:
                    self._let_go()
                raise

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise StoreError(f"{self.path}: cannot be written: another thread is still writing")
        try:
            yield
        finally:
            self._lock.release()

    def _current(self) -> sqlite3.Connection:
        """The connection that writes the file that is there; the caller holds the lock."""
        if self._closed:
            raise StoreError(f"{self.path}: cannot be written: it is closed")
        if self._is_protected():
            # A connection that is open would write on, one that is opened now never would.
            raise StoreError(f"{self.path}: cannot be written: it is write-protected")
        if self._writer is None:
            return self._open()
        if (path := self._taken_away()) is not None:
            self._leave(self._writer, path)
        return self._writer

    def _is_protected(self) -> bool:
        return self.path.exists() and not os.access(self.path, os.W_OK, effective_ids=True)

    def _taken_away(self) -> pathlib.Path | None:
        """The first of our files that is not in its place: who wrote on would write what nobody finds."""
        for path, inode in zip(self._paths, self._inodes, strict=True):
            if _inode(path) != inode:
                return path
        return None

    def _leave(self, writer: sqlite3.Connection, path: pathlib.Path) -> NoReturn:
        """Fold the log into the file, wherever that is now, and let go of both."""
        text = f"{path}: was moved or removed while in use"
        ours = [None, *self._inodes]
        if all(_inode(each) in ours for each in self._paths[1:]):
            # Nobody has begun another log: all that was committed is in ours, which must not be taken
            # for that of another file. Other processes find their files taken away, too.
            busy, *_ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise StoreError(f"{text}, and still being read")
            for each in self._paths[1:]:
                each.unlink(missing_ok=True)
        self._let_go()
        _logger.error("%s", text)
        raise StoreError(f"{text}; what is there next is opened, or a new file begun")

    def _let_go(self) -> None:
        """Close every connection that nobody uses; the caller holds the lock."""
        with self._idle_lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write, for this block alone.

        Raises:
            StoreError: the file cannot be read, or was taken away.
        """
        with self._reported("read"):
            if not self._closed and (self._writer is None or self._taken_away() is not None):
                with self._exclusively():
                    self._current()
            connection, idle = self._take_reader()
            try:
                yield connection
            except sqlite3.Error:
                idle = []  # it may be stuck: the next one takes another
                raise
            finally:
                self._give_back(connection, idle)

    def _take_reader(self) -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
        """One that reads, and the list to which it belongs."""
        with self._idle_lock:
            if self._closed:
                raise StoreError(f"{self.path}: cannot be read: it is closed")
            idle = self._idle
            if idle:
                return idle.pop(), idle
        return self._connect("ro"), idle

    def _give_back(self, connection: sqlite3.Connection, idle: list[sqlite3.Connection]) -> None:
        with self._idle_lock:
            if idle is self._idle:
                idle.append(connection)
                return
        connection.close()

    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self._paths[1].stat().st_size
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
        self._closed = True
        with self._lock:
            self._let_go()


def _inode(path: pathlib.Path) -> int | None:
    """Which file this is; None where none is."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """A block within a transaction that is undone when an exception leaves it.

    Raises:
        TableFault: a trigger or a constraint has undone the whole transaction.
    """
    connection.execute("SAVEPOINT batch")
    try:
        yield
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO batch")
            connection.execute("RELEASE batch")
        elif isinstance(error, FAULTS):
            raise TableFault(f"a table undoes a whole transaction for one row: {error}") from None
        raise
    connection.execute("RELEASE batch")
