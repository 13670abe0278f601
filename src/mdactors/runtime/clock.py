"""Where the time comes from: the system's clock, or a test's hand."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds for waits and limits, wall nanoseconds for what people read."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""

    def wait_until(self, condition: threading.Condition, due: float) -> None:
        """Wait until ``condition``, held by the caller, is notified or `monotonic` reaches ``due``."""


class SystemClock(Clock):
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def time_ns(self) -> int:
        """Nanoseconds of the machine's wall clock."""
        return time.time_ns()

    def wait_until(self, condition: threading.Condition, due: float) -> None:
        """Wait in real time."""
        condition.wait(max(0.0, due - time.monotonic()))


class FakeClock(Clock):
    """A clock that stands still until `advance` moves it; usable from any thread."""

    def __init__(self, start_ns: int = 1_760_000_000_000_000_000) -> None:
        self._start_ns = start_ns
        self._now = 0.0
        self._lock = threading.Lock()
        self._waiting: list[threading.Condition] = []

    def monotonic(self) -> float:
        """Seconds by which the clock was advanced."""
        return self._now

    def time_ns(self) -> int:
        """The start plus what was advanced."""
        return self._start_ns + round(self._now * 1e9)

    def advance(self, seconds: float) -> None:
        """Move the time and wake everybody who waits for it; what is due then happens in its own thread.

        A timer that is set anew when it fires fires once, however far the jump.
        """
        with self._lock:
            self._now += seconds
            waiting = self._waiting.copy()
        for condition in waiting:
            with condition:
                condition.notify_all()

    def wait_until(self, condition: threading.Condition, due: float) -> None:
        """Wait for `advance` or a notification, not for real time."""
        with self._lock:
            if self._now >= due:
                return
            self._waiting.append(condition)
        try:
            condition.wait()
        finally:
            with self._lock:
                self._waiting.remove(condition)
