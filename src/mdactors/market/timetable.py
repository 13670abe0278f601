"""What a calendar goes by: the hours of classes and the days unlike the others, as data."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

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
)

ALWAYS = dt.date.min
"""The date from which hours are valid that always were."""

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


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
    """Month and day -> what is closed then in the years that come after these."""


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
