"""When each segment trades."""

from __future__ import annotations

import datetime as dt

from mdactors.market import ist

_OPENS = 9 * 3600
_CASH_CLOSES = 15 * 3600 + 30 * 60
_CLOSES = {
    "NSE_FO": 15 * 3600 + 40 * 60,
    "BSE_FO": 15 * 3600 + 40 * 60,
    "NCD_FO": 17 * 3600,
    "BCD_FO": 17 * 3600,
    "MCX_FO": 23 * 3600 + 55 * 60,
    "MCX_INDEX": 23 * 3600 + 55 * 60,
    "NSE_COM": 23 * 3600 + 55 * 60,
}
"""Seconds after midnight; a segment that is absent closes with cash."""
_SATURDAY = 5


class Calendar:
    """The ordinary week's hours, pre-open included; holidays and special sessions are not known.

    With ``always_open`` every segment trades round the clock, as a simulator's does.
    """

    def __init__(self, *, always_open: bool = False) -> None:
        self._always_open = always_open

    def is_open(self, segment: str, at_ns: int) -> bool:
        """Whether the segment trades at that time."""
        if self._always_open:
            return True
        if self.date(at_ns).weekday() >= _SATURDAY:
            return False
        return _OPENS <= ist.second_of_day(at_ns) < _CLOSES.get(segment, _CASH_CLOSES)

    def date(self, at_ns: int) -> dt.date:
        """The trading date: the date in India."""
        return ist.date(at_ns)
