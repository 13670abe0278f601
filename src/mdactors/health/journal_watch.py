"""What the journal's writer cannot say while its disk holds it up."""

from __future__ import annotations

import logging
from typing import Any

from mdactors.actors.alarms import LASTING_SECONDS, AlarmBoard, Alarms
from mdactors.actors.journal_intake import JournalIntake
from mdactors.runtime import Clock

HELD_UP_SECONDS = 10.0
"""Ticks wait so long, and the writer comes to none: its disk hangs."""
WAITS = "journal-waits"
_logger = logging.getLogger("mdactors.journal_watch")


class JournalWatch:
    """Raises the alarm for ticks that wait for the journal's writer; reports each run of refused ones."""

    def __init__(self, intake: JournalIntake, clock: Clock, board: AlarmBoard) -> None:
        self._intake = intake
        self._clock = clock
        self._taken = 0
        self._moved = clock.monotonic()
        """When the writer was last seen to come to something, or had nothing to come to."""
        self._alarms = Alarms(board, _logger)

    def look(self) -> None:
        """Raise or clear the alarm; report what was refused once that is over."""
        intake, now = self._intake, self._clock.monotonic()
        if intake.taken != self._taken or not intake.waiting:
            self._taken, self._moved = intake.taken, now
        if intake.refused.run is not None:
            text = f"ticks are not being stored: {intake.limit} wait for the journal's disk, no more may"
            self._alarms.show(WAITS, [text], down_after=0.0)
        elif now - self._moved >= HELD_UP_SECONDS:
            text = f"the journal's disk hangs: ticks wait in memory, {intake.limit} at most"
            self._alarms.show(WAITS, [text], LASTING_SECONDS)
        else:
            self._alarms.clear(WAITS)
        if (run := intake.report()) is not None:
            _logger.warning("dropped %s", run)

    def end(self) -> None:
        """Say what was refused, and what is lost because it still waits: nobody comes to it any more."""
        if (run := self._intake.refused.run) is not None:
            _logger.warning("dropped %s", run)
        if self._intake.waiting:
            _logger.error("%d ticks are lost: the journal's disk did not take them", self._intake.waiting)

    def describe(self) -> dict[str, Any]:
        """What waits and what was refused, in ticks, for ``/api/status``."""
        intake = self._intake
        return {"waiting": intake.waiting, "limit": intake.limit, **intake.refused.describe()}
