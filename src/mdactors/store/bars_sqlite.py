"""Bars in the SQLite file of the ticks."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Sequence
from functools import partial

from mdactors.errors import StoreError
from mdactors.market.candle import Bar, Interval
from mdactors.store.bars import TABLES, BarStore, StoredBar
from mdactors.store.refusal import Table, insert_sparing
from mdactors.store.soundness import is_sound_bar
from mdactors.store.sqlite import FAULTS, SqliteDatabase, savepoint

_logger = logging.getLogger(__name__)


class SqliteBars(BarStore):
    """Keeps bars of these intervals in a database that others share and close."""

    def __init__(self, database: SqliteDatabase, intervals: Collection[Interval]) -> None:
        self._database = database
        self.intervals = frozenset(intervals)

    def write(self, bars: Sequence[Bar]) -> None:
        """Keep these bars in one transaction; one that SQLite never takes is left out with an ERROR line."""
        kept = [bar for bar in bars if bar.interval in self.intervals]
        if not kept:
            return
        with self._database.transaction() as connection:
            table = Table(
                self._database.path, partial(self._replace, connection), partial(savepoint, connection),
                FAULTS, is_sound_bar,
            )  # fmt: skip
            refused = insert_sparing(kept, table)
        for bar, reason in refused[:1]:
            _logger.error(
                "%s: left out %d of %d bars that cannot be kept, the first of %s at %d: %s",
                self._database.path, len(refused), len(kept), bar.instrument.key, bar.start, reason,
            )  # fmt: skip

    def _replace(self, connection: sqlite3.Connection, bars: Sequence[Bar]) -> None:
        for interval in self.intervals:
            connection.executemany(
                f"INSERT OR REPLACE INTO {TABLES[interval]} VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 # our own names
                [
                    (bar.instrument.key, bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume)
                    for bar in bars
                    if bar.interval == interval
                ],
            )

    def read(
        self, instrument_key: str, interval: Interval, from_ms: int, to_ms: int, limit: int
    ) -> list[StoredBar]:
        """The first so many bars that begin within these times, both ends inclusive, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT instrument_key, ts, open, high, low, close, volume "  # noqa: S608 # our own names
                f"FROM {_table(interval)} "
                "WHERE instrument_key = ? AND ts BETWEEN ? AND ? ORDER BY ts LIMIT ?",
                (instrument_key, from_ms, to_ms, limit),
            ).fetchall()
        return [StoredBar(*row) for row in rows]

    def delete(self, interval: Interval, from_ms: int, to_ms: int) -> None:
        """Forget all bars that begin within these times, both ends inclusive; reads the whole table."""
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM {_table(interval)} WHERE ts BETWEEN ? AND ?",  # noqa: S608 # our own names
                (from_ms, to_ms),
            )


def _table(interval: Interval) -> str:
    try:
        return TABLES[interval]
    except KeyError:
        raise StoreError(f"bars of {interval} are not stored") from None
