"""Ticks that could not be kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from mdactors.market import ist
from mdactors.market.tick import Tick

KEPT_RANGES = 10
"""How many runs are shown once they are over."""
_NS_PER_MS = 1_000_000


class Dropped:
    """Counts ticks that were dropped for one reason: how many, of how many instruments, from when to when."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._count = 0
        self._instruments: set[int] = set()
        self._first_ns: int | None = None
        self._last_ns = 0

    def add(self, ticks: Sequence[Tick]) -> None:
        """Count these, too."""
        self._count += len(ticks)
        for tick in ticks:
            self._instruments.add(tick.instrument.token)
            received = tick.received_ns
            if self._first_ns is None or received < self._first_ns:
                self._first_ns = received
            self._last_ns = max(self._last_ns, received)

    def describe(self) -> dict[str, Any]:
        """The counts; times of receipt as ISO 8601, both ends inclusive."""
        return {
            "count": self._count,
            "instruments": len(self._instruments),
            "from": ist.iso((self._first_ns or 0) // _NS_PER_MS),
            "to": ist.iso(self._last_ns // _NS_PER_MS),
            "reason": self._reason,
        }

    def __str__(self) -> str:
        """One line for the log."""
        return "{count} ticks of {instruments} instruments, received from {from} to {to}: {reason}".format(
            **self.describe()
        )


class Losses:
    """Counts the ticks that were dropped for one kind of reason, run by run; usable from any thread."""

    def __init__(self) -> None:
        self.run: Dropped | None = None
        """The run that goes on."""
        self.count = 0
        """Ticks, of all runs."""
        self._over: deque[Dropped] = deque(maxlen=KEPT_RANGES)
        self._lock = threading.Lock()

    def add(self, ticks: Sequence[Tick], reason: str) -> None:
        """Count these; the first of a run says why."""
        with self._lock:
            if self.run is None:
                self.run = Dropped(reason)
            self.run.add(ticks)
            self.count += len(ticks)

    def end_run(self) -> Dropped | None:
        """The run that goes on is over; it, where there was one."""
        with self._lock:
            run, self.run = self.run, None
            if run is not None:
                self._over.append(run)
            return run

    def describe(self) -> dict[str, Any]:
        """All counts and the newest runs, for ``/api/status``."""
        with self._lock:
            runs = [*self._over, *([] if self.run is None else [self.run])]
            return {"dropped": self.count, "dropped_ranges": [run.describe() for run in runs]}
