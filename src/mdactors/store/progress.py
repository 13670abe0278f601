"""How far each instrument's ticks have come, so that what is read twice passes once."""

from __future__ import annotations

from collections.abc import Iterable

from mdactors.market.tick import Tick


class Progress:
    """The last number of each instrument from each source.

    A source's ticks of one instrument come in the order of (epoch, seq) wherever they are kept; the order
    of different instruments, or sources, need not be the same.
    """

    def __init__(self) -> None:
        self._passed: dict[tuple[str, int], tuple[int, int]] = {}

    def fresh(self, ticks: Iterable[Tick]) -> list[Tick]:
        """Let those pass that come behind what has passed, and remember them."""
        passed = self._passed
        fresh: list[Tick] = []
        for tick in ticks:
            key = (tick.source, tick.instrument.token)
            number = (tick.epoch, tick.seq)
            if number > passed.get(key, (0, 0)):
                passed[key] = number
                fresh.append(tick)
        return fresh

    def take(self, ticks: Iterable[Tick]) -> None:
        """Remember that these have passed, whatever passed before."""
        passed = self._passed
        for tick in ticks:
            passed[tick.source, tick.instrument.token] = (tick.epoch, tick.seq)

    def note(self, source: str, token: int, epoch: int, seq: int) -> None:
        """Remember one from what was kept of it."""
        self._passed[source, token] = (epoch, seq)

    def clear(self) -> None:
        """Forget everything."""
        self._passed.clear()
