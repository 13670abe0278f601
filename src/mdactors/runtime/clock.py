"""Where the time comes from: the machine's clock, one that was set, or a test's hand."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

import msgspec


class Timeline(msgspec.Struct, frozen=True):
    """Another date and time of day than the machine's: the same in every process of this machine."""

    start_ns: int
    """What it showed when it began, in nanoseconds since 1970."""
    began: float
    """When that was, in seconds of the machine's monotonic clock."""
    speed: float = 1.0
    """Its seconds in a real second."""
    held_by: str = ""
    """A file that gets ``began`` once the clock is let go; empty where it runs."""


class Clock(Protocol):
    """Monotonic seconds for waits and limits, which are real; wall nanoseconds for what people read."""

    speed: float = 1.0
    """Seconds of the wall clock in a real second."""

    def monotonic(self) -> float:
        """Real seconds since an arbitrary moment; never goes back."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""

    def wait_until(self, condition: threading.Condition, due: float) -> None:
        """Wait until ``condition``, held by the caller, is notified or `monotonic` reaches ``due``."""

    def timeline(self) -> Timeline | None:
        """Describe it for another process, see `clock_of`; None is the machine's time."""

    def seconds_until(self, wall_ns: int) -> float:
        """Tell how many real seconds pass until `time_ns` reaches this; below 0 where it has."""
        return (wall_ns - self.time_ns()) / 1e9 / self.speed

    def span_ns(self, real_ns: int) -> int:
        """Tell what `time_ns` moves on by in so many real nanoseconds."""
        return round(real_ns * self.speed)


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

    def timeline(self) -> Timeline | None:
        """Describe nothing: whoever asks the machine gets the same."""
        return None


MACHINE = SystemClock()
"""The clock of whoever was given no other."""


class SetClock(SystemClock):
    """A clock that was set to another time; waits and limits stay real."""

    def __init__(self, timeline: Timeline) -> None:
        self.speed = timeline.speed
        self._timeline = timeline

    @classmethod
    def starting(cls, start_ns: int, speed: float = 1.0) -> SetClock:
        """Start a clock that shows this time now."""
        return cls(Timeline(start_ns, time.monotonic(), speed))

    def time_ns(self) -> int:
        """The start plus what has passed since, at the clock's speed."""
        timeline = self._timeline
        return timeline.start_ns + round((time.monotonic() - timeline.began) * timeline.speed * 1e9)

    def timeline(self) -> Timeline:
        """Tell what it was set to."""
        return self._timeline


class HeldClock(SetClock):
    """A clock that shows its start until it is let go; with a file, also in other processes.

    Waits and limits go on meanwhile.
    """

    def __init__(self, start_ns: int, speed: float = 1.0, held_by: str = "") -> None:
        super().__init__(Timeline(start_ns, time.monotonic(), speed, held_by))
        self._holds = True

    def share(self, held_by: str) -> None:
        """From now on let other processes see by this file, which is there and empty, when it is let go."""
        self._timeline = msgspec.structs.replace(self._timeline, held_by=held_by)

    def let_go(self) -> None:
        """Begin to run, once, here and wherever the file is looked at."""
        if not self._holds:
            return
        held_by = self._timeline.held_by
        self._run_since(time.monotonic())
        if held_by:
            Path(held_by).write_text(f"{self._timeline.began!r}\n", encoding="ascii")

    def time_ns(self) -> int:
        """The start; once it was let go, plus what has passed since, at the clock's speed."""
        return self._timeline.start_ns if self._stands() else super().time_ns()

    def timeline(self) -> Timeline:
        """Tell what it was set to, and by whom it is held if it is."""
        self._stands()
        return self._timeline

    def _stands(self) -> bool:
        if self._holds and (held_by := self._timeline.held_by):
            try:
                text = Path(held_by).read_text(encoding="ascii")
            except OSError:
                return True  # whoever held it is gone
            if text.endswith("\n"):
                self._run_since(float(text))
        return self._holds

    def _run_since(self, began: float) -> None:
        self._timeline = Timeline(self._timeline.start_ns, began, self.speed)
        self._holds = False


def clock_of(timeline: Timeline | None) -> Clock:
    """Make the clock that another process described."""
    if timeline is None:
        return MACHINE
    if timeline.held_by:
        return HeldClock(timeline.start_ns, timeline.speed, timeline.held_by)
    return SetClock(timeline)


class FakeClock(Clock):
    """A clock that stands still until `advance` moves it; usable from any thread."""

    def __init__(self, start_ns: int = 1_760_000_000_000_000_000, speed: float = 1.0) -> None:
        self.speed = speed
        self._start_ns = start_ns
        self._now = 0.0
        self._lock = threading.Lock()
        self._waiting: list[threading.Condition] = []

    def monotonic(self) -> float:
        """Real seconds by which the clock was advanced."""
        return self._now

    def time_ns(self) -> int:
        """The start plus what was advanced, at the clock's speed."""
        return self._start_ns + round(self._now * self.speed * 1e9)

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

    def timeline(self) -> Timeline:
        """Tell the time now, from which it runs on in another process."""
        return Timeline(self.time_ns(), time.monotonic(), self.speed)
