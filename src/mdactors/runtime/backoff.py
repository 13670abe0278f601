"""How long to wait before the next attempt."""

from __future__ import annotations

from random import Random


class Backoff:
    """Keeps the state of a repeated attempt: ``first`` seconds, then ``factor`` times more, up to ``limit``.

    Each wait is shortened at random by up to the share ``jitter``, so that those who failed together
    do not come back together; none is longer than ``limit``.
    """

    def __init__(
        self,
        first: float = 1.0,
        factor: float = 2.0,
        limit: float = 60.0,
        jitter: float = 0.1,
        random: Random | None = None,
    ) -> None:
        self._first = first
        self._factor = factor
        self._limit = limit
        self._jitter = jitter
        self._random = random or Random()
        self._next = first

    def next(self) -> float:
        """Seconds to wait before the attempt that comes now."""
        wait = min(self._next, self._limit)
        self._next = min(self._next * self._factor, self._limit)
        return wait * (1.0 - self._jitter * self._random.random())

    def reset(self) -> None:
        """Begin again with ``first``, after a success."""
        self._next = self._first
