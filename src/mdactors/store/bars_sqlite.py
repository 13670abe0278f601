"""Bars in the SQLite file of the ticks."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Sequence
from functools import partial

from mdactors.errors import StoreError
from mdactors.market.candle import Bar, BarSource, Interval
from mdactors.market.position import BarPosition
from mdactors.store.bars import COLUMNS, TABLES, TAKE_PLACE, BarStore, StoredBar, row_of
from mdactors.store.refusal import Table, insert_sparing
from mdactors.store.soundness import is_sound_bar
from mdactors.store.sqlite import FAULTS, SqliteDatabase, savepoint

_NAMES = ", ".join(COLUMNS)

_logger = logging.getLogger(__name__)


class SqliteBars(BarStore):
    """Keeps bars of these intervals in a database that others share and close."""

    def __init__(self, database: SqliteDatabase, intervals: Collection[Interval]) -> None:
        self._database = database
        self.intervals = frozenset(intervals)

    def write(self, bars: Sequence[Bar], journal: str = "", upto: BarPosition | None = None) -> None:
        """Keep these bars in one transaction; one that SQLite never takes is left out with an ERROR line."""
        kept = [bar for bar in bars if bar.interval in self.intervals]
        if not kept and upto is None:
            return
        with self._database.transaction() as connection:
            table = Table(
                self._database.path, partial(self._replace, connection), partial(savepoint, connection),
                FAULTS, is_sound_bar,
            )  # fmt: skip
            refused = insert_sparing(kept, table)
            if upto is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO bar_positions VALUES (?, ?, ?, ?)",
                    (journal, upto.received, upto.exchange, upto.receipt),
                )
        for bar, reason in refused[:1]:
            _logger.error(
                "%s: left out %d of %d bars that cannot be kept, the first of %s at %d: %s",
                self._database.path, len(refused), len(kept), bar.instrument.key, bar.start, reason,
            )  # fmt: skip

    def _replace(self, connection: sqlite3.Connection, bars: Sequence[Bar]) -> None:
        for interval in self.intervals:
            connection.executemany(
                f"INSERT INTO {TABLES[interval]} AS kept ({_NAMES}) "  # noqa: S608 # our own names
                f"VALUES ({_marks(len(COLUMNS))}) {TAKE_PLACE}",
                [row_of(bar) for bar in bars if bar.interval == interval],
            )

    def position(self, journal: str) -> BarPosition | None:
        """How far the bars that are kept are made of this journal's ticks."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT received, exchange, receipt FROM bar_positions WHERE journal = ?", (journal,)
            ).fetchone()
        return None if row is None else BarPosition(*row)

    def read(
        self, instrument_key: str, interval: Interval, from_ms: int, to_ms: int, limit: int
    ) -> list[StoredBar]:
        """The first so many bars that begin within these times, both ends inclusive, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_NAMES} FROM {_table(interval)} "  # noqa: S608 # our own names
                "WHERE instrument_key = ? AND ts BETWEEN ? AND ? ORDER BY ts LIMIT ?",
                (instrument_key, from_ms, to_ms, limit),
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
        """Forget the bars of these sources that begin within these times; reads the whole table for all."""
        statement = (
            f"DELETE FROM {_table(interval)} "  # noqa: S608 # our own names
            f"WHERE ts BETWEEN ? AND ? AND source IN ({_marks(len(sources))})"
        )
        if instrument_keys is not None:
            statement += f" AND instrument_key IN ({_marks(len(instrument_keys))})"
        with self._database.transaction() as connection:
            connection.execute(statement, (from_ms, to_ms, *sources, *(instrument_keys or ())))


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _table(interval: Interval) -> str:
    try:
        return TABLES[interval]
    except KeyError:
        raise StoreError(f"bars of {interval} are not stored") from None
