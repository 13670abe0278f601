"""The address of the journal's writer, which its disk may hold up for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from mdactors.actors.dropped import Dropped, Losses
from mdactors.market.tick import Tick
from mdactors.messages import TicksPublished
from mdactors.runtime import Address, MailboxPolicy
from mdactors.runtime.message import Message

WAITING_TICKS = 250_000
"""Some 300 MB; a minute's ticks of a lively market."""
FAILED = "the journal's writer failed at them"


class JournalIntake(Address):
    """Takes ticks until ``limit`` of them wait; then drops and counts what comes, until half are written.

    It outlives the writers, and so do the counts of what was lost. Usable from any thread; nobody waits. One
    batch is always taken, however large.
    """

    def __init__(self, name: str, limit: int = WAITING_TICKS) -> None:
        super().__init__(name, MailboxPolicy(when_full="keep"))
        self.limit = limit
        self.waiting = 0
        """Ticks that the writer has not come to."""
        self.taken = 0
        """Batches that the writer has come to."""
        self.refused = Losses()
        """What came while too many waited."""
        self.unwritten = Losses()
        """What the writer could not write."""
        self._in_hand: Sequence[Tick] = ()
        self._is_full = False
        self._lock = threading.Lock()

    def tell(self, message: Message, unless: threading.Event | None = None) -> None:
        """Put a message into the mailbox, but ticks only while there is room; never blocks nor raises."""
        if not isinstance(message, TicksPublished) or self._admits(message.ticks):
            super().tell(message, unless)

    def _admits(self, ticks: Sequence[Tick]) -> bool:
        with self._lock:
            if self.waiting and self.waiting + len(ticks) > self.limit:
                self._is_full = True
            if not self._is_full:
                self.waiting += len(ticks)
                return True
            self.refused.add(ticks, f"{self.waiting} waited for the journal's disk")
            return False

    # --- The writer's side

    def take_in_hand(self, ticks: Sequence[Tick]) -> None:
        """The writer has come to these."""
        self._in_hand = ticks
        with self._lock:
            self.taken += 1
            self.waiting -= len(ticks)
            if self.waiting <= self.limit // 2:
                self._is_full = False

    def put_down(self) -> None:
        """What was taken in hand is written, or counted as lost."""
        self._in_hand = ()

    def succeed(self) -> bool:
        """A fresh writer is there; whether the one before failed at what it had in hand, which is lost."""
        lost, self._in_hand = self._in_hand, ()
        if lost:
            self.unwritten.add(lost, FAILED)
        return len(lost) > 0

    # --- Who watches

    def report(self) -> Dropped | None:
        """A run of refused ticks that is over, once."""
        with self._lock:
            return None if self._is_full else self.refused.end_run()
