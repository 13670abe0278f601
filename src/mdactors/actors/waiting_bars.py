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
from mdactors.market.position import BarPosition
from mdactors.store.bars import BarStore

MOST_BARS: dict[Interval, int] = {"1s": 20_000, "1m": 750_000}
"""How many wait at most: the minutes of 2,000 instruments for a whole day, few of the seconds."""

_Bars: TypeAlias = OrderedDict[tuple[str, int], Bar]


class WaitingBars:
    """The newest version of each bar that a store keeps; of too many the oldest are dropped.

    And how far bars are made. Outlives the builder that fills it and the persister that empties it; usable
    from any thread. The store's position moves in the write that leaves nothing waiting, so that every bar
    before it is stored. ``journal``: the id of that whose ticks become bars.
    """

    def __init__(self, store: BarStore, journal: str) -> None:
        self._store = store
        self._journal = journal
        self._lock = threading.Lock()
        self._bars: dict[Interval, _Bars] = {each: OrderedDict() for each in store.intervals}
        self._in_hand: Sequence[Bar] = ()
        self.dropped = 0
        self._first_dropped = self._first_given_up = 0
        """The begin of the first bar that was, in epoch milliseconds; 0 where none was."""
        self._upto: BarPosition | None = None
        """How far bars are made; None where only the store knows: its own are, others were dropped."""
        self._stored_upto: BarPosition | None = None

    def __len__(self) -> int:
        return sum(map(len, self._bars.values()))

    @property
    def anything(self) -> bool:
        """Whether the store has yet to be told a bar, or how far bars are made."""
        return len(self) > 0 or self._upto not in (None, self._stored_upto)

    @property
    def many(self) -> bool:
        """Whether so many wait that some may soon be dropped."""
        return any(2 * len(waiting) > MOST_BARS[interval] for interval, waiting in self._bars.items())

    @property
    def lacks(self) -> bool:
        """Whether some were dropped and there is room again: it is time to make those anew."""
        return self._first_dropped > 0 and not self.many

    def resume(self) -> BarPosition | None:
        """How far bars are made: from there on all are to be added again, dropped ones too; blocks.

        None where nobody knows.

        Raises:
            StoreError: the store, which alone knows, is away.
        """
        if self._upto is None:
            self._upto = self._stored_upto = self._store.position(self._journal)
        self._first_dropped = 0
        return self._upto

    def add(self, bars: Iterable[Bar], upto: BarPosition | None = None) -> None:
        """Take bars in the order in which they were published.

        ``upto``: with these, every bar since `resume` was added that is made so far.
        """
        with self._lock:
            for bar in bars:
                if (waiting := self._bars.get(bar.interval)) is not None:
                    self._take(bar, waiting)
            if upto is not None and not self._first_dropped:
                self._upto = upto

    def _take(self, bar: Bar, waiting: _Bars) -> None:
        key = (bar.instrument.key, bar.start)
        before = waiting.get(key)
        if before is not None and not before.gives_way_to(bar):
            return
        waiting[key] = bar
        waiting.move_to_end(key)
        if len(waiting) > MOST_BARS[bar.interval]:
            _, lost = waiting.popitem(last=False)
            self._upto = None
            self._first_dropped = min(self._first_dropped or lost.start, lost.start)
            self.dropped += 1

    def lost(self) -> Sequence[str]:
        """Which bars are not stored, for a person; none where all are."""
        begins = [begin for begin in (self._first_dropped, self._first_given_up) if begin]
        if not begins:
            return ()
        since = ist.iso(min(begins))
        return (f"bars from {since} on were dropped: mdactors candles rebuild --from {since[:10]}",)

    def write(self, limit: int) -> None:
        """Store so many of them, of each interval those first that were published first; blocks.

        Raises:
            StoreError: it is away; they still wait.
        """
        with self._lock:
            every = chain.from_iterable(waiting.values() for waiting in self._bars.values())
            bars = self._in_hand = list(islice(every, limit))
            upto = self._upto if len(bars) == len(self) else None
        try:
            self._store.write(bars, self._journal, upto)
        except StoreError:
            self._in_hand = ()
            raise
        self._in_hand = ()
        self._remove(bars)
        if upto is not None:
            self._stored_upto = upto

    def give_up(self) -> None:
        """Whoever wrote failed at what he had in hand: his successor would, too."""
        bars, self._in_hand = self._in_hand, ()
        for bar in self._remove(bars):
            self._first_given_up = min(self._first_given_up or bar.start, bar.start)
            self.dropped += 1

    def _remove(self, bars: Iterable[Bar]) -> Sequence[Bar]:
        """Let go of these; a newer version that came meanwhile still waits."""
        removed = []
        with self._lock:
            for bar in bars:
                waiting, key = self._bars[bar.interval], (bar.instrument.key, bar.start)
                if waiting.get(key) is bar:
                    removed.append(waiting.pop(key))
        return removed
