"""The actor that makes bars of ticks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.recovery import Past, Recovery, steady_ms
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, Interval, Preferred
from mdactors.market.candles import Candles
from mdactors.market.interval import NS_PER_MS, WIDTHS_MS
from mdactors.market.position import BarPosition
from mdactors.market.tick import Tick
from mdactors.messages import BarsPublished, BarsWait, TicksPublished
from mdactors.runtime import Actor, Address, Context, Message, handles
from mdactors.store.recent import SKEW_NS

BEAT_SECONDS = 0.25
LONGEST_SECONDS = 60.0
"""How long the past may take to read, since live bars wait for it; after each attempt that took longer
it is twice as long, up to the sixth."""
MOST_ATTEMPTS = 5
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 60.0, 3600.0
"""When it is read again after that failed: each time twice as long, at most so long."""
TELL_SECONDS = 60.0
"""How often the store is told how far bars are made though none was."""
MOST_HELD = 50_000
"""How many live ticks are held while the past is read: those before are read as well."""
WAIT_SECONDS = 0.25


class ReadDue(Message, frozen=True):
    """Time to read the next page of the past."""


class BeginDue(Message, frozen=True):
    """Time to make all bars since the last complete ones again."""


class Beat(Message, frozen=True):
    """Time to publish the bars that are over."""


class CandleBuilder(Actor):
    """Owns the bars that still take trades.

    Receives `TicksPublished`; tells the hub `BarsPublished` on a beat: the bars whose grace is over, those
    of the broker, and the corrections of published ones. The same it adds to the bars that wait for the
    store, with the position up to which all are made, and tells the persister `BarsWait`.

    A fresh one goes on from that position, be it of a minute ago or of last week: it takes the ticks from
    before it without a word, so that open bars and the baselines of the volumes come back, and publishes what
    those behind it make, as if nothing had been. What came twice counts once. It reads page by page between
    other messages and holds live ticks meanwhile. Where the past cannot be read, or takes too long, it goes
    on with what it has, raises ``bars-incomplete``, and begins at the position again after a while. A stopped
    one publishes what is over: what is open comes back. Its hooks run in its own thread.

    Args:
        context: from the supervisor.
        calendar: whose sessions clip the bars.
        hub: who is told the bars.
        persister: who is told that bars wait for the store.
        bars: those that wait for it; None where nothing is stored.
        recent: what was received before.
        board: where alarms are raised.
        intervals: which of ``1s`` and ``1m`` to publish.
        grace_seconds: how long a bar waits for late trades after its end.
        prefer: whose minutes count where a broker tells its own.
    """

    def __init__(
        self,
        context: Context,
        *,
        calendar: Calendar,
        hub: Address,
        persister: Address,
        bars: WaitingBars | None,
        recent: Past,
        board: AlarmBoard,
        intervals: Collection[Interval],
        grace_seconds: float,
        prefer: Preferred = "broker",
    ) -> None:
        super().__init__(context)
        self._calendar = calendar
        self._intervals = intervals
        self._grace_seconds = grace_seconds
        self._prefer = prefer
        self._hub = hub
        self._persister = persister
        self._bars = bars
        self._recent = recent
        self._alarms = board.of(self)
        self._held: list[Tick] = []
        """What came while the past is read."""
        self._is_live = False
        self._is_complete = True
        """Whether all bars since the position are made."""
        self._retry_seconds = RETRY_SECONDS
        self._retried_at = float("-inf")
        self._too_long = 0
        """So many attempts to read the past took too long."""
        self._is_retried = False
        self._heard = 0
        """Clients know the bars that end by then, epoch milliseconds."""
        self._mailbox_dropped = 0
        self._reached: Sequence[float] = ()
        """The limits by which bars were handed out last."""
        self._told_ns, self._tell_at = 0, 0.0
        self._read_until = 0.0
        self._past: Iterator[Sequence[Tick]] = iter(())
        self._counts = dict.fromkeys(("recovered", "published", "corrections"), 0)
        self._start_anew()

    def _start_anew(self) -> None:
        self._candles = Candles(
            self._calendar, self._intervals, self._grace_seconds, self.clock.speed, self._prefer
        )
        self._recovery = Recovery(self._candles, self._recent, self.clock)

    # --- The past

    def on_start(self) -> None:
        """Begin to read the past; runs in the actor's thread."""
        self._begin()
        self.after(BEAT_SECONDS, Beat())

    @handles(BeginDue)
    def begin_again(self, _message: BeginDue) -> None:
        """Make the bars since the position again, those included that were published meanwhile."""
        self._is_retried = False
        if self._is_live:
            self._heard = max(self._heard, *self._reach())
            self._begin()

    def _begin(self) -> None:
        self._start_anew()
        self._is_live, self._is_complete = False, True
        self._mailbox_dropped = self.address.mailbox.dropped
        self._past = iter(()) if self._bars is None else self._recovery.whole(self._bars)
        self._read_until = self.clock.monotonic() + self._longest
        self.after(0.0, ReadDue())

    @handles(ReadDue)
    def read_on(self, _message: ReadDue) -> None:
        """Take one page of the past; after the last one, what came meanwhile."""
        if self._is_live:
            return
        began = self.clock.monotonic()
        if began > self._read_until:
            reason = f"it takes longer than {self._longest:g} s"
            self._too_long = min(self._too_long + 1, MOST_ATTEMPTS)
            self._fail_to_read(reason)
            return
        if not self._recovery.is_silent and self._bars is not None and self._bars.many:
            self.after(WAIT_SECONDS, ReadDue())
            return
        try:
            ticks = next(self._past, None)
        except StoreError as error:
            self._fail_to_read(str(error))
            return
        if ticks is None:
            self._go_live()
            return
        now = self._recovery.take(ticks)
        if now is not None:
            self._hand_out(now)
        self._counts["recovered"] += len(ticks)
        # Live ticks need the processor as well.
        self.after(self.clock.monotonic() - began, ReadDue())

    @property
    def _longest(self) -> float:
        return LONGEST_SECONDS * (1 << self._too_long)

    def _fail_to_read(self, reason: str) -> None:
        if not self._is_complete:  # not even a part
            self._go_live()
            return
        self._lack(f"what came before cannot be read again: {reason}")
        self._start_anew()
        self._past = self._recovery.part()
        self._read_until = self.clock.monotonic() + LONGEST_SECONDS / 2
        self.after(0.0, ReadDue())

    def _lack(self, reason: str) -> None:
        """Go on without the bars that are missing now, and make them later."""
        self._is_complete = False
        self._retry()
        since = ist.iso((self._recovery.from_ns or self.clock.time_ns()) // NS_PER_MS)
        self._alarms.show("bars-incomplete", [
            f"bars since {since} are not all made: {reason}; next attempt in {self._retry_seconds:g} s, "
            f"or: mdactors candles rebuild --from {since[:10]}"
        ])  # fmt: skip

    def _retry(self) -> None:
        if self._is_retried:
            return
        self._is_retried = True
        now = self.clock.monotonic()
        is_new = now - self._retried_at > 2 * LONGEST_RETRY_SECONDS
        self._retry_seconds = RETRY_SECONDS if is_new else min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
        self._retried_at = now
        self.after(self._retry_seconds, BeginDue())

    def _go_live(self) -> None:
        if self._recovery.is_silent:
            self._recovery.break_silence()
        self._is_live = True
        held, self._held = self._held, []
        if held:
            self._add(held)
        if self._is_complete:
            self._too_long = 0
            self._alarms.clear("bars-incomplete")
        self._hand_out(self._now())

    # --- Live ticks

    @handles(TicksPublished)
    def build(self, message: TicksPublished) -> None:
        """Take one frame's ticks, or hold them while the past is still read."""
        dropped = self.address.mailbox.dropped != self._mailbox_dropped
        self._mailbox_dropped = self.address.mailbox.dropped
        if self._is_live:
            if dropped and self._bars is not None:
                self._lack("ticks were dropped from a full mailbox")
            self._add(message.ticks)
            return
        self._held += message.ticks
        if self._bars is not None and (dropped or len(self._held) > MOST_HELD):
            # They are read again; the newest may not be in the journal yet.
            self._recovery.read_more()
            del self._held[: -MOST_HELD // 2]

    def _add(self, ticks: Sequence[Tick]) -> None:
        unseen = self._recovery.unseen(ticks)
        if unseen:
            self._candles.add(unseen, self._now())
            self._recovery.newest_ns = unseen[-1].received_ns

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Publish what is over."""
        self.after(BEAT_SECONDS, Beat())
        if self._is_live:
            self._hand_out(self._now())
            if self._bars is not None and self._bars.lacks:
                self._retry()

    def on_stop(self) -> None:
        """Publish what is over: what is open comes back from the journal. Runs in the actor's thread."""
        if self._is_live:
            self._hand_out(self._now())

    # --- What both make

    def _hand_out(self, now: float) -> None:
        self._reached = self._candles.limits(now)
        self._publish(self._candles.closed(now))

    def _publish(self, bars: Sequence[Bar]) -> None:
        confirmed = self._candles.confirmed()
        if self.fenced:
            return
        if bars:
            heard = max((self._heard, *(self._recovery.limits or ())))
            bars = [self._as_heard(bar, heard) for bar in bars] if heard else bars
            self._counts["published"] += len(bars)
            self._counts["corrections"] += sum(bar.correction for bar in bars)
            self.tell(self._hub, BarsPublished(bars))
        if self._bars is not None and (bars or confirmed or self._has_come_far()):
            self._bars.add([*bars, *confirmed], self._position())
            self._told_ns = self._recovery.newest_ns
            self._tell_at = self.clock.monotonic() + TELL_SECONDS
            self.tell(self._persister, BarsWait())

    def _as_heard(self, bar: Bar, until: float) -> Bar:
        """A bar of which clients may have heard, as they may all that ended by then."""
        if bar.correction or bar.start + WIDTHS_MS[bar.interval] > until:
            return bar
        return msgspec.structs.replace(bar, correction=True)

    def _has_come_far(self) -> bool:
        return self._recovery.newest_ns != self._told_ns and self.clock.monotonic() >= self._tell_at

    def _position(self) -> BarPosition | None:
        """How far all bars are made; None where that is not known."""
        if not self._is_complete or not self._recovery.newest_ns:
            return None
        received_ns = self._recovery.newest_ns - self.clock.span_ns(SKEW_NS)
        return BarPosition(received_ns // NS_PER_MS, *self._reach())

    def _reach(self) -> list[int]:
        return [int(limit) if limit > 0 else 0 for limit in self._reached]

    def _now(self) -> float:
        return steady_ms(self.clock)

    def describe(self) -> dict[str, Any]:
        """Instruments, open bars, counters, and whether the past is still read, for ``/api/status``."""
        return self._candles.describe() | self._counts | {"reading": not self._is_live}
