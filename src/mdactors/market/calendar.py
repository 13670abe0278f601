"""When each segment trades: hours, holidays and special sessions, as data."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

import msgspec

from mdactors.market import ist
from mdactors.market.phase import Phase

CASH = "cash"
"""The group whose hours also hold for segments that no group names, as the world's indices."""
ALWAYS = dt.date.min
"""The date from which hours are valid that always were."""

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_KEPT_DAYS = 4096
_EPOCH = dt.date(1970, 1, 1)
_DAY_NS = ist.DAY_SECONDS * ist.SECOND_NS


class Span(msgspec.Struct, frozen=True):
    """A part of a day, in seconds after India's midnight; the end is not within."""

    begin: int
    end: int

    @classmethod
    def read(cls, text: str) -> Span:
        """Read ``09:15-15:30``; a day ends at 24:00.

        Raises:
            ValueError: it is something else, or ends before it begins.
        """
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError(f"expected a span of time like 09:15-15:30, got {text}")
        hour, minute, end_hour, end_minute = (int(each) if each else None for each in found.groups())
        assert hour is not None
        assert minute is not None
        begin = hour * 3600 + minute * 60
        end = ist.DAY_SECONDS if end_hour is None else end_hour * 3600 + (end_minute or 0) * 60
        if end <= begin:
            raise ValueError(f"{text} ends before it begins")
        return cls(begin, end)

    def holds(self, second: int) -> bool:
        """Whether a second of the day is within."""
        return self.begin <= second < self.end


class Hours(msgspec.Struct, frozen=True):
    """A group's trading day: the continuous session, and what may come before and after."""

    open: Span
    pre_open: Span | None = None
    closing: Span | None = None
    orders: Span | None = None
    """The part of ``pre_open`` in which orders come in; behind it they are matched, and nothing moves."""
    auction: Span | None = None
    """The part of ``open`` in which shares that have derivatives are auctioned: they have no last price."""


class Holiday(msgspec.Struct, frozen=True):
    """A day unlike the others: groups that are closed or trade at other hours; the rest trades as usual."""

    name: str
    closed: frozenset[str] = frozenset()
    special: Mapping[str, Hours] = {}


class Timetable(msgspec.Struct, frozen=True):
    """All that a calendar goes by."""

    segments: Mapping[str, str]
    """Segment, in Upstox's words -> group."""
    hours: Mapping[str, Sequence[tuple[dt.date, Hours]]]
    """Group -> its hours, each valid from a date on, in the order of the dates."""
    weekend: frozenset[int] = frozenset({5, 6})
    """Days of the week on which nothing trades; Monday is 0."""
    holidays: Mapping[dt.date, Holiday] = {}


def _always(opens: str, **others: str) -> Sequence[tuple[dt.date, Hours]]:
    spans = {name: Span.read(span) for name, span in others.items()}
    return [(ALWAYS, Hours(Span.read(opens), **spans))]


ORDINARY = Timetable(
    segments={
        "NSE_FO": "derivatives",
        "BSE_FO": "derivatives",
        "NCD_FO": "currencies",
        "BCD_FO": "currencies",
        "MCX_FO": "commodities",
        "MCX_INDEX": "commodities",
        "NSE_COM": "commodities",
    },
    hours={
        CASH: _always("09:15-15:30", pre_open="09:00-09:15", orders="09:00-09:08", auction="15:15-15:30"),
        "derivatives": _always("09:15-15:40", pre_open="09:00-09:15"),
        "currencies": _always("09:00-17:00"),
        "commodities": _always("09:00-23:55"),
    },
)
"""The ordinary week of late 2026, for those who have no file of sessions: no holidays, no history."""


class TradingClass(msgspec.Struct, frozen=True):
    """What trades at the same times."""

    segment: str
    has_derivatives: bool = False
    """Whether it is a share on which contracts are written: the closing auction is of these."""


class Session(msgspec.Struct, frozen=True, gc=False):
    """The continuous session of one segment on one date, in epoch nanoseconds; the close is not within."""

    open_ns: int
    close_ns: int


_Day = Sequence[tuple[Phase, Session]]
"""The phases of one segment's day, the continuous session first; empty where it is closed all day."""


class Calendar:
    """When segments trade, by a timetable; may be read from any thread.

    With ``always_open`` every segment trades round the clock, as a simulator's does: each session is
    the whole day in India.
    """

    def __init__(self, timetable: Timetable = ORDINARY, *, always_open: bool = False) -> None:
        self._timetable = timetable
        self._always_open = always_open
        self._days: dict[tuple[str, int], _Day] = {}

    def is_open(self, segment: str, at_ns: int) -> bool:
        """Whether the segment is in pre-open or in the continuous session."""
        return self.phase(segment, at_ns) in ("pre_open", "open")

    def phase(self, segment: str, at_ns: int) -> Phase:
        """Where in its day the segment is at that time."""
        for phase, span in self._day(segment, ist.day_number(at_ns)):
            if span.open_ns <= at_ns < span.close_ns:
                return phase
        return "closed"

    def moves(self, traded: TradingClass, at_ns: int) -> bool:
        """Whether prices of the class can move at that time, so that a feed of it has something to say.

        In the continuous session, but for the auction of those that are in it, and in pre-open as long as
        orders come in.
        """
        if self._always_open:
            return True
        number = ist.day_number(at_ns)
        hours = self._hours(traded.segment, number)
        if hours is None:
            return False
        second = (at_ns - _midnight(number)) // ist.SECOND_NS
        if traded.has_derivatives and hours.auction is not None and hours.auction.holds(second):
            return False
        return hours.open.holds(second) or (hours.orders is not None and hours.orders.holds(second))

    def session(self, segment: str, at_ns: int) -> Session | None:
        """The continuous session of the trading date of that time; None where the segment is closed then."""
        day = self._day(segment, ist.day_number(at_ns))
        return day[0][1] if day else None

    def phases(self, segment: str, at_ns: int) -> Sequence[tuple[Phase, Session]]:
        """The parts of the trading date of that time, in their order; none where the segment is closed."""
        return sorted(self._day(segment, ist.day_number(at_ns)), key=lambda part: part[1].open_ns)

    def is_trading_day(self, day: dt.date) -> bool:
        """Whether NSE's shares trade on that date, be it for an hour."""
        return bool(self._day("NSE_EQ", (day - _EPOCH).days))

    def holidays(self, year: int) -> list[tuple[dt.date, Holiday]]:
        """The days of a year that are unlike the others, in their order."""
        if self._always_open:
            return []
        return sorted((day, each) for day, each in self._timetable.holidays.items() if day.year == year)

    def segments(self, group: str) -> list[str]:
        """The segments that keep a group's hours, of those that the timetable names."""
        return [segment for segment, named in self._timetable.segments.items() if named == group]

    def date(self, at_ns: int) -> dt.date:
        """The trading date: the date in India."""
        return ist.date(at_ns)

    def _day(self, segment: str, number: int) -> _Day:
        # Ticks ask by the thousand, and always for the same few days.
        day = self._days.get((segment, number))
        if day is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            day = self._days[segment, number] = self._find(segment, number)
        return day

    def _find(self, segment: str, number: int) -> _Day:
        midnight = _midnight(number)
        if self._always_open:
            return (("open", Session(midnight, midnight + _DAY_NS)),)
        hours = self._hours(segment, number)
        if hours is None:
            return ()
        phases: Sequence[tuple[Phase, Span | None]] = (
            ("open", hours.open), ("pre_open", hours.pre_open), ("post_close", hours.closing),
        )  # fmt: skip
        return tuple(
            (phase, Session(midnight + span.begin * ist.SECOND_NS, midnight + span.end * ist.SECOND_NS))
            for phase, span in phases
            if span is not None
        )

    def _hours(self, segment: str, number: int) -> Hours | None:
        try:
            date = _EPOCH + dt.timedelta(days=number)
        except OverflowError:
            return None  # a broker's nonsense: no calendar reaches it
        group = self._timetable.segments.get(segment, CASH)
        if holiday := self._timetable.holidays.get(date):
            if group in holiday.special:
                return holiday.special[group]
            if group in holiday.closed:
                return None
        if date.weekday() in self._timetable.weekend:
            return None
        valid = [hours for since, hours in self._timetable.hours[group] if since <= date]
        return valid[-1] if valid else None


def _midnight(number: int) -> int:
    """When a day begins in India, in epoch nanoseconds; days are counted from 1970."""
    return number * _DAY_NS - ist.OFFSET_SECONDS * ist.SECOND_NS
