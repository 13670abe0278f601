"""Where in its day each segment is."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.phase import Phase
from mdactors.market.trading_class import SEGMENT_CLASSES, SHARES

SEGMENTS = ("NSE_EQ", "BSE_EQ", "NSE_FO", "BSE_FO", "NCD_FO", "BCD_FO", "MCX_FO")
"""Those whose status is told whether a broker speaks of them or not."""
_NS_PER_MS = 1_000_000


class Part(msgspec.Struct, frozen=True, gc=False, rename={"begin": "from", "end": "to"}):
    """A part of a segment's day; the end is not within."""

    phase: Phase
    begin: str
    end: str


class ClassStatus(msgspec.Struct, frozen=True, gc=False):
    """Instruments of a segment that keep other hours than most of it."""

    status: Phase
    sessions: tuple[Part, ...]


class SegmentStatus(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One segment now, as most of it trades.

    ``open`` and ``close`` of today's continuous trading are None where there is none.
    """

    segment: str
    status: Phase
    open: str | None = None
    close: str | None = None
    sessions: tuple[Part, ...] = ()
    """The phases of the whole day."""
    classes: Mapping[str, ClassStatus] = {}
    """Class -> how it is, of those whose day is another today."""
    said: Mapping[str, str] = {}
    """Broker -> its own word for it, of those that say one."""


def market_status(
    calendar: Calendar, at_ns: int, said: Mapping[str, Mapping[str, str]]
) -> list[SegmentStatus]:
    """The status of each segment by the calendar, and beside it what the brokers say.

    Args:
        calendar: of sessions and holidays.
        at_ns: the time, in nanoseconds since 1970.
        said: broker -> segment -> its word.
    """
    names = dict.fromkeys((*SEGMENTS, *(segment for words in said.values() for segment in words)))
    return [_status(calendar, segment, at_ns, said) for segment in names]


def _status(
    calendar: Calendar, segment: str, at_ns: int, said: Mapping[str, Mapping[str, str]]
) -> SegmentStatus:
    first, *others = SEGMENT_CLASSES.get(segment, (SHARES,))
    session = calendar.session(first, at_ns)
    sessions = _parts(calendar, first, at_ns)
    days = {name: ClassStatus(calendar.phase(name, at_ns), _parts(calendar, name, at_ns)) for name in others}
    return SegmentStatus(
        segment=segment,
        status=calendar.phase(first, at_ns),
        open=None if session is None else _time(session.open_ns),
        close=None if session is None else _time(session.close_ns),
        sessions=sessions,
        classes={name: day for name, day in days.items() if day.sessions != sessions},
        said={source: words[segment] for source, words in said.items() if segment in words},
    )


def _parts(calendar: Calendar, trading_class: str, at_ns: int) -> tuple[Part, ...]:
    return tuple(
        Part(part.phase, _time(part.begin_ns), _time(part.end_ns))
        for part in calendar.parts(trading_class, at_ns)
    )


def _time(at_ns: int) -> str:
    return ist.iso(at_ns // _NS_PER_MS)
