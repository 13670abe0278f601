"""Bars in the PostgreSQL of the ticks."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from functools import partial

from mdactors.errors import StoreError
from mdactors.market.candle import Bar, BarSource, Interval
from mdactors.market.position import BarPosition
from mdactors.store.bars import COLUMNS, TABLES, TAKE_PLACE, BarStore, StoredBar, newest, row_of
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_connection import Connection
from mdactors.store.refusal import NotFiniteError, Table, insert_sparing
from mdactors.store.soundness import is_sound_bar
from mdactors.store.ticks_postgres import FAULTS, is_at_fault

_NAMES = ", ".join(COLUMNS)
# One statement with nine arrays, whatever the number of bars.
_REPLACE = f"""
INSERT INTO {{}} AS kept ({_NAMES})
SELECT instrument_key, to_timestamp(ts / 1000.0), open, high, low, close, volume, phase, source
FROM unnest(%s::text[], %s::int8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::int8[],
    %s::text[], %s::text[]) AS bar ({_NAMES})
{TAKE_PLACE}"""  # noqa: S608 # our own names
_PAGE = (
    f"SELECT {_NAMES} FROM {{}} WHERE instrument_key = %s "  # noqa: S608 # our own names
    "AND ts BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0) ORDER BY ts LIMIT %s"
)
_REACH = """
INSERT INTO bar_positions VALUES (%s, %s, %s, %s) ON CONFLICT (journal) DO UPDATE
SET received = excluded.received, exchange = excluded.exchange, receipt = excluded.receipt"""
_POSITION = "SELECT received, exchange, receipt FROM bar_positions WHERE journal = %s"
_DELETE = (
    "DELETE FROM {} WHERE ts BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0) "
    "AND source = ANY(%s)"
)

_logger = logging.getLogger(__name__)


class PostgresBars(BarStore):
    """Keeps bars of these intervals in a database that others share and close."""

    def __init__(self, database: PostgresDatabase, intervals: Collection[Interval]) -> None:
        self._database = database
        self.intervals = frozenset(intervals)

    def write(self, bars: Sequence[Bar], journal: str = "", upto: BarPosition | None = None) -> None:
        """Keep these bars in one transaction; one that is never taken is left out with an ERROR line."""
        # One version of each: one statement cannot replace a row twice.
        kept = [bar for bar in newest(bars) if bar.interval in self.intervals]
        if not kept and upto is None:
            return
        with self._database.transaction() as connection:
            table = Table(
                self._database.where, partial(self._replace, connection), connection.transaction, FAULTS,
                is_sound_bar, is_at_fault,
            )  # fmt: skip
            refused = insert_sparing(kept, table)
            if upto is not None:
                connection.execute(_REACH, (journal, upto.received, upto.exchange, upto.receipt))
        for bar, reason in refused[:1]:
            _logger.error(
                "%s: left out %d of %d bars that cannot be kept, the first of %s at %d: %s",
                self._database.where, len(refused), len(kept), bar.instrument.key, bar.start, reason,
            )  # fmt: skip

    def _replace(self, connection: Connection, bars: Sequence[Bar]) -> None:
        for interval in self.intervals:
            rows = [row_of(bar) for bar in bars if bar.interval == interval]
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                if not math.isfinite(sum(map(sum, columns[2:6]))):
                    raise NotFiniteError("a price is not a finite number")
                connection.execute(_REPLACE.format(TABLES[interval]), columns)

    def position(self, journal: str) -> BarPosition | None:
        """How far the bars that are kept are made of this journal's ticks."""
        with self._database.reading() as connection:
            row = connection.execute(_POSITION, (journal,)).fetchone()
        return None if row is None else BarPosition(*row)

    def read(
        self, instrument_key: str, interval: Interval, from_ms: int, to_ms: int, limit: int
    ) -> list[StoredBar]:
        """The first so many bars that begin within these times, both ends inclusive, oldest first."""
        statement = _PAGE.format(_table(interval))
        with self._database.reading() as connection:
            rows = connection.execute(
                statement, (instrument_key, from_ms, to_ms, limit), binary=True
            ).fetchall()
        return [StoredBar(*row) for row in rows]

    def delete(
        self,
        interval: Interval,
        from_ms: int,
        to_ms: int,
        sources: Collection[BarSource],
        instrument_keys: Collection[str] | None = None,
    ) -> None:
        """Forget the bars of these sources that begin within these times, both ends inclusive."""
        statement = _DELETE.format(_table(interval))
        values: list[object] = [from_ms, to_ms, list(sources)]
        if instrument_keys is not None:
            statement += " AND instrument_key = ANY(%s)"
            values.append(list(instrument_keys))
        with self._database.transaction() as connection:
            connection.execute(statement, values)


def _table(interval: Interval) -> str:
    try:
        return TABLES[interval]
    except KeyError:
        raise StoreError(f"bars of {interval} are not stored") from None
