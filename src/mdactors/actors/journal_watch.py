"""The actor that says what the journal's writer cannot say while its disk holds it up."""

from __future__ import annotations

from collections import deque
from typing import Any

from mdactors.actors.alarms import Alarms
from mdactors.actors.dropped import KEPT_RANGES
from mdactors.actors.journal_intake import JournalIntake
from mdactors.runtime import Actor, Address, Context, Message, handles

BEAT_SECONDS = 1.0
HELD_UP_SECONDS = 10.0
"""Ticks wait so long, and the writer comes to none: its disk hangs."""
WAITS = "journal-waits"


class Beat(Message, frozen=True):
    """Look again."""


class JournalWatch(Actor):
    """Owns the report on what waits for the journal's writer: an alarm, and each run of dropped ticks.

    Receives only its own beat; tells the hub its alarm. It touches no disk. Its hooks run in its own thread.
    """

    def __init__(self, context: Context, *, intake: JournalIntake, hub: Address) -> None:
        super().__init__(context)
        self._intake = intake
        self._taken = 0
        self._moved = self.clock.monotonic()
        """When the writer was last seen to come to something, or had nothing to come to."""
        self._ranges: deque[dict[str, Any]] = deque(maxlen=KEPT_RANGES)
        self._alarms = Alarms(self.clock, self.logger, lambda alarm: self.tell(hub, alarm))

    def on_start(self) -> None:
        """Begin the beat; runs in the actor's thread."""
        self.after(BEAT_SECONDS, Beat())

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Raise or clear the alarm; report what was dropped once that is over."""
        self.after(BEAT_SECONDS, Beat())
        self._alarms.show(WAITS, self._trouble())
        if (run := self._intake.report()) is not None:
            self.logger.warning("dropped %s", run)
            self._ranges.append(run.describe())

    def _trouble(self) -> list[str]:
        intake, now = self._intake, self.clock.monotonic()
        if intake.taken != self._taken or not intake.waiting:
            self._taken, self._moved = intake.taken, now
        if intake.run is not None:
            return [f"ticks are not being stored: {intake.limit} wait for the journal's disk, no more may"]
        if now - self._moved >= HELD_UP_SECONDS:
            return [f"the journal's disk hangs: ticks wait in memory, {intake.limit} at most"]
        return []

    def on_stop(self) -> None:
        """Say what was dropped, and what is lost because it still waits; runs in the actor's thread."""
        if self._intake.run is not None:
            self.logger.warning("dropped %s", self._intake.run)
        if self._intake.waiting:
            self.logger.error("%d ticks are lost: the journal's disk did not take them", self._intake.waiting)

    def on_failure(self, *_exception: object) -> None:
        """A successor raises anew what is still so; runs in the actor's thread."""
        self._alarms.clear_all()

    def describe(self) -> dict[str, Any]:
        """What waits and what was dropped, in ticks, for ``/api/status``."""
        run = self._intake.run
        return {
            "waiting": self._intake.waiting,
            "limit": self._intake.limit,
            "dropped": self._intake.dropped,
            "dropped_ranges": [*self._ranges, *([] if run is None else [run.describe()])],
            "alarms": self._alarms.active(),
        }
