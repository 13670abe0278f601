"""The actor that carries every tick from the journal to the store, exactly once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mdactors.actors.alarms import LASTING_SECONDS, AlarmBoard
from mdactors.actors.backlog import Backlog
from mdactors.actors.times_of_day import TimesOfDay
from mdactors.actors.unstored import LookDue, Unstored
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.errors import PositionMoved, StoreError, TableFault
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.position import Position
from mdactors.messages import BarsWait, JournalSynced, PositionWanted, TicksStored
from mdactors.runtime import Actor, Address, AfterData, Backoff, Context, Message, Timer, handles
from mdactors.store.carrier import Carrier
from mdactors.store.ticks import TickStore

PART_TICKS = 10_000
PART_SECONDS, LEAST_PART = 0.25, 1000
"""A part that takes longer is halved, since nothing is heard meanwhile, but a commit has its price."""
PROBE_SECONDS, MAINTENANCE_SECONDS = 30.0, 300.0
"""How often the store is asked whether it is there, however rarely anything is written; and looked after."""
BAR_SECONDS = 5.0  # at most, however long ticks wait
LONGEST_WAIT = 10.0  # seconds between two attempts at most, and for the end


class GoOn(AfterData, frozen=True):
    """A part was written, perhaps more waits: behind what else has come meanwhile."""


class Due(Message, frozen=True):
    """The oldest that waits has waited long enough, or the store was away for a while."""


class BarsDue(Message, frozen=True):
    """The bars have waited long enough."""


class FlushDue(Message, frozen=True):
    """It may be time for the end-of-day flush."""


class ProbeDue(Message, frozen=True):
    """Time to see whether the store is there, and to look after it."""


class BatchPersister(Actor):
    """Owns the way from journal to store: its carrier, and how far the store is known to be.

    Receives `JournalSynced` and `BarsWait`. Ticks are carried when ``batch_rows`` of them are synced but
    not stored, when the oldest has waited ``batch_seconds``, at ``flush_at`` (India's time, on trading days;
    empty: never) and at the end; the store commits each part with its position. Tells the journal writer
    `PositionWanted` at its start and `TicksStored` after each commit. A store that is away is a state:
    nothing is read meanwhile. A write blocks it: what waits, the ``backlog`` says.
    """

    def __init__(
        self,
        context: Context,
        *,
        store: TickStore,
        bars: WaitingBars,
        carrier: Callable[[], Carrier],
        journal_id: str,
        journal_writer: Address,
        backlog: Backlog,
        board: AlarmBoard,
        calendar: Calendar,
        batch_rows: int,
        batch_seconds: float,
        flush_at: str,
        lag_limit: int,
    ) -> None:
        super().__init__(context)
        self._store = store
        self._carrier = carrier()
        self._journal_id = journal_id
        self._journal_writer = journal_writer
        self._backlog = backlog
        self._calendar = calendar
        self._batch_rows = batch_rows
        self._part = self._largest_part = max(batch_rows, PART_TICKS)  # fewer after a slow part or a failure
        self._batch_seconds = batch_seconds
        self._flush_at = TimesOfDay([flush_at], self.clock) if flush_at else None
        self._lag_limit = lag_limit
        self._synced: Position | None = None
        self._stored: Position | None = None
        self._known = False  # how far the store is, and nothing unclear has happened since
        self._goal: int | None = None  # the count of ticks to write up to, while turn follows turn
        self._timer: Timer | None = None
        self._retry: Timer | None = None  # set while the store is away
        self._bars_timer: Timer | None = None
        self._maintain_at = 0.0
        self._bars = bars
        self._backoff = Backoff(limit=LONGEST_WAIT)
        self._alarms = board.of(self)
        self._damage: dict[str, None] = {}  # a carrier that ends forgets what it said of the journal
        self._unstored = Unstored(store, self._alarms, self.after)
        self._persisted = self._refused = 0

    def on_start(self) -> None:
        """Ask the store and the journal writer how far they are; runs in the actor's thread."""
        self.tell(self._journal_writer, PositionWanted())
        self._await_flush()
        self.after(PROBE_SECONDS, ProbeDue())
        self._begin()
        self._await_bars()

    @handles(JournalSynced)
    def follow(self, message: JournalSynced) -> None:
        """So much may be read: write it, or let it wait for its batch."""
        self._synced = message.position
        if self._known and self._lag() >= self._batch_rows:
            self._begin()
        else:
            self._wait()

    @handles(BarsWait)
    def await_bars(self, _message: BarsWait) -> None:
        """Let them wait for the next write, which comes at once where too many wait."""
        self._alarms.show("bars-dropped", self._bars.lost())
        if self._bars.many:
            self._write_bars()
        self._await_bars()

    @handles(BarsDue)
    def write_bars(self, _message: BarsDue) -> None:
        """Write the bars that wait: unlike ticks they stand in no journal, so that they go soon."""
        self._bars_timer = None
        if self._retry is None and self._write_bars():
            self._bars_timer = self.after(0.0, BarsDue())
        self._await_bars()

    @handles(Due)
    def write_waiting(self, _message: Due) -> None:
        """Write what waits, however little; perhaps the store is back."""
        self._timer = self._retry = None
        self._begin()

    @handles(GoOn)
    def go_on(self, _message: GoOn) -> None:
        """Write the next part, if there is one."""
        if self._stored_ticks() < (self._goal or 0) or self._lag() >= self._batch_rows:
            self._turn()
        else:
            self._rest()

    @handles(FlushDue)
    def flush(self, _message: FlushDue) -> None:
        """At the end of a trading day write everything."""
        came_ns = self._flush_at.come() if self._flush_at else None
        if came_ns is not None and self._calendar.is_trading_day(ist.date(came_ns)):
            self._begin()
        self._await_flush()

    @handles(ProbeDue)
    def look_after(self, _message: ProbeDue) -> None:
        """See that the store is there; from time to time have it make room and delete what is too old."""
        self.after(PROBE_SECONDS, ProbeDue())
        if not self._known:
            return
        try:
            self._store.position(self._journal_id)
        except StoreError as error:
            self._store_failed(error)
        else:
            if self.clock.monotonic() >= self._maintain_at:
                self._maintain()

    @handles(LookDue)
    def look_again(self, _message: LookDue) -> None:
        """See what is still set aside or missing."""
        self._unstored.look_again()

    def on_stop(self) -> None:
        """Write what is synced, if the store is not away; runs in the actor's thread."""
        end = self.clock.monotonic() + LONGEST_WAIT
        while (self._write_part() or self._write_bars()) and not self.fenced and self.clock.monotonic() < end:
            pass
        if self._bars:
            self.logger.error("%d bars are not stored: the next start makes them again", len(self._bars))
        if self._lag() > 0:
            self.logger.info("%d ticks wait in the journal for the next start", self._lag())
        self._carrier.close()

    def on_failure(self, *_exception: object) -> None:
        """Leave no child to the successor, nor bars that it would fail at; runs in the actor's thread."""
        self._carrier.close()
        self._bars.give_up()
        self._alarms.show("bars-dropped", self._bars.lost())

    # --- When to write

    def _wait(self) -> None:
        """Have what waits written in time."""
        if self._timer is None and self._retry is None and self._goal is None and self._lag() > 0:
            self._timer = self.after(self._batch_seconds, Due())

    def _await_bars(self) -> None:
        if self._bars_timer is None and self._bars.anything:
            self._bars_timer = self.after(min(self._batch_seconds, BAR_SECONDS), BarsDue())

    def _begin(self) -> None:
        """Write everything that is synced now, unless that is going on or the store is away."""
        if self._goal is not None or self._retry is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._goal = 0 if self._synced is None else self._synced.ticks
        self._turn()

    def _turn(self) -> None:
        began = self.clock.monotonic()
        if not self._write_part():
            self._rest()
        elif self._lag() > self._lag_limit:
            self.tell(self.address, GoOn())
        else:
            # Rests as long as it worked: live ticks come first, unless very much waits.
            self.after(self.clock.monotonic() - began, GoOn())

    def _rest(self) -> None:
        self._goal = None
        self._wait()

    def _await_flush(self) -> None:
        if self._flush_at:
            self.after(self._flush_at.seconds(), FlushDue())

    # --- Writing

    def _write_part(self) -> bool:
        """Write one part of what waits; True when the store's position has moved."""
        try:
            self._learn()
            moved = self._write_ticks()
        except PositionMoved as error:
            self.logger.warning("goes on from where the store is: %s", error)
            self._pause()
            return False
        except StoreError as error:
            self._store_failed(error)
            return False
        self._backoff.reset()
        self._alarms.clear("store")
        return moved

    def _learn(self) -> None:
        """Ask the store how far it is, when that is not known."""
        if self._known:
            return
        self._stored = self._store.position(self._journal_id)
        # Before the first row: it may need room that has yet to be made.
        self._maintain()
        self._known = True
        self._tell_stored()

    def _write_ticks(self) -> bool:
        if self._lag() == 0 or self._synced is None:
            return False
        started = self.clock.monotonic()
        carried = self._carrier.carry(self._stored, self._synced, self._part)
        if carried.damage:
            self._damage |= dict.fromkeys(carried.damage)
            self._alarms.show("journal-damage", list(self._damage))
        if carried.upto is None or carried.upto == self._stored:
            return False
        self._stored = carried.upto
        took = self.clock.monotonic() - started
        is_slow = took >= PART_SECONDS and self._part >= LEAST_PART
        self._part = self._part // 2 if is_slow else min(2 * self._part, self._largest_part)
        self._persisted += (persisted := carried.ticks - carried.refused)
        self._refused += carried.refused
        self.logger.info("Persisted %d ticks in %dms", persisted, took * 1000)
        self._tell_stored()
        self._unstored.heed(carried)
        return True

    def _write_bars(self) -> bool:
        """Write one part of the bars that wait; whether it could, and more wait."""
        if not self._bars.anything or not self._known:
            return False
        try:
            self._bars.write(PART_TICKS)
        except StoreError as error:
            self._alarms.raise_alarm("store-bars", f"bars cannot be stored: {error}")
            return False
        self._alarms.clear("store-bars")
        return len(self._bars) > 0

    def _tell_stored(self) -> None:
        if not self.fenced:
            self._backlog.note_stored(None if self._stored is None else self._stored.ticks)
        if self._stored is not None:
            self.tell(self._journal_writer, TicksStored(self._stored))

    def _maintain(self) -> None:
        self._maintain_at = self.clock.monotonic()
        try:
            texts = self._store.maintain(self.clock.time_ns())
        except StoreError as error:
            texts = [str(error)]  # the next look is the next try
        else:
            self._maintain_at += MAINTENANCE_SECONDS
        self._alarms.show("store-maintenance", texts)
        self._unstored.look()

    # --- What is wrong

    def _store_failed(self, error: StoreError) -> None:
        # Among many it shows whether a table refuses some ticks or all of them.
        self._part = self._largest_part if isinstance(error, TableFault) else max(self._part // 4, 1)
        self._pause()
        self._alarms.show("store", [f"ticks cannot be stored: {error}"], LASTING_SECONDS)

    def _pause(self) -> None:
        """Ask the store anew after a while: whether it has committed is unclear."""
        self._known = False
        if self._retry is None:
            self._retry = self.after(self._backoff.next(), Due())

    def _stored_ticks(self) -> int:
        return self._backlog.stored if self._stored is None else self._stored.ticks

    def _lag(self) -> int:
        """How many synced ticks are not known to be stored."""
        if self._synced is None:
            return 0
        if self._known and self._stored is not None:
            return self._synced.since(self._stored)
        return max(0, self._synced.ticks - self._stored_ticks())

    def describe(self) -> dict[str, Any]:
        """Progress and lag for ``/api/status``."""
        return {
            "waiting": self._lag(),
            "persisted": self._persisted,
            "refused": self._refused,
            "position": None if self._stored is None else msgspec.structs.asdict(self._stored),
            "bars_waiting": len(self._bars),
            "bars_dropped": self._bars.dropped,
            "away": self._retry is not None,
        }
