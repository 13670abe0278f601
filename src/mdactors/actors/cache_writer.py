"""The actor that keeps today's ticks hot."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from mdactors.actors.alarms import AlarmBoard
from mdactors.errors import StoreError
from mdactors.market.instruments import InstrumentTable
from mdactors.market.ist import SECOND_NS
from mdactors.market.tick import Tick
from mdactors.messages import NewestKnown, TicksPublished
from mdactors.runtime import Actor, Address, Context, Message, Timer, handles
from mdactors.store.cache import OVERLAP_NS, Cache, CacheAway

MANY_TICKS = 2_000
"""So many are written without waiting for the beat."""
RETRY_SECONDS = 0.5
"""How often a cache that is away is asked for; its circuit breaker lets few of these through."""
SLICE = 500
"""How many ticks are read again at once."""
PAUSE = 1.0
"""After each slice we rest so many times what it took of the processor: live ticks need that more."""
HELD_SECONDS = 2.0
"""How long live ticks are held though the cache is away: the journal shows each much sooner."""
HELD_TICKS = 20_000
"""More than these are not held: they are read from the journal."""


TABLE_SECONDS = 1.0
"""How often we look whether the instruments are known."""


class Beat(Message, frozen=True):
    """What waits has waited long enough."""


class ResumeDue(Message, frozen=True):
    """Time to try whether the cache is back."""


class SliceDue(Message, frozen=True):
    """Time to read the next slice again."""


class TableWanted(Message, frozen=True):
    """Time to look whether the instruments are known."""


class CacheWriter(Actor):
    """Owns the cache's writing side, and the ticks that wait for it.

    Receives `TicksPublished`. At its start, after the cache was away and where its mailbox dropped
    some, it first reads again what the cache lacks, slice by slice, by ``recent`` (from, to, both
    inclusive; nanoseconds of receipt), while live ticks are held and shown as newest values; what the
    cache has never held it reads of the last ``warm_minutes``. Calls ``settled`` when that is done, or
    when the cache is away. Tells the hub, once, the newest ticks of before its start. Its
    mailbox drops the oldest when the cache is slow, so that nothing upstream ever waits for it. Its hooks
    run in its own thread; the cache blocks it no longer than one time-out.
    """

    def __init__(
        self,
        context: Context,
        *,
        cache: Cache,
        recent: Callable[[int, int], Iterable[Sequence[Tick]]],
        hub: Address,
        board: AlarmBoard,
        instruments: Callable[[], InstrumentTable],
        warm_minutes: int,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(context)
        self._cache = cache
        self._recent = recent
        self._hub = hub
        self._instruments = instruments
        self._warm_ns = warm_minutes * 60 * SECOND_NS
        self._settled = settled
        self._alarms = board.of(self)
        self._state: Literal["away", "reading", "live"] = "away"
        self._waiting: list[Tick] = []
        """Live ticks of this beat, in their order; while older ones are read again, to be shown only."""
        self._held = _Held()
        self._slices: Iterator[Sequence[Tick]] = iter(())
        self._round_ns = 0
        """When the reading of these slices began."""
        self._cold_from_ns = 0
        """From when on ticks are wanted in a cache that holds none."""
        self._beat: Timer | None = None
        self._next: Timer | None = None
        """What goes on with reading again, or tries the cache again."""
        self._mailbox_dropped = 0
        self._told_newest = False
        self._counts = {"read_again": 0, "passed_by": 0}

    def on_start(self) -> None:
        """Begin with what the cache lacks; runs in the actor's thread."""
        self._cold_from_ns = self.clock.time_ns() - self._warm_ns
        self._resume()

    # --- Live ticks

    @handles(TicksPublished)
    def take(self, message: TicksPublished) -> None:
        """Let the ticks wait for the beat; hold them while the cache lacks older ones."""
        if self._state != "live":
            self._held.add(self.clock.monotonic(), message.ticks)
        if self._state == "away":
            self._counts["passed_by"] += len(message.ticks)
            self._held.forget_before(self.clock.monotonic() - HELD_SECONDS)
            return
        self._waiting.extend(message.ticks)
        if not self._cache.beat_seconds or len(self._waiting) >= MANY_TICKS:
            self._write()
        elif self._beat is None:
            self._beat = self.after(self._cache.beat_seconds, Beat())

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Write what waits."""
        self._beat = None
        self._write()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting or self._state == "away" or self.fenced:
            return
        try:
            if self._state == "reading":
                self._cache.show(waiting)
            elif self._has_dropped():
                self._held.add(self.clock.monotonic(), waiting)
                self._resume()
            else:
                self._cache.write(waiting)
        except CacheAway as error:
            if self._state == "live":
                self._held.add(self.clock.monotonic(), waiting)
            self._lose(error)

    def _has_dropped(self) -> bool:
        """Whether the mailbox dropped ticks since older ones were read again."""
        return self.address.mailbox.dropped != self._mailbox_dropped

    # --- A cache that is away

    def _lose(self, error: CacheAway) -> None:
        self._state = "away"
        self._waiting.clear()
        self._slices = iter(())
        self._continue(RETRY_SECONDS, ResumeDue())
        self._alarms.raise_alarm("cache", f"today's ticks are not cached: {error}")
        self._settled()

    def _continue(self, seconds: float, message: Message) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self.after(seconds, message)

    @handles(ResumeDue)
    def try_again(self, _message: ResumeDue) -> None:
        """See whether the cache is back."""
        self._resume()

    def _resume(self) -> None:
        try:
            from_ns = self._cache.resume(self._cold_from_ns)
        except CacheAway as error:
            self._lose(error)
            return
        self._alarms.clear("cache")
        self._read_from(from_ns)

    # --- Reading again

    def _read_from(self, from_ns: int) -> None:
        self._state = "reading"
        self._round_ns = self.clock.time_ns()
        self._held.forget_before(self.clock.monotonic() - HELD_SECONDS)
        self._held.overflowed = False
        self._mailbox_dropped = self.address.mailbox.dropped
        self._slices = _sliced(self._recent(from_ns, self._round_ns))
        self._continue(0.0, SliceDue())

    @handles(SliceDue)
    def read_slice(self, _message: SliceDue) -> None:
        """Write one slice of what the cache lacks; after the last one, what was held."""
        if self.fenced:
            return
        began = time.thread_time()
        try:
            ticks = next(self._slices, None)
            if ticks is not None:
                self._cache.write(ticks)
                self._counts["read_again"] += len(ticks)
                self._continue((time.thread_time() - began) * PAUSE, SliceDue())
            elif self._held.overflowed or self._has_dropped():
                self._read_from(self._round_ns - self.clock.span_ns(OVERLAP_NS))
            else:
                self._go_live(None)
        except CacheAway as error:
            self._lose(error)
        except StoreError as error:
            self._give_up_reading(error)

    def _give_up_reading(self, error: StoreError) -> None:
        self.logger.warning("earlier ticks cannot be read, the cache goes on without them: %s", error)
        try:
            self._go_live(self._held.first_ns() or self.clock.time_ns())
        except CacheAway as away:
            self._lose(away)

    def _go_live(self, from_ns: int | None) -> None:
        """Write what was held; with ``from_ns`` the cache lacks what was received before."""
        held = self._held.take()
        self._waiting.clear()
        for ticks in _sliced([held], MANY_TICKS):
            self._cache.write(ticks)
        self._cache.complete(from_ns)
        self._state = "live"
        covered = self._cache.covered_from()
        if covered is not None:
            self._cold_from_ns = min(self._cold_from_ns, covered)
        self._settled()
        self._tell_newest()

    @handles(TableWanted)
    def look_for_table(self, _message: TableWanted) -> None:
        """See whether the instruments are known."""
        self._tell_newest()

    def _tell_newest(self) -> None:
        """Tell the hub what was newest before this start, as soon as we know of which instruments."""
        if self._told_newest:
            return
        instruments = self._instruments().by_token
        if not instruments:
            self.after(TABLE_SECONDS, TableWanted())
            return
        self._told_newest = True
        if newest := self._cache.newest_ticks(instruments):
            self.tell(self._hub, NewestKnown(newest))

    # --- The end

    def on_stop(self) -> None:
        """Write what waits; runs in the actor's thread."""
        self._write()
        self._slices = iter(())

    def on_failure(self, *_exception: object) -> None:
        """A successor finds out what is missing; runs in the actor's thread."""
        self._slices = iter(())

    def describe(self) -> dict[str, Any]:
        """The cache's own counters and ours."""
        return {
            **self._cache.stats(),
            "state": self._state,
            "held": len(self._held),
            **self._counts,
        }


class _Held:
    """The newest live ticks, until older ones are written."""

    def __init__(self) -> None:
        self.overflowed = False
        """Whether some were forgotten because there were too many."""
        self._batches: deque[tuple[float, Sequence[Tick]]] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, at: float, ticks: Sequence[Tick]) -> None:
        """Hold these, too; ``at`` is monotonic."""
        self._batches.append((at, ticks))
        self._count += len(ticks)
        while self._count > HELD_TICKS and len(self._batches) > 1:
            self._forget_oldest()
            self.overflowed = True

    def forget_before(self, at: float) -> None:
        """Let go of what came before."""
        while self._batches and self._batches[0][0] < at:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, ticks = self._batches.popleft()
        self._count -= len(ticks)

    def first_ns(self) -> int:
        """When the oldest of them was received; 0 where there are none."""
        return min((tick.received_ns for tick in self._batches[0][1]), default=0) if self._batches else 0

    def take(self) -> list[Tick]:
        """All of them in their order; none are held any more."""
        ticks = [tick for _, batch in self._batches for tick in batch]
        self._batches.clear()
        self._count = 0
        return ticks


def _sliced(pages: Iterable[Sequence[Tick]], size: int = SLICE) -> Iterator[Sequence[Tick]]:
    for page in pages:
        for begin in range(0, len(page) or 1, size):  # of an empty page nothing, too: time to answer others
            yield page[begin : begin + size]
