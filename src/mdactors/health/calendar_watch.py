"""A year of which the calendar has no list of holidays, said before it begins."""

from __future__ import annotations

import logging

from mdactors.actors.alarms import AlarmBoard, Alarms
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.runtime import Clock

ASKS_FROM_MONTH = 12
"""The exchanges publish the next year's list in December: from then on it is asked for."""
_logger = logging.getLogger("mdactors.calendar_watch")


class CalendarWatch:
    """Raises an alarm for this year and, from December on, for the next one, where its list is not known."""

    def __init__(self, calendar: Calendar, clock: Clock, board: AlarmBoard) -> None:
        self._calendar = calendar
        self._clock = clock
        self._alarms = Alarms(board, _logger)

    def look(self) -> None:
        """Raise and clear the alarm."""
        today = ist.date(self._clock.time_ns())
        years = [today.year, today.year + 1] if today.month >= ASKS_FROM_MONTH else [today.year]
        self._alarms.show("calendar", [_text(year) for year in years if not self._calendar.knows(year)])


def _text(year: int) -> str:
    return (
        f"the calendar has no list of the holidays of {year}: but for a few fixed days every weekday counts "
        "as an ordinary one; put the exchanges' lists into a file of sessions, see calendar.sessions"
    )
