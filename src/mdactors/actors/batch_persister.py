"""The actor that writes every tick to the store in batches."""

from __future__ import annotations

from typing import Any

from mdactors.actors.alarms import Alarms
from mdactors.errors import StoreError
from mdactors.market.tick import Tick
from mdactors.messages import TicksPublished
from mdactors.runtime import Actor, Address, Backoff, Context, Message, Timer, handles
from mdactors.store.ticks import TickStore


class Flush(Message, frozen=True):
    """The oldest waiting tick has waited long enough."""


class BatchPersister(Actor):
    """Owns the ticks that wait for the store.

    Receives `TicksPublished` and writes when ``batch_rows`` wait or the oldest has waited
    ``batch_seconds``. A store that is away is a state: the ticks wait, at most ``max_waiting`` of
    them, an alarm says so, and writing is tried again. Tells the hub its alarms. Its hooks run in its own
    thread; `on_stop` writes what waits.
    """

    def __init__(
        self,
        context: Context,
        *,
        store: TickStore,
        hub: Address,
        batch_rows: int = 1000,
        batch_seconds: float = 5.0,
        max_waiting: int = 100_000,
    ) -> None:
        super().__init__(context)
        self._store = store
        self._batch_rows = batch_rows
        self._batch_seconds = batch_seconds
        self._max_waiting = max_waiting
        self._waiting: list[Tick] = []
        self._timer: Timer | None = None
        self._store_away = False
        self._backoff = Backoff()
        self._alarms = Alarms(self.clock, self.logger, lambda alarm: self.tell(hub, alarm))
        self._persisted = 0
        self._dropped = 0

    @handles(TicksPublished)
    def collect(self, message: TicksPublished) -> None:
        """Let the ticks wait for their batch."""
        self._waiting.extend(message.ticks)
        if self._store_away:
            self._bound()
        elif len(self._waiting) >= self._batch_rows:
            self._write()
        elif self._timer is None:
            self._timer = self.after(self._batch_seconds, Flush())

    @handles(Flush)
    def flush(self, _message: Flush) -> None:
        """Write what waits, however little."""
        self._timer = None
        if self._waiting:
            self._write()

    def on_stop(self) -> None:
        """Write what waits; runs in the actor's thread."""
        if self._waiting:
            self._write()

    def on_failure(self, *_exception: object) -> None:
        """Write what waits before a successor starts empty; runs in the actor's thread."""
        self.on_stop()
        self._alarms.clear_all()

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        started = self.clock.monotonic()
        try:
            count = self._store.write(self._waiting)
        except StoreError as error:
            self._store_failed(error)
            return
        self._waiting = []
        self._persisted += count
        self._store_away = False
        self._backoff.reset()
        self._alarms.clear_all()
        self.logger.info("Persisted %d ticks in %dms", count, (self.clock.monotonic() - started) * 1000)

    def _store_failed(self, error: StoreError) -> None:
        self._store_away = True
        self._alarms.raise_alarm("store", f"ticks cannot be stored: {error}")
        self._bound()
        self._timer = self.after(self._backoff.next(), Flush())

    def _bound(self) -> None:
        excess = len(self._waiting) - self._max_waiting
        if excess > 0:
            del self._waiting[:excess]
            self._dropped += excess
            self._alarms.raise_alarm("store-dropped", "ticks that waited for the store were dropped")

    def describe(self) -> dict[str, Any]:
        """Progress and lag for ``/api/status``."""
        return {
            "waiting": len(self._waiting),
            "persisted": self._persisted,
            "dropped": self._dropped,
            "refused": self._store.refused,
            "alarms": self._alarms.active(),
        }
