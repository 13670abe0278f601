"""Ticks in PostgreSQL, with TimescaleDB or without, by binary COPY."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import psycopg
from psycopg import errors

from mdactors.errors import PositionMoved
from mdactors.market import ist
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store import gaps_postgres, refused_postgres, timescale
from mdactors.store.gaps import Gap
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_connection import EPOCH_MS, Connection
from mdactors.store.refusal import (
    NotFiniteError,
    NotKeptError,
    Table,
    check_kept,
    insert_sparing,
    log_refused,
    rows_of,
)
from mdactors.store.soundness import is_sound_tick
from mdactors.store.ticks import (
    COLUMNS,
    FOREVER_NS,
    NS_PER_MS,
    StoredTick,
    TickStore,
    last_within,
    newest_within,
    page_by_receipt,
    page_by_time,
)

DAYS_AHEAD = 7
FAULTS = (
    NotFiniteError, NotKeptError, OverflowError, UnicodeError,
    psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded,
    # What a trigger, a rule or a policy of somebody's says.
    errors.RaiseException, errors.AssertFailure, errors.WithCheckOptionViolation,
    errors.InsufficientPrivilege,
)  # fmt: skip
"""What is said of a row, whoever is at fault; all else is the server's trouble and may pass."""
_NAMES = ", ".join(COLUMNS)
_COPY = f"COPY ticks ({_NAMES}) FROM STDIN (FORMAT BINARY)"
# A timestamptz travels as an int8, microseconds since 2000: no datetime needs to be made of it.
_TYPES = (
    "int8", "text", "text", "int8", "bytea", "int8", "int8", "int8", "text", "float8", "int8",
    "float8", "float8", "float8", "float8", "int8", "float8", "int8", "int8", "int8", "bytea", "bytea",
    "float8", "int8", "text", "int4", "text", "bytea",
)  # fmt: skip
_POSITION = 'SELECT journal, segment, "offset", ticks FROM journal_positions WHERE journal = %s'
_FIRST_POSITION = "INSERT INTO journal_positions VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
_NEXT_POSITION = (
    'UPDATE journal_positions SET segment = %s, "offset" = %s, ticks = %s '
    'WHERE journal = %s AND segment = %s AND "offset" = %s'
)
_PAGE = (
    f"SELECT {_NAMES} FROM ticks "  # noqa: S608 # our own names
    "WHERE instrument_token = %s "
    "AND tick_timestamp BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0) "
    "AND (tick_timestamp, epoch, seq, source) > (to_timestamp(%s / 1000.0), %s, %s, %s) "
    "ORDER BY tick_timestamp, epoch, seq, source LIMIT %s"
)
_LAST = (
    f"SELECT {_NAMES} FROM ticks "  # noqa: S608 # our own names
    "WHERE instrument_token = %s "
    "AND tick_timestamp BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0) "
    "ORDER BY tick_timestamp DESC, epoch DESC, seq DESC, source DESC LIMIT 1"
)
_PAGE_RECEIVED = (
    f"SELECT {_NAMES} FROM ticks "  # noqa: S608 # our own names
    "WHERE received_at BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0) "
    "AND (received_at, instrument_token, epoch, seq, source) > (to_timestamp(%s / 1000.0), %s, %s, %s, %s) "
    "ORDER BY received_at, instrument_token, epoch, seq, source LIMIT %s"
)
# From token to token as in the view live_prices; partitions that end before are never looked at.
_NEWEST = f"""
WITH RECURSIVE since AS (
    SELECT to_timestamp(%s / 1000.0) AS at, to_timestamp(%s / 1000.0) AS upto,
        to_timestamp(%s / 1000.0) AS told
), tokens(token) AS (
    (SELECT instrument_token FROM ticks WHERE received_at >= (SELECT at FROM since)
        ORDER BY instrument_token LIMIT 1)
    UNION ALL
    SELECT (
        SELECT instrument_token FROM ticks
        WHERE instrument_token > token AND received_at >= (SELECT at FROM since)
        ORDER BY instrument_token LIMIT 1
    )
    FROM tokens WHERE token IS NOT NULL
)
SELECT newest.* FROM tokens CROSS JOIN LATERAL (
    SELECT {_NAMES} FROM ticks WHERE instrument_token = token
    AND received_at BETWEEN (SELECT at FROM since) AND (SELECT upto FROM since)
    AND tick_timestamp <= (SELECT told FROM since)
    ORDER BY tick_timestamp DESC, epoch DESC, seq DESC, source DESC LIMIT 1
) newest"""  # noqa: S608 # our own names

_logger = logging.getLogger(__name__)


class PostgresTicks(TickStore):
    """Keeps ticks in a database that others may share; ``close`` closes that.

    ``raw``: keep the broker's bytes as well. ``retention_days``: 0 keeps everything for ever.
    """

    def __init__(self, database: PostgresDatabase, *, raw: bool = True, retention_days: int = 0) -> None:
        self._database = database
        self._raw = raw
        self._retention_days = retention_days
        self.refused = refused_postgres.PostgresRefused(database, self._table)
        self.gaps = gaps_postgres.PostgresGaps(database)

    def position(self, journal: str) -> Position | None:
        """How far this journal is stored."""
        with self._database.reading() as connection:
            row = connection.execute(_POSITION, (journal,)).fetchone()
        return None if row is None else Position(*row)

    def write(
        self, ticks: Sequence[Tick], after: Position | None, upto: Position, gaps: Sequence[Gap] = ()
    ) -> int:
        """Keep these ticks and ``upto`` in one transaction; what is never taken goes to refused_ticks."""
        with self._database.transaction() as connection:
            if not _advance(connection, after, upto):
                raise PositionMoved(
                    f"{self._database.where}: journal {upto.journal} is not stored up to {after}"
                )
            gaps_postgres.put(connection, gaps)
            refused = insert_sparing(ticks, self._table(connection))
            refused_postgres.put(connection, refused, upto)
        log_refused(_logger, self._database.where, refused, len(ticks))
        return len(refused)

    def _table(self, connection: Connection) -> Table[Tick]:
        return Table(
            self._database.where, partial(self._copy, connection), connection.transaction, FAULTS,
            is_sound_tick, is_at_fault,
        )  # fmt: skip

    def _copy(self, connection: Connection, ticks: Sequence[Tick]) -> None:
        given = 0
        with connection.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                copy.set_types(_TYPES)
                for row in rows_of(ticks, raw=self._raw, zero_ms=EPOCH_MS, per_ms=1000):
                    copy.write_row(row)
                    given += 1
            check_kept(cursor.rowcount, given)

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
            rows = connection.execute(statement, arguments, binary=True).fetchall()
        return [StoredTick(*row) for row in rows]

    def count(self) -> int:
        """How many ticks are kept; reads a whole index."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT count(*) FROM ticks").fetchone()
        return int(row[0]) if row else 0

    def maintain(self, now_ns: int) -> list[str]:
        """Make partitions ahead and delete what is too old, or see to TimescaleDB's policies."""
        with self._database.transaction() as connection:
            connection.execute(
                "SELECT ticks_forget(to_timestamp(%s / 1000.0), %s)",
                (now_ns // NS_PER_MS, self._retention_days),
            )
        with self._database.transaction() as connection:
            made = connection.execute("SELECT ticks_make_room(%s, %s)", (ist.date(now_ns), DAYS_AHEAD))
            said = [line for (line,) in made]
        if self._database.kind == "timescale":
            with self._database.reading() as connection:
                said += timescale.failed_jobs(connection)
        return [f"{self._database.where}: {line}" for line in said]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def is_at_fault(error: Exception) -> bool:
    """Whether no row can be blamed: a constraint without a name is that of a partition that is not there."""
    return isinstance(error, errors.CheckViolation) and error.diag.constraint_name is None


def _advance(connection: Connection, after: Position | None, upto: Position) -> bool:
    """Move the stored position, if it is the expected one; whoever else would waits for our commit."""
    if after is None:
        place = (upto.journal, upto.segment, upto.offset, upto.ticks)
        return connection.execute(_FIRST_POSITION, place).rowcount == 1
    moved = connection.execute(
        _NEXT_POSITION,
        (upto.segment, upto.offset, upto.ticks, upto.journal, after.segment, after.offset),
    )
    return moved.rowcount == 1
