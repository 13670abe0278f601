"""An actor that starts, watches, restarts and stops other actors."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from mdactors.runtime.actor import Actor, Context, GaveUpError, handles, reason_of
from mdactors.runtime.child import DEFAULT_INTENSITY, Child, ChildSpec, Intensity
from mdactors.runtime.lease import Lease
from mdactors.runtime.message import Message

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]

LONGEST_BEAT = 1.0
"""Seconds; the longest time between two pings of a child."""


class ChildExited(Message, frozen=True):
    """A child's thread has come to its end."""

    lease: Lease
    error: BaseException | None


class RestartDue(Message, frozen=True):
    """The wait before a child's restart is over."""

    child: Child


class LookAfter(Message, frozen=True):
    """Time to ping the children."""


class UnresponsiveError(Exception):
    """A child did not answer a ping within its limit."""


class Supervisor(Actor):
    """Owns the lives of its children: starts them left to right and stops them right to left.

    Receives its children's exits; tells nobody. A child that ends is restarted by its kind, the others
    by the strategy: none (``one_for_one``), all (``one_for_all``) or those after it (``rest_for_one``).
    When the intensity is exceeded it stops all its children and fails itself, so that its own supervisor
    decides. A restart is always a message to itself: between two attempts it answers. It waits, up to
    their limits, only for children that it stops. Its hooks run in its own thread.
    """

    def __init__(
        self,
        context: Context,
        *,
        children: Sequence[ChildSpec],
        strategy: Strategy = "one_for_one",
        intensity: Intensity = DEFAULT_INTENSITY,
    ) -> None:
        super().__init__(context)
        self.children = tuple(Child(spec, intensity) for spec in children)
        self._strategy = strategy
        self._intensity = intensity
        self._exits: deque[float] = deque()
        limits = (spec.ping_limit for spec in children if spec.ping_limit is not None)
        self._beat = min(LONGEST_BEAT, min(limits, default=LONGEST_BEAT) / 4)

    @classmethod
    def child_specs(cls, arguments: Mapping[str, Any]) -> Sequence[ChildSpec]:
        """The specs among the arguments."""
        specs: Sequence[ChildSpec] = arguments["children"]
        return specs

    def on_start(self) -> None:
        """Start the children; runs in the supervisor's thread."""
        self.after(self._beat, LookAfter())
        self._start(self.children)

    def on_stop(self) -> None:
        """Stop the children; runs in the supervisor's thread."""
        self._stop_all(self.children)

    def on_failure(self, *_exception: object) -> None:
        """Leave no child behind; runs in the supervisor's thread."""
        self._stop_all(self.children)

    def abandon(self, reason: str) -> None:
        """Fence the children of a supervisor that hangs; runs in its own supervisor's thread."""
        for child in reversed(self.children):
            if (lease := child.lease) is not None:
                child.expel(lease, reason)

    def describe(self) -> dict[str, Any]:
        """The children, as the tree shows them."""
        now = self.clock.monotonic()
        return {"strategy": self._strategy, "children": [child.describe(now) for child in self.children]}

    @handles(ChildExited)
    def _child_exited(self, message: ChildExited) -> None:
        for child in self.children:
            if child.lease is message.lease:
                self._ended(child, message.error)

    @handles(RestartDue)
    def _restart_due(self, message: RestartDue) -> None:
        self._start(self._group(message.child))

    @handles(LookAfter)
    def _look_after(self, _message: LookAfter) -> None:
        self.after(self._beat, LookAfter())
        now = self.clock.monotonic()
        for child in self.children:
            if child.lease is not None and child.lease.ping(now) > child.spec.silence_limit:
                child.replace()
                self._ended(
                    child, UnresponsiveError(f"no answer to a ping for {child.spec.silence_limit:g} s")
                )

    def _start(self, children: Iterable[Child]) -> None:
        """Start those that are down, up to the first that cannot be started."""
        for child in children:
            if not child.down:
                continue
            try:
                child.start(self.clock, self._lease, self._report_exit)
            except Exception as error:  # noqa: BLE001 - a bug of the child, which is retried
                child.log_failed_start(error)
                self._ended(child, error)
                return

    def _report_exit(self, lease: Lease, error: BaseException | None) -> None:
        """Runs in the child's thread."""
        self.address.tell(ChildExited(lease, error))

    def _stop_all(self, children: Iterable[Child]) -> None:
        for child in reversed(tuple(children)):
            child.stop(child.spec.stop_limit)

    def _ended(self, child: Child, error: BaseException | None) -> None:
        """Decide what follows from a child's exit."""
        now = self.clock.monotonic()
        child.retire(error, now)
        if not child.wants_restart(error):
            child.finish()
            self.logger.info("%s has ended: %s", child.spec.address.name, reason_of(error))
            return
        self._count_exit(child, error, now)
        delay = child.next_delay()
        group = self._group(child)
        for member in group:
            member.due = now + delay
        self._stop_all(member for member in group if member.lease is not None)
        self.logger.warning(
            "restarting %s %s: %s",
            ", ".join(member.spec.address.name for member in group if member.down),
            f"in {delay:.1f} s" if delay else "at once",
            reason_of(error),
        )
        self.after(delay, RestartDue(child))

    def _group(self, child: Child) -> tuple[Child, ...]:
        """Who is restarted with a child, itself included, in the order of the start."""
        if self._strategy == "one_for_one":
            return (child,)
        if self._strategy == "one_for_all":
            return self.children
        return self.children[self.children.index(child) :]

    def _count_exit(self, child: Child, error: BaseException | None, now: float) -> None:
        """Raise `GaveUpError` when the intensity is exceeded."""
        limit, period = self._intensity.max_restarts, self._intensity.period
        self._exits.append(now)
        while now - self._exits[0] > period:
            self._exits.popleft()
        if len(self._exits) <= limit and child.exits <= limit:
            return
        name, reason = child.spec.address.name, reason_of(error)
        if len(self._exits) > limit:
            text = f"{len(self._exits)} exits within {period:g} s, the last one of {name}: {reason}"
        else:
            text = f"{child.exits} exits of {name} in a row, the last one: {reason}"
        raise GaveUpError(text, min(self._exits[0], child.failing_since))
