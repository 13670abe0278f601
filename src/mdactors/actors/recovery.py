"""How a fresh builder of bars comes to where the one before it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from mdactors.actors.waiting_bars import WaitingBars
from mdactors.market import ist
from mdactors.market.candles import Candles
from mdactors.market.interval import NS_PER_MS
from mdactors.market.ist import SECOND_NS
from mdactors.market.tick import Tick
from mdactors.runtime import Clock
from mdactors.store.progress import Progress
from mdactors.store.recent import SKEW_NS

RECENT_NS = 150 * SECOND_NS
"""How much is made again where nobody knows how far bars are made: so long before the newest tick."""
LOOKS_BACK_NS = 10 * ist.DAY_SECONDS * SECOND_NS
"""So far back that newest tick is looked for: a daemon may be away for some holidays."""
OVERLAP_NS = 10 * SECOND_NS
"""Ticks that came so shortly after the last recovered one may be among the recovered."""


class Past(Protocol):
    """What was received before: `store.recent.Recent`."""

    def between(self, from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        """What can be read of what was received within these times, in batches; may raise StoreError."""

    def all_between(self, from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        """All of it, in batches; may raise StoreError."""

    def newest(self, since_ns: int, before_ns: int) -> Sequence[Tick]:
        """Each instrument's newest tick of those received within these times; may raise StoreError."""


class Recovery:
    """Gives ``candles`` the ticks of before, as if it were the time of their receipt.

    Those that were received before the position bring back open bars and the baselines of the volumes, and
    what they make is passed over. Those behind it make bars that nobody has got yet, or corrections.
    """

    def __init__(self, candles: Candles, recent: Past, clock: Clock) -> None:
        self.newest_ns = 0
        """When the last tick was received that was taken."""
        self.from_ns = 0
        """From then on what is received makes bars that are handed out."""
        self.is_silent = True
        """Whether what has been taken so far is from before that."""
        self._candles = candles
        self._recent = recent
        self._clock = clock
        self.limits: Sequence[float] | None = None
        """By these, bars were handed out before; None where nobody knows."""
        self._progress = Progress()
        self._recovered_ns = 0
        self._has_more = False

    def whole(self, bars: WaitingBars) -> Iterator[Sequence[Tick]]:
        """All that is to be taken, in pages; each step blocks for one.

        Raises:
            StoreError: it cannot be read; what came before stays good.
        """
        now = self._clock.time_ns()
        position = bars.resume()
        if position is not None:
            self.from_ns = position.received * NS_PER_MS
            self.limits = position.exchange, position.receipt
        elif newest := self._recent.newest(now - LOOKS_BACK_NS, now):
            self.from_ns = newest[-1].received_ns - self._clock.span_ns(RECENT_NS)
        else:
            return
        skew_ns = self._clock.span_ns(SKEW_NS)
        begin = self.from_ns - round(self._candles.reaches_back_ms * NS_PER_MS) - skew_ns
        # What came last before: the baselines of the volumes.
        yield self._recent.newest(_midnight(begin), begin)
        yield from self._recent.all_between(begin, now)
        while self._has_more:
            self._has_more = False
            begin = max(begin, self.newest_ns - 2 * skew_ns)
            yield from self._recent.all_between(begin, self._clock.time_ns())

    def part(self) -> Iterator[Sequence[Tick]]:
        """What can be read of the last minutes, for the bars that are open now: nothing of it is handed out.

        Raises:
            StoreError: nothing can be read any more.
        """
        now = self.from_ns = self._clock.time_ns()
        yield from self._recent.between(now - self._clock.span_ns(RECENT_NS), now)

    def read_more(self) -> None:
        """Have `whole` read on to what has come meanwhile."""
        self._has_more = True

    def take(self, ticks: Sequence[Tick]) -> float | None:
        """Take a page; by what time bars are to be handed out then, None where none are."""
        fresh = self._progress.fresh(ticks)
        if not fresh:
            return None
        self._recovered_ns = max(self._recovered_ns, fresh[-1].received_ns)
        if self.is_silent:
            fresh = self._take_silently(fresh)
            if not fresh:
                return None
            self.break_silence()
        self._add(fresh)
        return self.time_at(fresh[-1].received_ns)

    def _take_silently(self, ticks: Sequence[Tick]) -> list[Tick]:
        """Take those from before the position; the others."""
        self._add([tick for tick in ticks if tick.received_ns < self.from_ns])
        limits = self._candles.limits(self.time_at(min(self.from_ns, ticks[-1].received_ns)))
        if self.limits is not None:
            limits = list(map(min, limits, self.limits))
        self._candles.pass_over(limits)
        return [tick for tick in ticks if tick.received_ns >= self.from_ns]

    def break_silence(self) -> None:
        """From here on bars are handed out."""
        self.is_silent = False
        limits = self.limits
        if limits is None:
            limits = self._candles.limits(self.time_at(self.from_ns))
        self._candles.pass_over(limits)

    def _add(self, ticks: Sequence[Tick]) -> None:
        for second, some in groupby(ticks, lambda tick: tick.received_ns // SECOND_NS):
            self._candles.add(some, self.time_at(second * SECOND_NS))
        if ticks:
            self.newest_ns = ticks[-1].received_ns

    def unseen(self, ticks: Sequence[Tick]) -> Sequence[Tick]:
        """What of live ticks was not recovered already; nothing was that came a while later."""
        if not self._recovered_ns:
            return ticks
        if ticks[-1].received_ns > self._recovered_ns + self._clock.span_ns(OVERLAP_NS):
            self._recovered_ns = 0
            self._progress.clear()
            return ticks
        return self._progress.fresh(ticks)

    def time_at(self, received_ns: int) -> float:
        """What `steady_ms` was when that was received."""
        return steady_ms(self._clock) - (self._clock.time_ns() - received_ns) / NS_PER_MS


def steady_ms(clock: Clock) -> float:
    """Milliseconds that go at the clock's speed and never back."""
    return clock.monotonic() * 1000 * clock.speed


def _midnight(at_ns: int) -> int:
    """When that day began in India."""
    return (ist.day_number(at_ns) * ist.DAY_SECONDS - ist.OFFSET_SECONDS) * SECOND_NS
