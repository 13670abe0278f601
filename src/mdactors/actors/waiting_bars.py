"""The bars that wait for the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TypeAlias

from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.candle import Bar, Interval
from mdactors.store.bars import BarStore

MOST_BARS: dict[Interval, int] = {"1s": 20_000, "1m": 750_000}
"""How many wait at most: the minutes of 2,000 instruments for a whole day, few of the seconds."""

_Bars: TypeAlias = OrderedDict[tuple[str, int], Bar]


class WaitingBars:
    """The newest version of each bar that a store keeps; of too many the oldest are dropped.

    Outlives the persister that fills and empties it; usable from any thread.
    """

    def __init__(self, store: BarStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._bars: dict[Interval, _Bars] = {each: OrderedDict() for each in store.intervals}
        self._in_hand: Sequence[Bar] = ()
        self.dropped = 0
        self._first_lost = 0
        """The begin of the first bar that was dropped, in epoch milliseconds."""

    def __len__(self) -> int:
        return sum(map(len, self._bars.values()))

    def add(self, bars: Iterable[Bar]) -> None:
        """Take bars in the order in which they were published."""
        with self._lock:
            for bar in bars:
                if (waiting := self._bars.get(bar.interval)) is not None:
                    self._take(bar, waiting)

    def _take(self, bar: Bar, waiting: _Bars) -> None:
        key = (bar.instrument.key, bar.start)
        before = waiting.get(key)
        if before is not None and not before.gives_way_to(bar):
            return
        waiting[key] = bar
        waiting.move_to_end(key)
        if len(waiting) > MOST_BARS[bar.interval]:
            self._lose(waiting.popitem(last=False)[1])

    def _lose(self, bar: Bar) -> None:
        self._first_lost = min(self._first_lost or bar.start, bar.start)
        self.dropped += 1

    def lost(self) -> Sequence[str]:
        """Which bars are not stored, for a person; none where all are."""
        if not self._first_lost:
            return ()
        since = ist.iso(self._first_lost)
        return (f"bars from {since} on were dropped: mdactors candles rebuild --from {since[:10]}",)

    def write(self, limit: int) -> None:
        """Store so many of them, of each interval those first that were published first; blocks.

        Raises:
            StoreError: it is away; they still wait.
        """
        with self._lock:
            every = chain.from_iterable(waiting.values() for waiting in self._bars.values())
            bars = self._in_hand = list(islice(every, limit))
        try:
            self._store.write(bars)
        except StoreError:
            self._in_hand = ()
            raise
        self._in_hand = ()
        self._remove(bars)

    def give_up(self) -> None:
        """Whoever wrote failed at what he had in hand: his successor would, too."""
        bars, self._in_hand = self._in_hand, ()
        for bar in self._remove(bars):
            self._lose(bar)

    def _remove(self, bars: Iterable[Bar]) -> Sequence[Bar]:
        """Let go of these; a newer version that came meanwhile still waits."""
        removed = []
        with self._lock:
            for bar in bars:
                waiting, key = self._bars[bar.interval], (bar.instrument.key, bar.start)
                if waiting.get(key) is bar:
                    removed.append(waiting.pop(key))
        return removed
