"""Ticks in one SQLite file: the store that needs nothing set up."""

from __future__ import annotations

import itertools
import logging
import pathlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mdactors.errors import StoreError
from mdactors.market.tick import Tick
from mdactors.store.ticks import COLUMNS, StoredTick, TickStore, row_of

SCHEMA_VERSION = 1
LOCK_SECONDS = 5.0
"""How long to wait for another process that holds the file."""

_CREATE = f"""
BEGIN IMMEDIATE;
CREATE TABLE schema_version AS SELECT {SCHEMA_VERSION} AS version;
CREATE TABLE ticks (
    instrument_token INTEGER NOT NULL,
    tradingsymbol TEXT NOT NULL,
    exchange TEXT NOT NULL,
    tick_timestamp INTEGER NOT NULL,
    raw_tick_data BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    last_price REAL,
    volume INTEGER,
    open REAL,
    high REAL,
    low REAL,
    previous_close REAL,
    open_interest INTEGER,
    average_price REAL,
    last_quantity INTEGER,
    buy_quantity INTEGER,
    sell_quantity INTEGER,
    depth BLOB,
    greeks BLOB,
    iv REAL,
    last_trade_time INTEGER,
    source TEXT NOT NULL,
    flags INTEGER NOT NULL
);
CREATE INDEX ticks_by_token ON ticks (instrument_token, tick_timestamp DESC);
COMMIT;
"""
_COLUMNS = ", ".join(COLUMNS)
_ROW = f"({', '.join('?' * len(COLUMNS))})"
_INSERT = f"INSERT INTO ticks ({_COLUMNS}) VALUES {_ROW}"  # noqa: S608 # our own names
ROWS = 100
"""How many rows one statement inserts: SQLite lets go of the interpreter and takes it back once a
statement, which hurts every other thread when it is done for each row."""
_INSERT_ROWS = _INSERT + f", {_ROW}" * (ROWS - 1)
_SELECT = (
    f"SELECT {_COLUMNS} FROM ticks "  # noqa: S608 # our own names
    "WHERE instrument_token = ? AND tick_timestamp BETWEEN ? AND ? "
    "AND (tick_timestamp, epoch, seq) > (?, ?, ?) "
    "ORDER BY tick_timestamp, epoch, seq LIMIT ?"
)
_BAD_ROW = (
    OverflowError,
    UnicodeError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What SQLite says of a row that it will never take; all else is the file's trouble and may pass."""

_logger = logging.getLogger(__name__)


class SqliteTicks(TickStore):
    """Owns one file: one connection that writes, one that only reads.

    Raises:
        StoreError: the file cannot be opened, or is not ours.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        with self._reported("opened"):
            self._writer = self._connect("rwc")
            try:
                self._prepare()
                self._reader = self._connect("ro")
            except (sqlite3.Error, StoreError):
                self._writer.close()
                raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        known = {
            name for (name,) in self._writer.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
        if "schema_version" in known:
            versions = [version for (version,) in self._writer.execute("SELECT version FROM schema_version")]
            if versions != [SCHEMA_VERSION]:
                raise StoreError(
                    f"{self._path}: schema version {versions} is not {SCHEMA_VERSION}; move the file away"
                )
        elif "ticks" in known:
            raise StoreError(f"{self._path}: holds a table ticks that is not ours; choose another store.path")
        else:
            self._writer.executescript(_CREATE)
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = NORMAL")
        # Every instrument has its own place in the index: with the default of 2 MiB most rows would
        # read that place from the file again, and a longer log is folded in less often.
        self._writer.execute("PRAGMA cache_size = -65536")
        self._writer.execute("PRAGMA wal_autocheckpoint = 8000")

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"{self._path}: cannot be {what}: {error}") from None

    def write(self, ticks: Sequence[Tick]) -> int:
        """Keep these ticks in one transaction, without those that SQLite will never take."""
        with self._write_lock, self._reported("written"):
            try:
                with self._transaction():
                    self._insert([row_of(tick) for tick in ticks])
                return len(ticks)
            except _BAD_ROW:
                with self._transaction():
                    refused = self._insert_singly(ticks)
            self.refused += len(refused)
        for tick, error in refused[:1]:
            _logger.error(
                "%s: left out %d of %d ticks that cannot be kept, the first of %s, epoch %d, seq %d: %s",
                self._path, len(refused), len(ticks), tick.instrument.key, tick.epoch, tick.seq, error,
            )  # fmt: skip
        return len(ticks) - len(refused)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        whole = len(rows) - len(rows) % ROWS
        for start in range(0, whole, ROWS):
            values = itertools.chain.from_iterable(rows[start : start + ROWS])
            self._writer.execute(_INSERT_ROWS, tuple(values))
        self._writer.executemany(_INSERT, rows[whole:])

    def _insert_singly(self, ticks: Sequence[Tick]) -> list[tuple[Tick, Exception]]:
        """Insert row by row; the ticks that SQLite will never take, and why."""
        refused: list[tuple[Tick, Exception]] = []
        for tick in ticks:
            try:
                self._writer.execute(_INSERT, row_of(tick))
            except _BAD_ROW as error:
                refused.append((tick, error))
        return refused

    def read(
        self,
        token: int,
        from_ns: int,
        to_ns: int,
        limit: int,
        after: StoredTick | None = None,
    ) -> list[StoredTick]:
        """One page of an instrument's ticks, oldest first, both ends inclusive."""
        first, last = -(-from_ns // 1_000_000), to_ns // 1_000_000
        place = (first - 1, 0, 0) if after is None else (after.tick_timestamp, after.epoch, after.seq)
        with self._read_lock, self._reported("read"):
            rows = self._reader.execute(_SELECT, (token, first, last, *place, limit)).fetchall()
        return [StoredTick(*row) for row in rows]

    def count(self) -> int:
        """How many ticks are kept; reads a whole index."""
        with self._read_lock, self._reported("read"):
            (count,) = self._reader.execute("SELECT count(*) FROM ticks").fetchone()
        return int(count)

    def close(self) -> None:
        """Close both connections; the last one folds the write-ahead log into the file."""
        with self._read_lock:
            self._reader.close()
        with self._write_lock:
            self._writer.close()
