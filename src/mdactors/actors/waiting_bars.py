"""The bars that wait for the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TypeAlias

from mdactors.market import ist
from mdactors.market.candle import Bar, Interval

MOST_BARS: dict[Interval, int] = {"1s": 20_000, "1m": 750_000}
"""How many wait at most: the minutes of 2,000 instruments for a whole day, few of the seconds."""

_Bars: TypeAlias = OrderedDict[tuple[str, int], Bar]


class WaitingBars:
    """The newest version of each bar of these intervals; of too many the oldest are dropped."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self._bars: dict[Interval, _Bars] = {each: OrderedDict() for each in intervals}
        self.dropped = 0
        self._first_lost = 0
        """The begin of the first bar that was dropped, in epoch milliseconds."""

    def __len__(self) -> int:
        return sum(map(len, self._bars.values()))

    def add(self, bars: Iterable[Bar]) -> None:
        """Take bars in the order in which they were published."""
        for bar in bars:
            waiting = self._bars.get(bar.interval)
            if waiting is None:
                continue
            key = (bar.instrument.key, bar.start)
            waiting[key] = bar
            waiting.move_to_end(key)
            if len(waiting) > MOST_BARS[bar.interval]:
                lost = waiting.popitem(last=False)[1]
                self._first_lost = self._first_lost or lost.start
                self.dropped += 1

    def lost(self) -> Sequence[str]:
        """Which bars are not stored, for a person; none where all are."""
        if not self._first_lost:
            return ()
        since = ist.iso(self._first_lost)
        return (f"bars from {since} on were dropped: mdactors candles rebuild --from {since[:10]}",)

    def first(self, limit: int) -> list[Bar]:
        """So many of them, of each interval the one that was published first at the front."""
        return list(islice(chain.from_iterable(waiting.values() for waiting in self._bars.values()), limit))

    def remove(self, bars: Iterable[Bar]) -> None:
        """These are stored."""
        for bar in bars:
            del self._bars[bar.interval][bar.instrument.key, bar.start]
