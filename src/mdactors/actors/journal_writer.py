"""The actor that writes every tick to disk, before anybody stores it."""

from __future__ import annotations

from collections import deque
from typing import Any

from mdactors.actors.alarms import Alarms
from mdactors.actors.dropped import KEPT_RANGES, Dropped
from mdactors.actors.journal_intake import JournalIntake
from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.messages import JournalSynced, PositionWanted, TicksPublished, TicksStored
from mdactors.runtime import Actor, Address, Context, Message, handles
from mdactors.store.journal import Journal
from mdactors.store.journal_appender import Appender

NOT_WRITTEN, NOT_SYNCED = "journal", "journal-sync"


class Beat(Message, frozen=True):
    """Have on disk what was written since the last one."""


class JournalWriter(Actor):
    """Owns the right to write the journal.

    Receives `TicksPublished` (one record each), `PositionWanted` and `TicksStored` (what is stored is
    released). Every ``sync_seconds`` it syncs what was written and tells the persister `JournalSynced`;
    tells the hub its alarms. A disk that is full or fails is a state: ticks are dropped and counted
    until a record is written again. A disk that hangs holds it up: then ``intake``, its own address,
    drops and counts. Its hooks run in its own thread; it syncs when it stops or fails.
    """

    def __init__(
        self,
        context: Context,
        *,
        journal: Journal,
        intake: JournalIntake,
        persister: Address,
        hub: Address,
        sync_seconds: float,
    ) -> None:
        super().__init__(context)
        self._intake = intake
        self._journal = journal
        self._persister = persister
        self._sync_seconds = sync_seconds
        self._appender: Appender | None = None
        self._synced: Position | None = None
        self._stored: Position | None = None
        self._appended = 0
        self._left_out = 0
        self._dropped = 0
        self._dropping: Dropped | None = None
        self._ranges: deque[dict[str, Any]] = deque(maxlen=KEPT_RANGES)
        self._alarms = Alarms(self.clock, self.logger, lambda alarm: self.tell(hub, alarm))

    def on_start(self) -> None:
        """Fence a predecessor, begin the beat; runs in the actor's thread."""
        self._appender = self._journal.appender()
        for number, damage in enumerate(self._journal.damage, 1):
            text = f"{self._journal.folder}: {damage}; the ticks in it will not be stored"
            self._alarms.raise_alarm(f"journal-damage-{number}", text)
        self._sync(self._appender)
        self.after(self._sync_seconds, Beat())

    @handles(TicksPublished)
    def write(self, message: TicksPublished) -> None:
        """Append the ticks, or count them where that cannot be."""
        assert self._appender is not None, "on_start makes it"
        self._intake.took(message.ticks)
        try:
            left_out = self._appender.append(message.ticks)
        except StoreError as error:
            if self._appender.fenced:
                raise
            self._drop(message, str(error))
            return
        self._appended += len(message.ticks) - left_out
        self._left_out += left_out
        if self._dropping is not None:
            self._resume()

    def _drop(self, message: TicksPublished, reason: str) -> None:
        if self._dropping is None:
            self._dropping = Dropped(reason)
            self._alarms.raise_alarm(NOT_WRITTEN, f"ticks are not being stored: {reason}")
        self._dropping.add(message.ticks)
        self._dropped += len(message.ticks)

    def _resume(self) -> None:
        self._report_dropped()
        self._alarms.clear(NOT_WRITTEN)

    def _report_dropped(self) -> None:
        if self._dropping is not None:
            self.logger.warning("dropped %s", self._dropping)
            self._ranges.append(self._dropping.describe())
            self._dropping = None

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Sync what was written, and what could not be synced before."""
        self.after(self._sync_seconds, Beat())
        assert self._appender is not None, "on_start makes it"
        if self._appender.position != self._synced:
            self._sync(self._appender)
        if self._dropping is not None:
            self._release()  # the last segment may go as well, now that there is no room

    @handles(PositionWanted)
    def tell_position(self, _message: PositionWanted) -> None:
        """Tell a fresh persister how far it may read."""
        if self._synced is not None:
            self.tell(self._persister, JournalSynced(self._synced))

    @handles(TicksStored)
    def release(self, message: TicksStored) -> None:
        """Delete what is stored."""
        self._stored = message.position
        self._release()

    def _release(self) -> None:
        if self._stored is None:
            return
        try:
            self._journal.release(self._stored)
        except StoreError as error:
            self.logger.warning("what is stored stays for now: %s", error)

    def _sync(self, appender: Appender) -> None:
        try:
            self._synced = appender.sync()
        except StoreError as error:
            if appender.fenced:
                raise
            text = f"ticks are written, but not safe from a loss of power: {error}"
            self._alarms.raise_alarm(NOT_SYNCED, text)
            return
        self._alarms.clear(NOT_SYNCED)
        self.tell(self._persister, JournalSynced(self._synced))

    def on_stop(self) -> None:
        """Sync what was written; runs in the actor's thread."""
        self._report_dropped()
        if self._appender is not None and not self._appender.fenced:
            self._sync(self._appender)
            self._appender.close()

    def on_failure(self, *_exception: object) -> None:
        """Sync what was written before a successor starts; runs in the actor's thread."""
        self.on_stop()
        self._alarms.clear_all()

    def describe(self) -> dict[str, Any]:
        """What was written and what was not, for ``/api/status``."""
        going_on = [] if self._dropping is None else [self._dropping.describe()]
        synced = self._synced
        return {
            "appended": self._appended,
            "left_out": self._left_out,
            "dropped": self._dropped,
            "dropped_ranges": [*self._ranges, *going_on],
            "size": self._journal.size(),
            "max_bytes": self._journal.max_bytes,
            "position": None
            if synced is None
            else {
                "journal": synced.journal,
                "segment": synced.segment,
                "offset": synced.offset,
                "ticks": synced.ticks,
            },
            "damage": list(self._journal.damage),
            "alarms": self._alarms.active(),
        }
