"""The actor that writes every tick to disk, before anybody stores it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mdactors.actors.alarms import LASTING_SECONDS, AlarmBoard
from mdactors.actors.backlog import Backlog
from mdactors.actors.journal_intake import FAILED, JournalIntake
from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.messages import JournalSynced, PositionWanted, TicksPublished, TicksStored
from mdactors.runtime import Actor, Address, Context, Message, handles
from mdactors.store.journal import Journal
from mdactors.store.journal_appender import Appender

NOT_WRITTEN, NOT_SYNCED, LEFT_OUT = "journal", "journal-sync", "journal-left-out"


class Beat(Message, frozen=True):
    """Have on disk what was written since the last one."""


class JournalWriter(Actor):
    """Owns the right to write the journal.

    Receives `TicksPublished` (one record each), `PositionWanted` and `TicksStored` (what is stored is
    released). Every ``sync_seconds`` it syncs what was written and tells the persister `JournalSynced`.
    A disk that is full or fails is a state: ticks are dropped and counted until a record is written again,
    and so are those at which a predecessor failed. A disk that hangs holds it up: then ``intake``, its own
    address, drops and counts. Its hooks run in its own thread; it syncs when it stops or fails.
    """

    def __init__(
        self,
        context: Context,
        *,
        journal: Journal,
        intake: JournalIntake,
        persister: Address,
        backlog: Backlog,
        board: AlarmBoard,
        sync_seconds: float,
    ) -> None:
        super().__init__(context)
        self._intake = intake
        self._journal = journal
        self._persister = persister
        self._backlog = backlog
        self._sync_seconds = sync_seconds
        self._appender: Appender | None = None
        self._synced: Position | None = None
        self._stored: Position | None = None
        self._appended = 0
        self._left_out = 0
        self._losses = intake.unwritten
        self._alarms = board.of(self)

    def on_start(self) -> None:
        """Fence a predecessor, begin the beat; runs in the actor's thread."""
        self._appender = self._journal.appender()
        for number, damage in enumerate(self._journal.damage, 1):
            text = f"{self._journal.folder}: {damage}; the ticks in it will not be stored"
            self._alarms.raise_alarm(f"journal-damage-{number}", text)
        if self._intake.succeed():
            self._raise_dropping(FAILED)
        self._backlog.note_written(self._appender.position.ticks)
        self._sync(self._appender)
        self.after(self._sync_seconds, Beat())

    @handles(TicksPublished)
    def write(self, message: TicksPublished) -> None:
        """Append the ticks, or count them where that cannot be."""
        assert self._appender is not None, "on_start makes it"
        self._intake.take_in_hand(message.ticks)
        try:
            left_out = self._appender.append(message.ticks)
        except StoreError as error:
            if self._appender.fenced:
                raise
            self._drop(message.ticks, str(error))
        else:
            self._appended += len(message.ticks) - left_out
            if left_out:
                self._left_out += left_out
                self._alarms.raise_alarm(
                    LEFT_OUT, "ticks that cannot be written down were left out: see the log"
                )
            self._backlog.note_written(self._appender.position.ticks)
            if self._losses.run is not None:
                self._resume()
        self._intake.put_down()

    def _drop(self, ticks: Sequence[Tick], reason: str) -> None:
        if self._losses.run is None:
            self._raise_dropping(reason)
        self._losses.add(ticks, reason)

    def _raise_dropping(self, reason: str) -> None:
        self._alarms.raise_alarm(NOT_WRITTEN, f"ticks are not being stored: {reason}", down_after=0.0)

    def _resume(self) -> None:
        self.logger.warning("dropped %s", self._losses.end_run())
        self._alarms.clear(NOT_WRITTEN)

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Sync what was written, and what could not be synced before."""
        self.after(self._sync_seconds, Beat())
        assert self._appender is not None, "on_start makes it"
        if self._appender.position != self._synced:
            self._sync(self._appender)
        if self._losses.run is not None:
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
            self._alarms.raise_alarm(NOT_SYNCED, text, LASTING_SECONDS)
            return
        self._alarms.clear(NOT_SYNCED)
        self.tell(self._persister, JournalSynced(self._synced))

    def on_stop(self) -> None:
        """Sync what was written; runs in the actor's thread."""
        if (run := self._losses.run) is not None:
            self.logger.warning("dropped %s", run)
        self._close()

    def on_failure(self, *_exception: object) -> None:
        """Sync what was written before a successor starts; runs in the actor's thread."""
        self._close()

    def _close(self) -> None:
        if self._appender is not None and not self._appender.fenced:
            self._sync(self._appender)
            self._appender.close()

    def describe(self) -> dict[str, Any]:
        """What was written and what was not, for ``/api/status``."""
        synced = self._synced
        return {
            "appended": self._appended,
            "left_out": self._left_out,
            **self._losses.describe(),
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
        }
