"""A supervisor's child: what it shall be, and what has become of it."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec
import pykka

from mdactors.runtime.actor import Actor, Context, GaveUpError, reason_of
from mdactors.runtime.address import Address
from mdactors.runtime.backoff import Backoff
from mdactors.runtime.clock import Clock
from mdactors.runtime.lease import Lease

GRACE = 5.0
"""Seconds by which a supervisor may be late with a restart or a replacement before the tree is unhealthy."""
TROUBLED_FROM = 3
"""From so many exits in a row on a child is in trouble."""
SILENT_SECONDS = 10.0
"""A child that does not answer a ping for so long is in trouble, whenever it is replaced."""


class Intensity(msgspec.Struct, frozen=True):
    """How often a supervisor restarts its children, and how long it waits before it does.

    More than ``max_restarts`` exits within ``period`` seconds, or of one child in a row, and it gives up.
    A child's first restart is at once, the next after ``first`` seconds, then ``factor`` times more each,
    up to ``limit``, each shortened by up to the share ``jitter``; ``healthy_after`` seconds of life and it
    begins again.
    """

    max_restarts: int = 10
    period: float = 300.0
    first: float = 1.0
    factor: float = 2.0
    limit: float = 60.0
    jitter: float = 0.1
    healthy_after: float = 60.0

    @property
    def row_ends_after(self) -> float:
        """A life of so many seconds ends a row of exits."""
        return max(self.period, self.healthy_after)


DEFAULT_INTENSITY = Intensity()


class ChildSpec(msgspec.Struct, frozen=True):
    """What a supervisor needs to know to start, restart, stop and look after a child."""

    address: Address
    actor: type[Actor]
    arguments: Mapping[str, Any] = {}
    """Keyword arguments of the actor, the same for each successor."""
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    """Restarted always; only after a bug or a hang; never."""
    shutdown: float = 5.0
    """Seconds to stop in; a supervisor gets the sum of its children's, and one more."""
    ping_limit: float | None = 10.0
    """Seconds to answer a ping in, ``on_start`` included; None: never pinged."""
    drain: bool = False
    """Stop only after what waits in the mailbox is handled."""

    @property
    def children(self) -> tuple[ChildSpec, ...]:
        """The specs of a supervisor's own children."""
        return tuple(self.actor.child_specs(self.arguments))

    @property
    def stop_limit(self) -> float:
        """Seconds after which a child that was asked to stop is fenced."""
        return sum((spec.stop_limit for spec in self.children), 1.0) if self.children else self.shutdown

    @property
    def silence_limit(self) -> float:
        """Seconds after which a ping that is not answered means that the child hangs."""
        if self.ping_limit is None:
            return float("inf")
        # A supervisor that stops its children answers no ping meanwhile.
        return self.ping_limit + (self.stop_limit if self.children else 0.0)

    def walk(self) -> Iterator[ChildSpec]:
        """This spec and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class Child:
    """One child of a supervisor over all its lives.

    Changed only in the supervisor's thread, read from any: status and health ask nobody and never wait.
    """

    def __init__(self, spec: ChildSpec, intensity: Intensity) -> None:
        self.spec = spec
        self.lease: Lease | None = None
        self.finished = False
        """Stopped for good: nobody will restart it."""
        self.restarts = 0
        self.exits = 0
        """How often in a row it has ended: no life in between was long."""
        self.failing_since = 0.0
        """When it ended for the first time in this row."""
        self.due: float | None = None
        """When it is to be restarted, while it is down."""
        self._last_exit = ""
        self._started = 0.0
        self._lives = 0
        self._failed_before = False
        self._intensity = intensity
        self._backoff = Backoff(intensity.first, intensity.factor, intensity.limit, intensity.jitter)
        self._logger = logging.getLogger(f"mdactors.{spec.address.name}")

    # --- Its life, in the supervisor's thread ---

    def start(
        self, clock: Clock, owner: Lease | None, on_exit: Callable[[Lease, BaseException | None], None]
    ) -> None:
        """Start an actor on a new lease; raises what its ``__init__`` raises."""
        self._started = clock.monotonic()
        lease = self.spec.address.mailbox.lease(clock, owner)
        try:
            self.spec.actor.start(Context(self.spec.address, lease, on_exit), **self.spec.arguments)
        except BaseException:
            if lease.actor is not None:
                pykka.ActorRegistry.unregister(lease.actor.actor_ref)
            lease.release()
            raise
        self.lease, self.due, self.finished = lease, None, False
        self.restarts += 1 if self._lives else 0
        self._lives += 1

    def log_failed_start(self, error: Exception) -> None:
        """Log why its ``__init__`` failed; other bugs are logged by the actor itself."""
        self._logger.error("cannot be made: %s", reason_of(error), exc_info=error)

    def stop(self, limit: float) -> bool:
        """Have it stop within ``limit`` real seconds, else fence it; True when it stopped by itself."""
        lease, self.lease = self.lease, None
        if lease is None or lease.actor is None or lease.actor.thread is threading.current_thread():
            return True
        lease.ask_stop(drain=self.spec.drain)
        lease.actor.thread.join(limit)
        if not lease.actor.thread.is_alive():
            return True
        self._fence(lease, f"did not stop within {limit:g} s")
        return False

    def replace(self) -> None:
        """Fence it, because it hangs."""
        lease, self.lease = self.lease, None
        if lease is not None:
            self._fence(lease, f"did not answer a ping for {self.spec.silence_limit:g} s")

    def _fence(self, lease: Lease, reason: str) -> None:
        actor = lease.actor
        stack = "" if actor is None else _stack_of(actor.thread)
        self._logger.error("%s; it is fenced, its stack was:\n%s", reason, stack)
        self.expel(lease, reason)

    def expel(self, lease: Lease, reason: str) -> None:
        """Take the lease away, and those of the actor's own children."""
        self.spec.address.mailbox.evict(lease, reason)
        if lease.actor is not None:
            pykka.ActorRegistry.unregister(lease.actor.actor_ref)
            lease.actor.abandon(reason)

    def retire(self, error: BaseException | None, now: float) -> None:
        """Its life has ended with ``error``."""
        self.lease = None
        self._last_exit = reason_of(error)
        # However long a supervisor took to give up: it was well only until its children began to fail.
        failed = error.since if isinstance(error, GaveUpError) else now
        well = failed - self._started
        if well >= self._intensity.healthy_after:
            self._failed_before = False
            self._backoff.reset()
        if self.exits == 0 or well >= self._intensity.row_ends_after:
            self.exits, self.failing_since = 0, failed
        self.exits += 1

    def wants_restart(self, error: BaseException | None) -> bool:
        """Whether its kind is restarted after such an exit."""
        kind = self.spec.restart
        return kind == "permanent" or (kind == "transient" and error is not None)

    def next_delay(self) -> float:
        """Seconds to wait before the restart that is decided now."""
        if self._failed_before:
            return self._backoff.next()
        self._failed_before = True
        return 0.0

    def finish(self) -> None:
        """It is stopped for good, and so is its address."""
        self.finished = True
        self.spec.address.mailbox.close()

    # --- What it looks like, from any thread ---

    @property
    def down(self) -> bool:
        """It has no actor and is to get one."""
        return self.lease is None and not self.finished

    def healthy(self, now: float) -> bool:
        """Whether it lives and answers, or waits for a restart that is not overdue; so its children."""
        if self.spec.restart == "temporary":
            return True
        lease = self.lease
        if self.finished:
            return self.spec.restart == "transient"
        if lease is None:
            return self.due is not None and now <= self.due + GRACE
        if lease.silent(now) > self.spec.silence_limit + GRACE:
            return False
        return all(child.healthy(now) for child in self._below(lease))

    def troubles(self, now: float) -> Iterator[tuple[str, str]]:
        """The name of each, it and those below, that is in trouble, and what a person should know of it."""
        lease = self.lease
        if text := self._trouble(lease, now):
            yield self.spec.address.name, text
        for child in self._below(lease):
            yield from child.troubles(now)

    def _trouble(self, lease: Lease | None, now: float) -> str:
        settles = lease is None or now - self._started < self._intensity.healthy_after
        if self.exits >= TROUBLED_FROM and settles and not self.finished:
            return f"ends again and again, the last time by {self._last_exit}"
        if lease is not None and not self.finished and lease.silent(now) >= SILENT_SECONDS:
            return "does not answer"
        return ""

    def describe(self, now: float) -> dict[str, Any]:
        """Its state, mailbox and children for status."""
        lease = self.lease
        description = {
            "name": self.spec.address.name,
            "actor": self.spec.actor.__name__,
            "restart": self.spec.restart,
            "state": self._state(lease),
            "restarts": self.restarts,
            "uptime": 0.0 if lease is None or self.finished else now - self._started,
            "handled": 0 if lease is None else lease.handled,
            "exits": self.exits,
            "last_exit": self._last_exit,
            "silent": 0.0 if lease is None else lease.silent(now),
            "retry_in": 0.0 if lease is not None or self.due is None else max(0.0, self.due - now),
            **self.spec.address.stats(),
        }
        if self.spec.children:
            description["children"] = [child.describe(now) for child in self._below(lease)]
        return description

    def _state(self, lease: Lease | None) -> str:
        if self.finished:
            return "stopped"
        if lease is None:
            return "down" if self.due is None else "backoff"
        return "running" if lease.ready else "starting"

    def _below(self, lease: Lease | None) -> tuple[Child, ...]:
        return () if lease is None or lease.actor is None else lease.actor.children


def _stack_of(thread: threading.Thread) -> str:
    """Where a thread is now: files, lines and functions, no values."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)) if frame else "(no stack)"
