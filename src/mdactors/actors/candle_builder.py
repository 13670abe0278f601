"""The actor that makes bars of ticks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from mdactors.errors import StoreError
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, Interval, Preferred
from mdactors.market.candles import Candles
from mdactors.market.ist import SECOND_NS
from mdactors.market.tick import Tick
from mdactors.messages import BarsPublished, TicksPublished
from mdactors.runtime import Actor, Address, Context, Message, handles

BEAT_SECONDS = 0.25
RECOVERED_NS = 150 * SECOND_NS
"""How much of the past a fresh builder reads: the minute that is open, that before, and some baselines; of
real time where the clock goes faster, since late trades are waited for in that."""
LOOKS_BACK = 5
"""So many times as long the daemon may have been away for it to find the minute that was open."""
OVERLAP_NS = 10 * SECOND_NS
"""Ticks that came so shortly after the last recovered one may be among the recovered."""


MOST_HELD = 200_000
"""How many live ticks are held while the past is read; more, and the rest of it is given up."""


class ReadDue(Message, frozen=True):
    """Time to read the next page of the past."""


class Beat(Message, frozen=True):
    """Time to publish the bars that are over."""


class CandleBuilder(Actor):
    """Owns the bars that still take trades.

    Receives `TicksPublished`; tells each sink `BarsPublished` on a beat: the bars whose grace is over, those
    of the broker, and the corrections of published ones. A fresh one reads what was received shortly before,
    so that the open bars and the baselines of the volumes come back; what came twice counts once. A stopped
    one publishes what is over and nothing half-finished. It reads page by page between other messages and
    holds live ticks meanwhile. Its hooks run in its own thread.

    Args:
        context: from the supervisor.
        calendar: whose sessions clip the bars.
        sinks: who is told the bars.
        recent: ``recent(from_ns, to_ns)``: the ticks that were received in between, in batches, oldest
            first; may raise StoreError.
        intervals: which of ``1s`` and ``1m`` to publish.
        grace_seconds: how long a bar waits for late trades after its end.
        prefer: whose minutes count where a broker tells its own.
    """

    def __init__(
        self,
        context: Context,
        *,
        calendar: Calendar,
        sinks: Sequence[Address],
        recent: Callable[[int, int], Iterable[Sequence[Tick]]],
        intervals: Collection[Interval],
        grace_seconds: float,
        prefer: Preferred = "broker",
    ) -> None:
        super().__init__(context)
        self._sinks = sinks
        self._recent = recent
        self._candles = Candles(calendar, intervals, grace_seconds, self.clock.speed, prefer)
        self._recovered: dict[tuple[int, str], tuple[int, int]] = {}
        """(instrument token, source) -> epoch and number of the last recovered tick."""
        self._recovered_ns = 0
        self._past = self._read_past()
        self._held: list[Tick] = []
        """What came while the past was read."""
        self._is_live = False
        self._counts = dict.fromkeys(("recovered", "published", "corrections"), 0)

    def on_start(self) -> None:
        """Begin to read what was received shortly before; runs in the actor's thread."""
        self.after(0.0, ReadDue())

    @handles(ReadDue)
    def read_on(self, _message: ReadDue) -> None:
        """Take one page of the past; after the last one, what came meanwhile."""
        began = self.clock.monotonic()
        try:
            ticks = next(self._past, None)
        except StoreError as error:
            self.logger.warning("bars begin with what comes from now on: %s", error)
            ticks = None
        if ticks is None or len(self._held) > MOST_HELD:
            self._go_live()
            return
        self._take_past(ticks)
        # Live ticks need the processor as well.
        self.after(self.clock.monotonic() - began, ReadDue())

    def _read_past(self) -> Iterator[Sequence[Tick]]:
        now = self.clock.time_ns()
        step = max(RECOVERED_NS, self.clock.span_ns(RECOVERED_NS))
        since = now - step
        for _ in range(LOOKS_BACK):
            if any(self._recent(since, now)):
                break
            since -= step
        else:
            return
        # Where the daemon was away, its last minute may have begun before what was found.
        if since < now - step:
            since -= step
        yield from self._recent(since, self.clock.time_ns())

    def _take_past(self, ticks: Sequence[Tick]) -> None:
        self._candles.add(ticks, self._now())
        for tick in ticks:
            self._recovered[tick.instrument.token, tick.source] = tick.epoch, tick.seq
            self._recovered_ns = max(self._recovered_ns, tick.received_ns)
        self._counts["recovered"] += len(ticks)

    def _go_live(self) -> None:
        self._is_live = True
        if self._held:
            self._candles.add(self._unseen(self._held), self._now())
            self._held = []
        self._publish(self._candles.resume(self._now()))
        self.after(BEAT_SECONDS, Beat())

    @handles(TicksPublished)
    def build(self, message: TicksPublished) -> None:
        """Take one frame's ticks, or hold them while the past is still read."""
        ticks = message.ticks
        if not self._is_live:
            self._held += ticks
            return
        if self._recovered:
            ticks = self._unseen(ticks)
        self._candles.add(ticks, self._now())

    def _unseen(self, ticks: Sequence[Tick]) -> Sequence[Tick]:
        """What was not recovered already; nothing was that came a while later."""
        if ticks[-1].received_ns > self._recovered_ns + self.clock.span_ns(OVERLAP_NS):
            self._recovered.clear()
            return ticks
        seen, never = self._recovered, (0, 0)
        return [
            tick
            for tick in ticks
            if (tick.epoch, tick.seq) > seen.get((tick.instrument.token, tick.source), never)
        ]

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Publish what is over."""
        self.after(BEAT_SECONDS, Beat())
        self._publish(self._candles.closed(self._now()))

    def on_stop(self) -> None:
        """Publish what is over: what is open comes back from the journal. Runs in the actor's thread."""
        if not self._is_live:
            self._go_live()
        self._publish(self._candles.closed(self._now()))

    def _now(self) -> float:
        return self.clock.monotonic() * 1000 * self.clock.speed

    def _publish(self, bars: Sequence[Bar]) -> None:
        confirmed = self._candles.confirmed()
        if not bars and not confirmed:
            return
        self._counts["published"] += len(bars)
        self._counts["corrections"] += sum(bar.correction for bar in bars)
        published = BarsPublished(bars, confirmed)
        for sink in self._sinks:
            self.tell(sink, published)

    def describe(self) -> dict[str, Any]:
        """Instruments, open bars and counters for ``/api/status``."""
        return self._candles.describe() | self._counts
