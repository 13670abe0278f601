"""An actor's right to a mailbox, which ends with the actor or is taken from it."""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING, Any

from pykka import Future
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

if TYPE_CHECKING:
    from mdactors.runtime.actor import Actor
    from mdactors.runtime.clock import Clock
    from mdactors.runtime.mailbox import Mailbox


class Timer:
    """A message to oneself in the future; ``cancel()`` it from any thread."""

    __slots__ = ("_lease", "due", "message", "number")

    def __init__(self, lease: Lease, due: float, number: int, message: Any) -> None:
        self._lease = lease
        self.due = due
        self.number = number
        self.message = message

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.number) < (other.due, other.number)

    def cancel(self) -> None:
        """Make it never fire; too late is harmless."""
        self._lease.cancel(self)


class Lease:
    """What Pykka takes for the actor's inbox: the right of one actor to one mailbox.

    The mailbox belongs to the address and outlives the actor, so to Pykka a lease is always empty:
    an actor that ends drains nothing, its successor handles what waits. Stop requests, pings and
    timers belong to the lease, not to the mailbox: they die with it. All its state but ``current`` and
    the counters is guarded by the mailbox's lock.
    """

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self.mailbox = mailbox
        self.clock = clock
        self.actor: Actor | None = None
        self.stopped = threading.Event()
        """The actor's ``actor_stopped``."""
        self.ready = False
        """True once ``on_start`` is through."""
        self.revoked = False
        self.asleep = False
        self.stop_asked = False
        self.drain = False
        self.pinged_at: float | None = None
        """When the ping that is not answered yet was sent."""
        self.current: Envelope[Any] | None = None
        """What the actor handles now."""
        self.handled = 0
        self.timers: list[Timer] = []
        self._timers_made = 0
        self._stop_replies: list[Future[Any]] = []

    # --- Pykka's side: the protocol of an actor's inbox ---

    def put(self, envelope: Envelope[Any], /) -> None:
        """Take what comes through Pykka's own `ActorRef`."""
        if not isinstance(envelope.message, _ActorStop):
            self.mailbox.put_control(envelope)
            return
        if envelope.reply_to is not None:
            self._stop_replies.append(envelope.reply_to)
        self.ask_stop()

    def get(self) -> Envelope[Any]:
        """Wait for the next message; an entry into here answers a ping."""
        self.current = None
        self.current = envelope = self.mailbox.take(self)
        self.handled += 1
        return envelope

    def empty(self) -> bool:
        """Always true, see the class."""
        return True

    # --- The actor's side ---

    def after(self, delay: float, message: Any) -> Timer:
        """Set a timer."""
        with self.mailbox.lock:
            self._timers_made += 1
            timer = Timer(self, self.clock.monotonic() + delay, self._timers_made, message)
            heapq.heappush(self.timers, timer)
            self.wake()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Remove a timer."""
        with self.mailbox.lock:
            if timer in self.timers:
                self.timers.remove(timer)
                heapq.heapify(self.timers)

    def release(self) -> None:
        """Give the mailbox back: the actor has ended."""
        self.stopped.set()
        self.mailbox.vacate(self)
        for reply in self._stop_replies:
            reply.set(None)

    # --- The supervisor's side ---

    def ask_stop(self, *, drain: bool = False) -> None:
        """Have the actor stop before its next message or, with ``drain``, after the last that waits."""
        with self.mailbox.lock:
            self.stop_asked = True
            self.drain = drain
            self.wake()

    def ping(self, now: float) -> float:
        """Ping, unless a ping is unanswered; return for how many seconds it is."""
        with self.mailbox.lock:
            if self.pinged_at is None:
                self.pinged_at = now
                self.wake()
            return now - self.pinged_at

    def silent(self, now: float) -> float:
        """Seconds since the ping that is not answered yet; 0 if there is none."""
        pinged_at = self.pinged_at
        return 0.0 if pinged_at is None else now - pinged_at

    def wake(self) -> None:
        """Wake the actor in `get`; the caller holds the mailbox's lock."""
        if self.asleep:
            self.mailbox.arrived.notify_all()
