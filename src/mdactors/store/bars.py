"""What a store of bars does: one-second and one-minute bars, by instrument key and time."""

from __future__ import annotations

import abc
from collections.abc import Collection, Sequence

import msgspec

from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument

TABLES: dict[Interval, str] = {"1s": "market_ohlc", "1m": "market_ohlc_1m"}
"""Where bars of each stored interval are kept."""


class StoredBar(msgspec.Struct, frozen=True, gc=False):
    """One row of a table of bars; ``ts`` is the begin in epoch milliseconds."""

    instrument_key: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: int


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
    def write(self, bars: Sequence[Bar]) -> None:
        """Keep these bars of stored intervals; one that is there already is replaced.

        Raises:
            StoreError: nothing was written.
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
    def delete(self, interval: Interval, from_ms: int, to_ms: int) -> None:
        """Forget all bars that begin within these times, both ends inclusive.

        Raises:
            StoreError: nothing was deleted.
        """
