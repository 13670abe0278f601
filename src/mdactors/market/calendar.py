"""When each class of instrument trades: phases, holidays and special sessions, as data."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mdactors.market import ist
from mdactors.market.phase import Phase
from mdactors.market.trading_class import (
    AUCTION_SHARES,
    COMMODITIES,
    COMMODITIES_TO_17,
    COMMODITIES_TO_21,
    CURRENCIES,
    FUTURES,
    INDICES,
    NEAR_FUTURES,
    OPTIONS,
    SHARES,
    WORLD,
)

ALWAYS = dt.date.min
"""The date from which hours are valid that always were."""

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_KEPT_DAYS = 4096
_EPOCH = dt.date(1970, 1, 1)
_DAY_NS = ist.DAY_SECONDS * ist.SECOND_NS
_LONGEST_PAUSE = 30
"""Days; whoever has no session for longer has none behind it either."""
_EXPECTED: frozenset[Phase] = frozenset({"pre_open", "open", "closing_orders", "closing_match"})


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

    def within(self, other: Span) -> bool:
        """Whether all of it is a part of another."""
        return other.begin <= self.begin and self.end <= other.end

    def cut(self, other: Span) -> Span | None:
        """What it has in common with another."""
        begin, end = max(self.begin, other.begin), min(self.end, other.end)
        return Span(begin, end) if begin < end else None

    def __str__(self) -> str:
        return "-".join(f"{at // 3600:02d}:{at % 3600 // 60:02d}" for at in (self.begin, self.end))


WHOLE_DAY = Span(0, ist.DAY_SECONDS)
MORNING, EVENING = Span(0, 17 * 3600), Span(17 * 3600, ist.DAY_SECONDS)
"""The halves of a commodity exchange's day: on holidays often one of them only."""


class Hours(msgspec.Struct, frozen=True):
    """A class's trading day."""

    phases: tuple[tuple[Phase, Span], ...]
    """In their order; what lies between them is closed."""
    orders: tuple[Span, ...] = ()
    """When orders come in within the phases of an auction; in the rest of them nothing moves."""

    def cut(self, kept: Span) -> Hours:
        """The part of it within a part of the day."""
        phases = ((phase, span.cut(kept)) for phase, span in self.phases)
        orders = (span.cut(kept) for span in self.orders)
        return Hours(
            tuple((phase, span) for phase, span in phases if span is not None),
            tuple(span for span in orders if span is not None),
        )


class Holiday(msgspec.Struct, frozen=True):
    """A day unlike the others: groups that are closed or trade at other hours; the rest trades as usual."""

    name: str
    closed: frozenset[str] = frozenset()
    kept: Mapping[str, Span] = {}
    """Group -> the part of its ordinary hours in which it trades, also on a weekend."""
    special: Mapping[str, Hours] = {}
    """Class -> its hours of that day."""
    source: str = ""
    """Who says so."""


class Timetable(msgspec.Struct, frozen=True):
    """All that a calendar goes by."""

    groups: Mapping[str, str]
    """Class -> the group with which it has its holidays in common."""
    hours: Mapping[str, Sequence[tuple[dt.date, Hours]]]
    """Class -> its hours, each valid from a date on, in the order of the dates."""
    weekend: frozenset[int] = frozenset({5, 6})
    """Days of the week on which nothing trades; Monday is 0."""
    holidays: Mapping[dt.date, Holiday] = {}
    years: frozenset[int] = frozenset()
    """Those whose list of holidays is whole."""
    yearly: Mapping[tuple[int, int], Holiday] = {}
    """Month and day -> what is closed then in the other years."""


def _ordinary(orders: str = "", **phases: str) -> Sequence[tuple[dt.date, Hours]]:
    spans = tuple((msgspec.convert(name, Phase), Span.read(span)) for name, span in phases.items())
    return [(ALWAYS, Hours(spans, tuple(Span.read(span) for span in orders.split())))]


_BEFORE = {"pre_open": "09:00-09:15"}
ORDINARY = Timetable(
    groups={
        SHARES: SHARES, AUCTION_SHARES: SHARES, INDICES: SHARES,
        NEAR_FUTURES: "derivatives", FUTURES: "derivatives", OPTIONS: "derivatives",
        CURRENCIES: CURRENCIES,
        COMMODITIES: COMMODITIES, COMMODITIES_TO_21: COMMODITIES, COMMODITIES_TO_17: COMMODITIES,
    },
    hours={
        SHARES: _ordinary("09:00-09:09", **_BEFORE, open="09:15-15:30", post_close="15:50-16:00"),
        AUCTION_SHARES: _ordinary(
            "09:00-09:09", **_BEFORE, open="09:15-15:15", closing_orders="15:15-15:30",
            closing_match="15:30-15:35", post_close="15:50-16:00",
        ),
        INDICES: _ordinary("09:00-09:09", **_BEFORE, open="09:15-15:30"),
        NEAR_FUTURES: _ordinary("09:00-09:09", **_BEFORE, open="09:15-15:40"),
        FUTURES: _ordinary(open="09:15-15:40"),
        OPTIONS: _ordinary(open="09:15-15:40"),
        CURRENCIES: _ordinary(open="09:00-17:00"),
        COMMODITIES: _ordinary(open="09:00-23:55"),
        COMMODITIES_TO_21: _ordinary(open="09:00-21:00"),
        COMMODITIES_TO_17: _ordinary(open="09:00-17:00"),
    },
)  # fmt: skip
"""The ordinary week of late 2026, for those who have no file of sessions: no holidays, no history."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """A part of a class's day, in epoch nanoseconds; the end is not within."""

    phase: Phase
    begin_ns: int
    end_ns: int


class Session(msgspec.Struct, frozen=True, gc=False):
    """A date's continuous trading, from its first open to its last close, in epoch nanoseconds."""

    open_ns: int
    close_ns: int


class _Day(msgspec.Struct, frozen=True, gc=False):
    """One class's date."""

    parts: tuple[Part, ...]
    """Without the closed ones."""
    whole: tuple[Part, ...]
    """With them: from midnight to midnight."""
    moves: tuple[tuple[int, int], ...]
    """When something can be expected of a feed."""


class Calendar:
    """When classes of instruments trade, by a timetable; may be read from any thread.

    With ``always_open`` everything trades round the clock, as a simulator's market does: each session is
    the whole day in India.
    """

    def __init__(self, timetable: Timetable = ORDINARY, *, always_open: bool = False) -> None:
        self._timetable = timetable
        self._always_open = always_open
        self._days: dict[tuple[str, int], _Day] = {}

    def part(self, trading_class: str, at_ns: int) -> Part:
        """The part of the day that holds this time; closed ones too, which end at midnight at the latest."""
        for part in self._day(trading_class, ist.day_number(at_ns)).whole:
            if at_ns < part.end_ns:
                return part
        raise AssertionError("a day holds all of its times")

    def parts(self, trading_class: str, at_ns: int) -> Sequence[Part]:
        """The parts of the date in India, in their order, without closed ones; none where all is closed."""
        return self._day(trading_class, ist.day_number(at_ns)).parts

    def phase(self, trading_class: str, at_ns: int) -> Phase:
        """Where in its day the class is at that time."""
        return self.part(trading_class, at_ns).phase

    def is_open(self, trading_class: str, at_ns: int) -> bool:
        """Whether the class trades continuously or is in an auction."""
        return self.phase(trading_class, at_ns) in _EXPECTED

    def moves(self, trading_class: str, at_ns: int) -> bool:
        """Whether a feed of the class has something to say at that time.

        In continuous trading, and in an auction as long as orders come in for sure.
        """
        moves = self._day(trading_class, ist.day_number(at_ns)).moves
        return any(begin <= at_ns < end for begin, end in moves)

    def session(self, trading_class: str, at_ns: int) -> Session | None:
        """The continuous trading of the date of that time; None where there is none."""
        opens = [part for part in self.parts(trading_class, at_ns) if part.phase == "open"]
        return Session(opens[0].begin_ns, opens[-1].end_ns) if opens else None

    def trading_date(self, trading_class: str, at_ns: int) -> dt.date:
        """The date whose session's figures hold at that time.

        The date in India where the class trades on it, else the last one before on which it does.
        """
        today = ist.day_number(at_ns)
        for number in range(today, today - _LONGEST_PAUSE, -1):
            if self._day(trading_class, number).parts:
                return _date(number) or _EPOCH
        return _date(today) or _EPOCH

    def is_trading_day(self, day: dt.date) -> bool:
        """Whether shares trade on that date, be it for an hour."""
        return self.trades(SHARES, day)

    def trades(self, trading_class: str, day: dt.date) -> bool:
        """Whether the class trades on that date, be it for an hour."""
        return bool(self._day(trading_class, (day - _EPOCH).days).parts)

    def hours(self, trading_class: str, day: dt.date) -> Hours:
        """The class's phases of a date; none where it is closed."""
        return self._hours(trading_class, (day - _EPOCH).days)

    def holidays(self, year: int) -> list[tuple[dt.date, Holiday]]:
        """The days of a year that are unlike the others, in their order."""
        if self._always_open:
            return []
        first = (dt.date(year, 1, 1) - _EPOCH).days
        days = (_EPOCH + dt.timedelta(days=first + number) for number in range(366))
        found = ((day, self._holiday(day)) for day in days if day.year == year)
        return [(day, each) for day, each in found if each is not None]

    def classes(self, group: str) -> list[str]:
        """The classes that have their holidays in common."""
        return [name for name, named in self._timetable.groups.items() if named == group]

    def knows(self, year: int) -> bool:
        """Whether the list of a year's holidays is whole."""
        return self._always_open or year in self._timetable.years

    def _day(self, trading_class: str, number: int) -> _Day:
        # Ticks ask by the thousand, and always for the same few days.
        day = self._days.get((trading_class, number))
        if day is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            day = self._days[trading_class, number] = self._find(trading_class, number)
        return day

    def _find(self, trading_class: str, number: int) -> _Day:
        midnight = number * _DAY_NS - ist.OFFSET_SECONDS * ist.SECOND_NS
        hours = self._hours(trading_class, number)
        parts = tuple(
            Part(phase, midnight + span.begin * ist.SECOND_NS, midnight + span.end * ist.SECOND_NS)
            for phase, span in hours.phases
        )
        opens = [part for part in parts if part.phase == "open" and trading_class != WORLD]
        moves = [(part.begin_ns, part.end_ns) for part in opens]
        moves += (
            (midnight + span.begin * ist.SECOND_NS, midnight + span.end * ist.SECOND_NS)
            for span in hours.orders
        )
        return _Day(parts, tuple(_whole(parts, midnight, midnight + _DAY_NS)), tuple(moves))

    def _hours(self, trading_class: str, number: int) -> Hours:
        if self._always_open:
            return _ALWAYS_OPEN
        date = _date(number)
        if date is None:
            return _CLOSED
        if trading_class == WORLD:
            return _CLOSED if date.weekday() in self._timetable.weekend else _WORLDS
        name = trading_class if trading_class in self._timetable.groups else SHARES
        group = self._timetable.groups[name]
        if holiday := self._holiday(date):
            if name in holiday.special:
                return holiday.special[name]
            if group in holiday.closed:
                return _CLOSED
            if group in holiday.kept:
                return self._ordinary(name, date).cut(holiday.kept[group])
        return _CLOSED if date.weekday() in self._timetable.weekend else self._ordinary(name, date)

    def _holiday(self, date: dt.date) -> Holiday | None:
        if date.year in self._timetable.years:
            return self._timetable.holidays.get(date)
        return self._timetable.holidays.get(date) or self._timetable.yearly.get((date.month, date.day))

    def _ordinary(self, trading_class: str, date: dt.date) -> Hours:
        valid = [hours for since, hours in self._timetable.hours[trading_class] if since <= date]
        return valid[-1] if valid else _CLOSED


_CLOSED = Hours(())
_WORLDS = Hours((("open", Span.read("00:00-02:45")), ("open", Span.read("06:30-24:00"))))
"""GIFT NIFTY's. Which of the others trades when is not known, so that no silence is strange."""
_ALWAYS_OPEN = Hours((("open", WHOLE_DAY),))


def _whole(parts: Iterable[Part], begin_ns: int, end_ns: int) -> Iterable[Part]:
    """A day's parts, and what lies between them."""
    for part in parts:
        if begin_ns < part.begin_ns:
            yield Part("closed", begin_ns, part.begin_ns)
        yield part
        begin_ns = part.end_ns
    if begin_ns < end_ns:
        yield Part("closed", begin_ns, end_ns)


def _date(number: int) -> dt.date | None:
    """A date by its days since 1970; None for a broker's nonsense, that no calendar reaches."""
    try:
        return _EPOCH + dt.timedelta(days=number)
    except OverflowError:
        return None
