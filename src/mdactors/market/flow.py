"""What time it is for a flow of trades, live or replayed at any speed, and which of its bars are over."""

from __future__ import annotations

from mdactors.market.forming import FormingBar
from mdactors.market.tick import Tick

LATEST_MS = 5 * 60_000
"""A trade that lies further behind its flow comes too late for any bar."""
LEAP_MS = 15 * 60_000
"""A trade that lies further before its flow is not believed until others say so too."""
SILENT_MS = 10_000
"""A flow that no trade moved on for so long may have run ahead by a mistake."""
_BELIEVED = 3
"""So many trades in a row that all lie far off: it is the flow that moved."""


class Agenda:
    """Bars by their ends."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[int, list[FormingBar]] = {}

    def expect(self, bar: FormingBar) -> None:
        """Have a bar handed out when it is over."""
        bars = self._due.get(bar.end)
        if bars is None:
            self._due[bar.end] = [bar]
        else:
            bars.append(bar)

    def over(self, limit: float) -> list[FormingBar]:
        """Hand out the bars that end by then, oldest first."""
        ends = sorted(end for end in self._due if end <= limit)
        return [bar for end in ends for bar in self._due.pop(end)]

    def __len__(self) -> int:
        return sum(map(len, self._due.values()))


class Flow:
    """The time of all trades that one kind of clock stamps: that of its newest trade.

    Bars close by it, never by the wall clock. Between trades it goes on as fast as the caller's ``now``,
    so that a quiet market's bars close too. All times are milliseconds; ``now`` may begin anywhere.
    """

    __slots__ = ("_heard", "minutes", "newest", "seconds", "strays")

    def __init__(self) -> None:
        self.newest = 0
        """Epoch milliseconds of the newest trade; 0 before the first."""
        self.strays: list[tuple[int, Tick]] = []
        """Trades that wait to be believed, and their times."""
        self.seconds, self.minutes = Agenda(), Agenda()
        self._heard = 0.0

    def reach(self, time: int, now: float) -> bool:
        """Move on to a trade's time; False where it lies too far ahead to be believed."""
        if self.newest and time - self.newest > LEAP_MS + now - self._heard:
            return False
        self.newest = time
        self._heard = now
        return True

    def at(self, now: float) -> float:
        """What time it is, epoch milliseconds; minus infinity before the first trade."""
        return self.newest + now - self._heard if self.newest else float("-inf")

    def moves(self, now: float) -> bool:
        """Whether a trade moved it on lately: one that is behind is late then."""
        return now - self._heard <= SILENT_MS

    def hold(self, time: int, tick: Tick) -> list[Tick]:
        """Let a trade that lies far off wait; all that wait once they are believed."""
        self.strays.append((time, tick))
        if len(self.strays) < _BELIEVED:
            return []
        return self.restart()

    def restart(self) -> list[Tick]:
        """Begin anew with the next trade, whatever its time; the trades that waited."""
        believed = [tick for _, tick in self.strays]
        self.strays.clear()
        self.newest = 0
        return believed

    def drop_late(self) -> int:
        """Let those that lie behind wait no longer, and say how many: nothing more comes to confirm them."""
        waiting = len(self.strays)
        self.strays = [stray for stray in self.strays if stray[0] > self.newest]
        return waiting - len(self.strays)
