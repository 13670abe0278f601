"""Waiting until the clock shows a time of day."""

from __future__ import annotations

from collections.abc import Sequence

from mdactors.market import ist
from mdactors.runtime import Clock

CHECK_SECONDS = 600.0
"""The clock is looked at at least so often: it may be set meanwhile."""


class TimesOfDay:
    """The next of some times of day in India, for whoever looks again when `seconds` are over."""

    def __init__(self, times: Sequence[str], clock: Clock) -> None:
        self._times = times
        self._clock = clock
        self._due_ns = self._next_ns()

    def seconds(self) -> float:
        """Tell how many real seconds it is until a look is worth it."""
        return min(max(0.0, self._clock.seconds_until(self._due_ns)), CHECK_SECONDS)

    def come(self) -> int | None:
        """Take the time that has come, if one has (nanoseconds since 1970), and wait for the next."""
        if self._clock.time_ns() < self._due_ns:
            return None
        came, self._due_ns = self._due_ns, self._next_ns()
        return came

    def _next_ns(self) -> int:
        now_ns = self._clock.time_ns()
        return min(ist.next_time(time, now_ns) for time in self._times)
