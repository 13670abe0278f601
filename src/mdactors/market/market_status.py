"""Where in its day each segment is."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.phase import Phase

SEGMENTS = ("NSE_EQ", "BSE_EQ", "NSE_FO", "BSE_FO", "NCD_FO", "BCD_FO", "MCX_FO")
"""Those whose status is told whether a broker speaks of them or not."""
_NS_PER_MS = 1_000_000


class Part(msgspec.Struct, frozen=True, gc=False, rename={"begin": "from", "end": "to"}):
    """A part of a segment's day; the end is not within."""

    phase: Phase
    begin: str
    end: str


class SegmentStatus(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One segment now; ``open`` and ``close`` of today's session are None where there is none."""

    segment: str
    status: Phase
    open: str | None = None
    close: str | None = None
    sessions: tuple[Part, ...] = ()
    """The whole day: pre-open, the session, closing, as far as there are."""
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
    session = calendar.session(segment, at_ns)
    return SegmentStatus(
        segment=segment,
        status=calendar.phase(segment, at_ns),
        open=None if session is None else _time(session.open_ns),
        close=None if session is None else _time(session.close_ns),
        sessions=tuple(
            Part(phase, _time(span.open_ns), _time(span.close_ns))
            for phase, span in calendar.phases(segment, at_ns)
        ),
        said={source: words[segment] for source, words in said.items() if segment in words},
    )


def _time(at_ns: int) -> str:
    return ist.iso(at_ns // _NS_PER_MS)
