"""Bars while trades still come: in which one a trade belongs, and what it changes there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from mdactors.market.candle import Bar, BarSource, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.interval import WIDTHS_MS
from mdactors.market.phase import Phase
from mdactors.market.quote import BrokerBar

_KEPT = {"1s": 30, "1m": 5}
"""How many bars of an instrument still take late trades."""


class FormingBar(msgspec.Struct, gc=False):
    """A bar that takes trades in any order: the earliest opens it, the latest closes it.

    Times are epoch milliseconds; of two trades of the same time the one that came first is the earlier.
    """

    instrument: Instrument
    interval: Interval
    start: int
    end: int
    opened: int
    """The time of the trade that gave the open."""
    closed: int
    """The time of the trade that gave the close."""
    open: float
    high: float
    low: float
    close: float
    volume: int
    phase: Phase
    published: bool = False
    said: tuple[float, ...] = ()
    """Its values when it was published, or corrected."""
    source: BarSource = "ticks"
    """Trades change it as long as it is made of ticks."""

    def take(self, time: int, price: float, gain: int) -> None:
        """Count a trade and what it added to the day's volume."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if time >= self.closed:
            self.close = price
            self.closed = time
        elif time < self.opened:
            self.open = price
            self.opened = time
        if gain:
            self.volume += gain

    def merge(self, other: FormingBar) -> None:
        """Count the trades of another bar that lies within this one, unless who knows better made it."""
        if self.source != "ticks":
            return
        if other.high > self.high:
            self.high = other.high
        if other.low < self.low:
            self.low = other.low
        if other.closed >= self.closed:
            self.close, self.closed = other.close, other.closed
        if other.opened < self.opened:
            self.open, self.opened = other.open, other.opened
        self.volume += other.volume

    def lose(self, volume: int) -> None:
        """Give up what an earlier bar is found to have traded, unless who knows better made this one."""
        if self.source == "ticks":
            self.volume -= volume

    def settle(self, minute: BrokerBar) -> bool:
        """Become the broker's bar, for good; whether its values are others."""
        before = self._values()
        self.open, self.high, self.low = minute.open, minute.high, minute.low
        self.close, self.volume = minute.close, minute.volume
        self.source = "broker"
        return before != self._values()

    def publish(self) -> None:
        """Take it as handed out, as it is now."""
        self.published = True
        self.said = self.open, self.high, self.low, self.close, self.volume

    @property
    def changed(self) -> bool:
        """Whether it has other values since it was published, or corrected."""
        return self.said != self._values()

    def _values(self) -> tuple[float, ...]:
        return self.open, self.high, self.low, self.close, self.volume

    def bar(self, *, correction: bool) -> Bar:
        """The bar as it is now."""
        return Bar(
            self.instrument, self.interval, self.start, self.open, self.high, self.low, self.close,
            self.volume, correction, self.source, self.phase,
        )  # fmt: skip


class Row:
    """One instrument's bars of one interval, newest last; older ones than the last few are forgotten."""

    __slots__ = ("_interval", "_kept", "_width", "bar")

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        self._width = WIDTHS_MS[interval]
        self._kept: deque[FormingBar] = deque(maxlen=_KEPT[interval])
        self.bar: FormingBar | None = None
        """The newest one."""

    def of_trade(
        self, instrument: Instrument, time: int, price: float, gain: int, phase: Phase
    ) -> FormingBar:
        """The bar that holds one trade and nothing else; not yet in this row."""
        start = time - time % self._width
        return FormingBar(
            instrument, self._interval, start, start + self._width,
            time, time, price, price, price, price, gain, phase,
        )  # fmt: skip

    def of_bar(self, other: FormingBar) -> FormingBar:
        """The bar that holds the trades of a narrower one and nothing else; not yet in this row."""
        start = other.start - other.start % self._width
        return FormingBar(
            other.instrument, self._interval, start, start + self._width, other.opened, other.closed,
            other.open, other.high, other.low, other.close, other.volume, other.phase,
        )  # fmt: skip

    def of_broker(self, instrument: Instrument, minute: BrokerBar, phase: Phase) -> FormingBar:
        """The broker's bar; not yet in this row."""
        end = minute.start + self._width
        return FormingBar(
            instrument, self._interval, minute.start, end, minute.start, end - 1,
            minute.open, minute.high, minute.low, minute.close, minute.volume, phase, source="broker",
        )  # fmt: skip

    def find(self, time: int) -> FormingBar | None:
        """The bar that holds this time, if there is one."""
        for bar in reversed(self._kept):
            if bar.start <= time:
                return bar if time < bar.end else None
        return None

    def backward(self) -> Iterator[FormingBar]:
        """Its bars, newest first."""
        return reversed(self._kept)

    def append(self, bar: FormingBar) -> None:
        """Take in a bar that is newer than all others."""
        self._kept.append(bar)
        self.bar = bar

    def insert(self, bar: FormingBar) -> bool:
        """Take in a bar wherever it belongs; False where it would not be one of the last few."""
        if self.bar is None or bar.start > self.bar.start:
            self.append(bar)
            return True
        kept = self._kept
        place = sum(1 for other in kept if other.start < bar.start)
        if len(kept) == kept.maxlen:
            if place == 0:
                return False
            kept.popleft()
            place -= 1
        kept.insert(place, bar)
        return True
