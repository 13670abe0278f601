"""Bars made of stored ticks in the plainest way: what the daemon's own are judged by."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

WIDTHS = {"market_ohlc": 1_000, "market_ohlc_1m": 60_000}
"""Milliseconds of a bar by the table that holds it."""
SNAPSHOT = 1
"""The bit of ``flags`` that says so."""
_TICKS = (
    "SELECT instrument_key, tick_timestamp, last_price, volume, last_trade_time, flags, type, "
    "open, high, low FROM ticks "
    "ORDER BY received_at, epoch, seq"
)
Key = tuple[str, str, int]
"""Table, instrument, begin."""
Values = tuple[float, float, float, float, int]


class Update(msgspec.Struct):
    """What a bar needs to know of a tick; times are epoch milliseconds."""

    instrument: str
    told: int
    price: float | None
    volume: int | None
    traded: int | None
    flags: int
    type: str
    open: float | None
    high: float | None
    low: float | None


class _Paper:
    """One instrument's day."""

    def __init__(self) -> None:
        self.said: int | None = None
        """The last trade time that was said."""
        self.heard = 0
        """When the last update was told."""
        self.values: tuple[float | None, ...] | None = None
        self.moves = False
        """What an index said last, and whether that has changed since the day began."""
        self.figure: int | None = None
        """The day's volume as far as it is in bars, or in none."""

    def _observation(self, update: Update) -> tuple[int, int] | None:
        """The same of an index: what is said before its first change of the day may be of the day before."""
        figures = update.open, update.high, update.low
        before, self.values = self.values, (update.price, *figures)
        if update.flags & SNAPSHOT or (update.volume is not None and not any(figures)):
            return None
        if not self.moves and self.values == before and set(figures) != {update.price}:
            return None
        self.moves = True
        return update.traded or update.told, 0

    def trade(self, update: Update) -> tuple[int, int] | None:
        """When an update's trade was and what it added to the volume; None where it is none."""
        traded, figure = update.traded, update.volume
        if update.type == "INDEX":
            return self._observation(update)
        assert figure is not None, "of a feed that says it"
        said, self.said = self.said, traded
        heard, self.heard = self.heard, update.told
        known, self.figure = self.figure, max(figure, self.figure or 0)
        gain = 0 if known is None else max(0, figure - known)
        if update.flags & SNAPSHOT:
            # What nobody heard of is nobody's, unless its minute is one that somebody heard of before.
            minutes = heard // 60_000 - (traded or update.told) // 60_000
            return (traded or update.told, gain) if gain and 0 <= minutes < 5 else None
        is_news = gain or (traded is not None and traded != said)
        return (traded or update.told, gain) if is_news else None


def plain_bars(updates: Iterable[Update], tables: Iterable[str]) -> dict[Key, Values]:
    """Every bar of a continuous market, of updates in the order in which they came."""
    papers: dict[str, _Paper] = {}
    trades: dict[Key, list[tuple[int, float, int]]] = {}
    for update in updates:
        paper = papers.setdefault(update.instrument, _Paper())
        if update.price and (trade := paper.trade(update)) is not None:
            time, gain = trade
            for table in tables:
                key = table, update.instrument, time - time % WIDTHS[table]
                trades.setdefault(key, []).append((time, update.price, gain))
    return {key: _bar(some) for key, some in trades.items()}


def _bar(trades: list[tuple[int, float, int]]) -> Values:
    in_order = sorted(trades, key=lambda trade: trade[0])  # of two of a time, the first that came
    prices = [price for _, price, _ in in_order]
    return prices[0], max(prices), min(prices), prices[-1], sum(gain for *_, gain in trades)


def of_file(path: Path, tables: Iterable[str]) -> tuple[dict[Key, Values], dict[Key, Values]]:
    """The bars of the ticks that a SQLite file holds, and those that it holds."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        made = plain_bars((Update(*row) for row in database.execute(_TICKS)), tables)
        return made, dict(_stored(database, tables))


def _stored(database: sqlite3.Connection, tables: Iterable[str]) -> Iterator[tuple[Key, Values]]:
    for table in tables:
        rows = database.execute(f"SELECT instrument_key, ts, open, high, low, close, volume FROM {table}")  # noqa: S608 # our own names
        for key, start, *values in rows:
            yield (table, key, start), tuple(values)


def differences(made: dict[Key, Values], stored: dict[Key, Values]) -> list[str]:
    """What is missing, too much or different, for a person."""
    keys = sorted({*made, *stored}, key=lambda key: (key[2], key))
    return [
        f"{' '.join(map(str, key))}: made {made.get(key)}, stored {stored.get(key)}"
        for key in keys
        if made.get(key) != stored.get(key)
    ]
