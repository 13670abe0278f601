"""Where a broker says of a segment what the calendar does not."""

from __future__ import annotations

from collections.abc import Mapping

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.trading_class import SEGMENT_CLASSES

OPEN_WORDS = frozenset({"NORMAL_OPEN"})
SHUT_WORDS = frozenset({"NORMAL_CLOSE", "CLOSING_END"})
"""Other words are of auctions; when they are said exactly, differs by broker and exchange."""


def contradicted(calendar: Calendar, at_ns: int, words: Mapping[str, str]) -> dict[str, bool]:
    """Segment -> whether the broker says that it is open, of those where the calendar has the opposite.

    Args:
        calendar: of the classes.
        at_ns: the time.
        words: segment -> the broker's word.
    """
    found: dict[str, bool] = {}
    for segment, word in words.items():
        classes = SEGMENT_CLASSES.get(segment, ())
        phases = [calendar.phase(each, at_ns) for each in classes]
        if word in SHUT_WORDS and phases[:1] == ["open"]:
            found[segment] = False
        elif word in OPEN_WORDS and phases and set(phases) <= {"closed", "post_close"}:
            found[segment] = True
    return found


def overrules(calendar: Calendar, at_ns: int) -> bool:
    """Whether a broker's word goes before the calendar: on a day of which that knows nothing special."""
    return not calendar.always_open and calendar.holiday(ist.date(at_ns)) is None
