"""The times of an instrument's trading date that decide what a figure can mean."""

from __future__ import annotations

import datetime as dt

import msgspec

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.phase import Phase

MARGIN_MS = 3_600_000
"""How far from the trading date a time of the exchange's may lie: clocks differ, and an evening's last words
may come after midnight."""
_MS_NS = 1_000_000
_KEPT = 1024
_EPOCH = dt.date(1970, 1, 1)


class TradingDay(msgspec.Struct, frozen=True, gc=False):
    """One date of one trading class, as it is seen from a date in India, which may be a later one.

    Times are epoch milliseconds.
    """

    number: int
    """Of the trading date, counted from 1970."""
    seen: int
    """When the date in India begins from which it is seen."""
    midnight: int
    """When the trading date begins."""
    earliest: int
    latest: int
    """Times of updates beyond are not believed."""
    begins: int
    """The first part of its session, be it a pre-open."""
    opens: int
    closes: int
    """The continuous session, breaks included."""
    ends: int
    """The last part."""


class TradingDays:
    """Finds trading days, each of them once, and the parts that they consist of."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._days: dict[tuple[str, int], TradingDay] = {}

    def of(self, trading_class: str, at_ms: int) -> TradingDay:
        """The trading day of the class that a time belongs to."""
        key = trading_class, ist.day_number(at_ms * _MS_NS)
        day = self._days.get(key)
        if day is None:
            if len(self._days) >= _KEPT:
                self._days.clear()
            day = self._days[key] = self._find(*key)
        return day

    def part(self, trading_class: str, at_ms: int) -> tuple[Phase, int, int]:
        """The phase of the class at that time, and when it begins and ends."""
        part = self._calendar.part(trading_class, at_ms * _MS_NS)
        return part.phase, part.begin_ns // _MS_NS, part.end_ns // _MS_NS

    def _find(self, trading_class: str, today: int) -> TradingDay:
        today_ns = ist.midnight_ns(today)
        number = (self._calendar.trading_date(trading_class, today_ns) - _EPOCH).days
        midnight_ns = ist.midnight_ns(number)
        parts = self._calendar.parts(trading_class, midnight_ns)
        opened = [part for part in parts if part.phase == "open"] or parts
        midnight, tomorrow = midnight_ns // _MS_NS, ist.midnight_ns(today + 1) // _MS_NS
        return TradingDay(
            number, today_ns // _MS_NS, midnight,
            earliest=midnight - MARGIN_MS,
            latest=tomorrow + MARGIN_MS,
            begins=parts[0].begin_ns // _MS_NS if parts else midnight,
            opens=opened[0].begin_ns // _MS_NS if parts else midnight,
            closes=opened[-1].end_ns // _MS_NS if parts else tomorrow,
            ends=parts[-1].end_ns // _MS_NS if parts else tomorrow,
        )  # fmt: skip
