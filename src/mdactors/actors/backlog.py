"""What the journal holds and the store has not."""

from __future__ import annotations

from mdactors.runtime import Clock


class Backlog:
    """Counts ticks: told by the journal's writer and by the persister, read by anybody without asking them.

    Counts are those of `Position.ticks`, from the journal's birth. As long as the store has not said how far
    it is, all that the journal held when it was opened counts as waiting, which may be too much. Usable from
    any thread; nobody waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._oldest = self._written = self._stored = 0
        self.is_known = False
        """Whether the store has said how far it is, and can be believed."""
        self._moved = clock.monotonic()
        """When a tick was stored, or began to wait where none did."""

    def begin(self, oldest: int, end: int) -> None:
        """The journal was opened: the counts before the oldest tick that lies in it and behind the newest."""
        self._oldest = self._stored = oldest
        self._written = end

    @property
    def waiting(self) -> int:
        """How many ticks the journal holds and the store has not; never too few."""
        return max(0, self._written - self._stored)

    @property
    def stored(self) -> int:
        """How many ticks are known to be stored, or not in the journal any more."""
        return self._stored

    def waiting_seconds(self, now: float) -> float:
        """How long ticks have waited without one being stored; 0 where none wait. ``now`` is monotonic."""
        return now - self._moved if self.waiting else 0.0

    def note_written(self, ticks: int) -> None:
        """The journal holds so many."""
        if self._written <= self._stored:
            self._moved = self._clock.monotonic()
        self._written = ticks

    def note_stored(self, ticks: int | None) -> None:
        """The store has so many, None: nothing of this journal.

        One that has more than there are is an older journal's: then nothing is known.
        """
        self.is_known = ticks is None or ticks <= self._written
        stored = max(self._oldest, ticks or 0) if self.is_known else self._oldest
        if stored > self._stored:
            self._moved = self._clock.monotonic()
        self._stored = stored
