"""What a cache of today's ticks does."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from mdactors.market.tick import Tick


class Cache(abc.ABC):
    """Today's ticks, quickly at hand; losing them costs nothing but time. Safe to use from any thread."""

    @abc.abstractmethod
    def write(self, ticks: Sequence[Tick]) -> None:
        """Take the ticks of one frame."""

    @abc.abstractmethod
    def today(self, token: int, since_ns: int | None = None, limit: int | None = None) -> list[bytes]:
        """One instrument's ticks as JSON in the quote view, in the order in which they came.

        Only those received at or after ``since_ns``, and the newest ``limit`` of them; without these,
        everything that is kept.
        """

    @abc.abstractmethod
    def newest(self, token: int) -> bytes | None:
        """The newest of them, None where there is none."""

    @abc.abstractmethod
    def stats(self) -> dict[str, Any]:
        """Counters for ``/api/status``."""
