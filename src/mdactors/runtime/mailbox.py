"""What waits for an actor: two lanes that belong to an address and outlive its actors."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from typing import Any, Literal

import msgspec
import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from mdactors.runtime.clock import Clock
from mdactors.runtime.dead_letters import DeadLetters
from mdactors.runtime.lease import Lease
from mdactors.runtime.message import DataMessage, Message


class MailboxPolicy(msgspec.Struct, frozen=True):
    """What happens to data when ``capacity`` messages wait.

    ``wait``: the teller waits; ``drop_oldest``: the oldest is dropped and counted; ``keep``: nothing,
    the lane grows and the alarm is the actor's job.
    """

    capacity: int = 10_000
    when_full: Literal["wait", "drop_oldest", "keep"] = "drop_oldest"


DEFAULT_POLICY = MailboxPolicy()


class Nothing(Message, frozen=True):
    """What an actor without a lease gets, so that its loop turns and ends."""


class FencedError(Exception):
    """A replaced actor tried to act for its address."""


STOPPED_FOR_GOOD = "told to an address that was stopped for good"


class Mailbox:
    """A control lane that goes first, a data lane with a policy, and the lease of who lives here.

    While nobody does, messages wait. Usable from any thread; ``lock`` guards everything in it.
    """

    def __init__(self, policy: MailboxPolicy) -> None:
        self.policy = policy
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.control: deque[Envelope[Any]] = deque()
        self.data: deque[Envelope[Any]] = deque()
        self.dead_letters = DeadLetters()
        self.told = 0
        self.dropped = 0
        self.fenced = 0
        """Words of replaced actors that were not passed on."""
        self._space = threading.Condition(self.lock)
        self._waiting = 0
        self._capacity = policy.capacity if policy.when_full != "keep" else float("inf")
        self._drops = policy.when_full == "drop_oldest"
        self._lease: Lease | None = None
        self._closed = False

    # --- Tellers ---

    def put_data(self, message: DataMessage, unless: threading.Event | None) -> None:
        """Take data by the policy."""
        with self.lock:
            if len(self.data) >= self._capacity and not self._make_room(unless):
                self.dropped += 1
                return
            if self._closed:
                self.dead_letters.add(message, STOPPED_FOR_GOOD)
                return
            self.told += 1
            self.data.append(Envelope(message))
            if (lease := self._lease) is not None and lease.asleep:
                self.arrived.notify_all()

    def put_control(self, envelope: Envelope[Any]) -> None:
        """Take control or a question; never drops, never waits."""
        with self.lock:
            if not self._closed:
                self.told += 1
                self.control.append(envelope)
                if self._lease is not None:
                    self._lease.wake()
                return
        self._bury(envelope, STOPPED_FOR_GOOD)

    def _make_room(self, unless: threading.Event | None) -> bool:
        """The data lane is full: drop the oldest or wait; False when the teller gives up."""
        if self._drops:
            self.data.popleft()
            self.dropped += 1
            return True
        self._waiting += 1
        try:
            while len(self.data) >= self._capacity and not self._closed:
                if unless is not None and unless.is_set():
                    # The wake-up may have been meant for the next in line.
                    self._space.notify()
                    return False
                self._space.wait()
        finally:
            self._waiting -= 1
        return True

    def interrupt_waiters(self) -> None:
        """Have those who wait for room look at their ``unless`` again."""
        with self.lock:
            self._space.notify_all()

    # --- The actor that lives here ---

    def take(self, lease: Lease) -> Envelope[Any]:
        """Wait for what comes next: stop, control, a timer that is due, data."""
        with self.lock:
            while self._lease is lease:
                lease.pinged_at = None
                if lease.stop_asked and not (lease.drain and (self.control or self.data)):
                    return Envelope(_ActorStop())
                if self.control:
                    return self.control.popleft()
                if lease.timers and lease.timers[0].due <= lease.clock.monotonic():
                    return Envelope(heapq.heappop(lease.timers).message)
                if self.data:
                    if self._waiting:
                        self._space.notify()
                    return self.data.popleft()
                self._sleep(lease)
            return Envelope(Nothing())

    def _sleep(self, lease: Lease) -> None:
        lease.asleep = True
        if lease.timers:
            lease.clock.wait_until(self.arrived, lease.timers[0].due)
        else:
            self.arrived.wait()
        lease.asleep = False

    # --- Who lives here ---

    def lease(self, clock: Clock, owner: Lease | None) -> Lease:
        """Let a new actor in, in the name of the supervisor that holds ``owner``; fences the one before.

        Raises:
            FencedError: the supervisor itself was replaced.
        """
        new = Lease(self, clock)
        with self.lock:
            # The check is inside: a successor of the supervisor comes after it, and wins.
            if owner is not None and owner.revoked:
                raise FencedError("a replaced supervisor cannot start children")
            before, self._lease, self._closed = self._lease, new, False
            if before is not None:
                self._expel(before)
        return new

    def evict(self, lease: Lease, reason: str) -> None:
        """Fence the actor that holds ``lease``; what it handles is a dead letter."""
        with self.lock:
            if lease.revoked:
                return
            self._expel(lease)
            if self._lease is lease:
                self._lease = None
            current = lease.current
        if current is not None and isinstance(current.message, Message):
            self._bury(current, reason)

    def _expel(self, lease: Lease) -> None:
        lease.revoked = True
        lease.stopped.set()
        lease.wake()

    def vacate(self, lease: Lease) -> None:
        """The actor that held ``lease`` has ended."""
        with self.lock:
            if self._lease is lease:
                self._lease = None

    def stop_tenant(self, *, drain: bool) -> None:
        """Stop who lives here now, if anybody does."""
        if (lease := self._lease) is not None:
            lease.ask_stop(drain=drain)

    def close(self) -> None:
        """Stopped for good: what waits and what comes are dead letters, until a new lease is given."""
        with self.lock:
            self._closed = True
            waiting = [*self.control, *self.data]
            self.control.clear()
            self.data.clear()
            self._space.notify_all()
        for envelope in waiting:
            self._bury(envelope, STOPPED_FOR_GOOD)

    def _bury(self, envelope: Envelope[Any], reason: str) -> None:
        """Outside the lock: who hears that a question is dead may tell again."""
        self.dead_letters.add(envelope.message, reason)
        if envelope.reply_to is not None:
            error = pykka.ActorDeadError(reason)
            envelope.reply_to.set_exception((pykka.ActorDeadError, error, None))
