"""What a store of bars does: one-second and one-minute bars, by instrument key and time."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Sequence

import msgspec

from mdactors.market.candle import RANKS, Bar, BarSource, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.phase import Phase
from mdactors.market.position import BarPosition

TABLES: dict[Interval, str] = {"1s": "market_ohlc", "1m": "market_ohlc_1m"}
"""Where bars of each stored interval are kept."""
COLUMNS = ("instrument_key", "ts", "open", "high", "low", "close", "volume", "phase", "source")
_NEW_VALUES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:])
_RANKS = " ".join(f"WHEN '{source}' THEN {rank}" for source, rank in RANKS.items())
TAKE_PLACE = (
    f"ON CONFLICT (instrument_key, ts) DO UPDATE SET {_NEW_VALUES} "
    f"WHERE CASE excluded.source {_RANKS} END >= CASE kept.source {_RANKS} END"
)
"""The end of an INSERT into a table under the name ``kept``: a bar never gives way to one of a lower rank."""


class StoredBar(msgspec.Struct, frozen=True, gc=False):
    """One row of a table of bars; ``ts`` is the begin in epoch milliseconds."""

    instrument_key: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    phase: Phase = "open"
    source: BarSource = "ticks"


def row_of(bar: Bar) -> tuple[str, int, float, float, float, float, int, Phase, BarSource]:
    """What its columns hold."""
    return (
        bar.instrument.key, bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.phase,
        bar.source,
    )  # fmt: skip


def newest(bars: Iterable[Bar]) -> Collection[Bar]:
    """The version of each that takes the place of the others, given in the order in which they were made."""
    kept: dict[tuple[Interval, str, int], Bar] = {}
    for bar in bars:
        key = (bar.interval, bar.instrument.key, bar.start)
        before = kept.get(key)
        if before is None or before.gives_way_to(bar):
            kept[key] = bar
    return kept.values()


def keys(instrument: Instrument) -> tuple[str, ...]:
    """Every key that its bars may have been stored under, the current one first.

    Which form an instrument's key has depends on the lists that are loaded: it is made of the ISIN wherever
    one of them says that.
    """
    return tuple(dict.fromkeys((instrument.key, instrument.segment_key)))


class BarStore(abc.ABC):
    """Keeps bars on disk, the newest version of each. Safe to use from any thread; blocks."""

    intervals: Collection[Interval]
    """Those that are kept; `write` passes over the others."""

    @abc.abstractmethod
    def write(self, bars: Sequence[Bar], journal: str = "", upto: BarPosition | None = None) -> None:
        """Keep these bars of stored intervals; one that is there already is not replaced by a lower rank.

        In the same transaction ``upto`` becomes the `position` of the bars made of this journal's ticks.

        Raises:
            StoreError: nothing was written.
        """

    @abc.abstractmethod
    def position(self, journal: str) -> BarPosition | None:
        """How far the bars that are kept are made of this journal's ticks; None where nobody knows.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def read(
        self, instrument_key: str, interval: Interval, from_ms: int, to_ms: int, limit: int
    ) -> list[StoredBar]:
        """The first so many bars that begin within these times, both ends inclusive, oldest first.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def delete(
        self,
        interval: Interval,
        from_ms: int,
        to_ms: int,
        sources: Collection[BarSource],
        instrument_keys: Collection[str] | None = None,
    ) -> None:
        """Forget the bars of these sources that begin within these times, both ends inclusive.

        Those of every instrument, unless ``instrument_keys`` names some.

        Raises:
            StoreError: nothing was deleted.
        """
