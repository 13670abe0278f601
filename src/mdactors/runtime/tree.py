"""The whole supervision tree, as the process that started it sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from mdactors.runtime.actor import reason_of
from mdactors.runtime.child import DEFAULT_INTENSITY, Child, ChildSpec
from mdactors.runtime.clock import Clock
from mdactors.runtime.lease import Lease
from mdactors.runtime.message import Message

logger = logging.getLogger("mdactors.tree")


class Tree:
    """A running tree of supervised actors; made by `start_tree`, usable from any thread.

    Nothing here but `stop` ever waits for an actor.
    """

    def __init__(self, spec: ChildSpec, clock: Clock, on_give_up: Callable[[str], None]) -> None:
        self._root = Child(spec, DEFAULT_INTENSITY)
        self._clock = clock
        self._on_give_up = on_give_up
        self._stopping = False
        self._root.start(clock, None, self._root_exited)

    def describe(self) -> dict[str, Any]:
        """Every actor of the tree, nested under ``children``.

        Keys: name, actor, restart, state, restarts, uptime (seconds), handled, exits (in a row), last_exit,
        silent (seconds), retry_in (seconds), depth, lanes (control, data), told, dropped, fenced,
        dead_letters (count, newest). State is starting, running, backoff, stopped (for good) or down (not
        started yet, or stopped with its supervisor).
        """
        return self._root.describe(self._clock.monotonic())

    def healthy(self) -> bool:
        """Whether every permanent child lives and answers, or waits for a restart that is not overdue.

        Each call pings the root, so call it on a beat: it notices a root that hangs only then.
        """
        lease = self._root.lease
        if lease is None or lease.stopped.is_set():
            return False
        now = self._clock.monotonic()
        return lease.ping(now) <= self._root.spec.silence_limit and self._root.healthy(now)

    def troubles(self) -> dict[str, str]:
        """Who is in trouble, and what a person should know of it; asks nobody.

        That is whoever has ended three times in a row and has not lived for long since, and whoever does
        not answer. Each call pings the root, as `healthy` does.
        """
        now = self._clock.monotonic()
        if (lease := self._root.lease) is not None:
            lease.ping(now)
        return dict(self._root.troubles(now))

    def ask_all(self, question: Message) -> dict[str, Future[Any]]:
        """Ask every actor of the tree; answers by name, to be awaited with a time-out."""
        return {spec.address.name: spec.address.ask(question) for spec in self._root.spec.walk()}

    def stop(self, timeout: float | None = None) -> bool:
        """Stop all actors, children in reverse order; True when all ended by themselves.

        Waits up to ``timeout`` seconds, by default the sum of all shutdown times; who still lives then
        is fenced. Afterwards what is told to any address of the tree is a dead letter.
        """
        self._stopping = True
        spec = self._root.spec
        ended = self._root.stop(spec.stop_limit if timeout is None else timeout)
        for each in spec.walk():
            each.address.mailbox.close()
        return ended

    def _root_exited(self, _lease: Lease, error: BaseException | None) -> None:
        """Runs in the root's thread, as the last thing it does."""
        self._root.finished = True
        if self._stopping:
            return
        logger.error("the root of the tree has ended: %s", reason_of(error))
        self._on_give_up(reason_of(error))


def start_tree(spec: ChildSpec, clock: Clock, on_give_up: Callable[[str], None]) -> Tree:
    """Start the root of a tree, and with it all below.

    Args:
        spec: the root; usually a `Supervisor`.
        clock: for all waits and limits but the shutdown times, which are real seconds.
        on_give_up: called with the reason, in the root's dying thread, when the root ends unasked;
            its children are stopped by then.
    """
    return Tree(spec, clock, on_give_up)
