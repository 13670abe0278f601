"""Ticks in one SQLite file: the store that needs nothing set up."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from mdactors.errors import PositionMoved
from mdactors.market import ist
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store import gaps_sqlite, refused_sqlite
from mdactors.store.gaps import Gap
from mdactors.store.refusal import (
    NotFiniteError,
    NotKeptError,
    Table,
    check_kept,
    insert_sparing,
    log_refused,
    rows_of,
)
from mdactors.store.retention_sqlite import forget
from mdactors.store.soundness import is_sound_tick
from mdactors.store.sqlite import FAULTS, SqliteDatabase, savepoint
from mdactors.store.ticks import (
    COLUMNS,
    FOREVER_NS,
    StoredTick,
    TickStore,
    last_within,
    newest_within,
    page_by_receipt,
    page_by_time,
)

_TOKEN = itemgetter(COLUMNS.index("instrument_token"))
_ROW = f"({', '.join('?' * len(COLUMNS))})"
_INSERT = f"INSERT INTO ticks ({', '.join(COLUMNS)}) VALUES {_ROW}"  # noqa: S608 # our own names
ROWS = 100
"""How many rows one statement inserts: SQLite lets go of the interpreter and takes it back once a
statement, which hurts every other thread when it is done for each row."""
_INSERT_ROWS = _INSERT + f", {_ROW}" * (ROWS - 1)
_WITHOUT_KEY = (
    "CASE instrument_key WHEN '' THEN exchange || CASE type WHEN 'INDEX' THEN '_INDEX' WHEN 'STOCK' "
    "THEN '_EQ' ELSE '_FO' END || '|' || tradingsymbol ELSE instrument_key END"
)
"""Rows of the first version have no key: it is made up as for an instrument whose key nobody knows."""
_READ_COLUMNS = ", ".join(_WITHOUT_KEY if name == "instrument_key" else name for name in COLUMNS)
_PAGE = (
    f"SELECT {_READ_COLUMNS} FROM ticks "  # noqa: S608 # our own names
    "WHERE instrument_token = ? AND tick_timestamp BETWEEN ? AND ? "
    "AND (tick_timestamp, epoch, seq, source) > (?, ?, ?, ?) "
    "ORDER BY tick_timestamp, epoch, seq, source LIMIT ?"
)
_LAST = (
    f"SELECT {_READ_COLUMNS} FROM ticks "  # noqa: S608 # our own names
    "WHERE instrument_token = ? AND tick_timestamp BETWEEN ? AND ? "
    "ORDER BY tick_timestamp DESC, epoch DESC, seq DESC, source DESC LIMIT 1"
)
_PAGE_RECEIVED = (
    f"SELECT {_READ_COLUMNS} FROM ticks "  # noqa: S608 # our own names
    "WHERE received_at BETWEEN ? AND ? "
    "AND (received_at, instrument_token, epoch, seq, source) > (?, ?, ?, ?, ?) "
    "ORDER BY received_at, instrument_token, epoch, seq, source LIMIT ?"
)
# From token to token as in the view live_prices. Row ids grow from batch to batch, and the index by token
# holds them: what was stored earlier is passed over without reading it. The plus keeps SQLite from looking
# for the smallest one by reading the table from its begin.
_NEWEST = f"""
WITH RECURSIVE tokens(token) AS (
    SELECT min(instrument_token) FROM ticks
    UNION ALL
    SELECT (SELECT min(instrument_token) FROM ticks WHERE instrument_token > token)
    FROM tokens WHERE token IS NOT NULL
)
SELECT {_READ_COLUMNS} FROM tokens JOIN ticks ON ticks.rowid = (
    SELECT rowid FROM ticks WHERE instrument_token = token
    AND rowid >= (SELECT min(+rowid) FROM ticks WHERE received_at >= ?1)
    AND received_at BETWEEN ?1 AND ?2 AND tick_timestamp <= ?3
    ORDER BY tick_timestamp DESC, epoch DESC, seq DESC, source DESC LIMIT 1
)"""  # noqa: S608 # our own names
_POSITION = 'SELECT journal, segment, "offset", ticks FROM journal_positions WHERE journal = ?'
LONG_LOG_BYTES = 256 << 20

_logger = logging.getLogger(__name__)


class SqliteTicks(TickStore):
    """Keeps ticks in a database that others may share; ``close`` closes that.

    ``raw``: keep the broker's bytes as well. ``retention_days``: 0 keeps everything for ever.
    """

    def __init__(self, database: SqliteDatabase, *, raw: bool = True, retention_days: int = 0) -> None:
        self._database = database
        self._raw = raw
        self._retention_days = retention_days
        self.refused = refused_sqlite.SqliteRefused(database, self._table)
        self.gaps = gaps_sqlite.SqliteGaps(database)

    def position(self, journal: str) -> Position | None:
        """How far this journal is stored."""
        with self._database.reading() as connection:
            return _position(connection, journal)

    def write(
        self, ticks: Sequence[Tick], after: Position | None, upto: Position, gaps: Sequence[Gap] = ()
    ) -> int:
        """Keep these ticks and ``upto`` in one transaction; what SQLite never takes goes to refused_ticks."""
        with self._database.transaction() as connection:
            stored = _position(connection, upto.journal)
            if stored != after:
                raise PositionMoved(f"{self._database.path}: stored up to {stored}, not {after}")
            gaps_sqlite.put(connection, gaps)
            refused = insert_sparing(ticks, self._table(connection))
            refused_sqlite.put(connection, refused, upto)
            connection.execute(
                "INSERT OR REPLACE INTO journal_positions VALUES (?, ?, ?, ?)",
                (upto.journal, upto.segment, upto.offset, upto.ticks),
            )
        log_refused(_logger, self._database.path, refused, len(ticks))
        return len(refused)

    def _table(self, connection: sqlite3.Connection) -> Table[Tick]:
        return Table(
            self._database.path, partial(self._insert, connection), partial(savepoint, connection),
            (*FAULTS, NotFiniteError, NotKeptError), is_sound_tick,
        )  # fmt: skip

    def _insert(self, connection: sqlite3.Connection, ticks: Sequence[Tick]) -> None:
        # By instrument: each finds its place in the indexes once a batch, not once a tick, and who reads
        # one instrument's ticks finds those of a batch together.
        rows = sorted(rows_of(ticks, raw=self._raw), key=_TOKEN)
        whole = len(rows) - len(rows) % ROWS
        kept = 0
        for start in range(0, whole, ROWS):
            values = itertools.chain.from_iterable(rows[start : start + ROWS])
            kept += connection.execute(_INSERT_ROWS, tuple(values)).rowcount
        if rest := rows[whole:]:
            kept += connection.executemany(_INSERT, rest).rowcount
        check_kept(kept, len(rows))

    def read(
        self, token: int, from_ns: int, to_ns: int, limit: int, after: StoredTick | None = None
    ) -> list[StoredTick]:
        """One page of an instrument's ticks by ``tick_timestamp``, oldest first, both ends inclusive."""
        return self._rows(_PAGE, page_by_time(token, from_ns, to_ns, limit, after))

    def last(self, token: int, from_ns: int, to_ns: int) -> StoredTick | None:
        """The last of an instrument's ticks within these times, both ends inclusive; None where none is."""
        return next(iter(self._rows(_LAST, last_within(token, from_ns, to_ns))), None)

    def received(
        self, from_ns: int, to_ns: int, limit: int, after: StoredTick | None = None
    ) -> list[StoredTick]:
        """One page of all instruments' ticks by receipt, oldest first, both ends inclusive."""
        return self._rows(_PAGE_RECEIVED, page_by_receipt(from_ns, to_ns, limit, after))

    def newest(self, since_ns: int, before_ns: int = FOREVER_NS) -> list[StoredTick]:
        """Each instrument's newest tick, by `read`'s order, among those received within these times."""
        return self._rows(_NEWEST, newest_within(since_ns, before_ns))

    def _rows(self, statement: str, arguments: tuple[int | str, ...]) -> list[StoredTick]:
        with self._database.reading() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, arguments).fetchall()
        return [StoredTick(*row) for row in rows]

    def count(self) -> int:
        """How many ticks are kept; reads a whole index."""
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM ticks").fetchone()
        return int(count)

    def maintain(self, now_ns: int) -> list[str]:
        """Delete some of what is too old, in small transactions, and cut the write-ahead log."""
        if self._retention_days:
            # Whole days of India's calendar: of a part of one no true bars could be made again.
            first_day = ist.day_number(now_ns) - self._retention_days
            forget(self._database, (first_day * ist.DAY_SECONDS - ist.OFFSET_SECONDS) * 1000)
        if self._database.log_bytes() > LONG_LOG_BYTES and not self._database.fold_log():
            size = self._database.log_bytes() >> 20
            return [f"{self._database.path}: a reader keeps the write-ahead log from being cut: {size} MiB"]
        return []

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _position(connection: sqlite3.Connection, journal: str) -> Position | None:
    row = connection.execute(_POSITION, (journal,)).fetchone()
    return None if row is None else Position(*row)
