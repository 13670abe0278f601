"""When each class of instrument trades: in which phase it is, on which dates it does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from mdactors.market import ist
from mdactors.market.phase import Phase
from mdactors.market.timetable import ORDINARY, WHOLE_DAY, Holiday, Hours, Span, Timetable
from mdactors.market.trading_class import SHARES, WORLD

_KEPT_DAYS = 4096
_EPOCH = dt.date(1970, 1, 1)
_DAY_NS = ist.DAY_SECONDS * ist.SECOND_NS
_LONGEST_PAUSE = 30
"""Days; whoever has no session for longer has none behind it either."""
_EXPECTED: frozenset[Phase] = frozenset({"pre_open", "open", "closing_orders", "closing_match"})


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
        self.always_open = always_open
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
        if self.always_open:
            return []
        first = (dt.date(year, 1, 1) - _EPOCH).days
        days = (_EPOCH + dt.timedelta(days=first + number) for number in range(366))
        found = ((day, self.holiday(day)) for day in days if day.year == year)
        return [(day, each) for day, each in found if each is not None]

    def classes(self, group: str) -> list[str]:
        """The classes that have their holidays in common."""
        return [name for name, named in self._timetable.groups.items() if named == group]

    def knows(self, year: int) -> bool:
        """Whether the list of a year's holidays is whole."""
        return self.always_open or year in self._timetable.years

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
        if self.always_open:
            return _ALWAYS_OPEN
        date = _date(number)
        if date is None:
            return _CLOSED
        if trading_class == WORLD:
            return _CLOSED if date.weekday() in self._timetable.weekend else _WORLDS
        name = trading_class if trading_class in self._timetable.groups else SHARES
        group = self._timetable.groups[name]
        if holiday := self.holiday(date):
            if name in holiday.special:
                return holiday.special[name]
            if group in holiday.closed:
                return _CLOSED
            if group in holiday.kept:
                return self._ordinary(name, date).cut(holiday.kept[group])
        return _CLOSED if date.weekday() in self._timetable.weekend else self._ordinary(name, date)

    def holiday(self, date: dt.date) -> Holiday | None:
        """What makes a date unlike the others of its weekday; None on an ordinary day."""
        known = self._timetable.holidays.get(date)
        if known is not None or date.year <= max(self._timetable.years, default=0):
            return known
        return self._timetable.yearly.get((date.month, date.day))

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
