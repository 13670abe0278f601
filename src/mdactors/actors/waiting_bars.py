"""The bars that wait for the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from mdactors.market.candle import Bar

MOST_BARS = 100_000


class WaitingBars:
    """The newest version of each bar; of more than `MOST_BARS` the oldest are dropped and counted."""

    def __init__(self) -> None:
        self._bars: OrderedDict[tuple[str, str, int], Bar] = OrderedDict()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._bars)

    def add(self, bars: Iterable[Bar]) -> None:
        """Take bars in the order in which they were published."""
        for bar in bars:
            key = (bar.instrument.key, bar.interval, bar.start)
            self._bars[key] = bar
            self._bars.move_to_end(key)
        while len(self._bars) > MOST_BARS:
            self._bars.popitem(last=False)
            self.dropped += 1

    def all(self) -> list[Bar]:
        """All of them, the one that was published first at the front."""
        return list(self._bars.values())

    def clear(self) -> None:
        """They are stored."""
        self._bars.clear()
