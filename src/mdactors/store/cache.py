"""What a cache of today's ticks does."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.tick import Tick

OVERLAP_NS = 10 * ist.SECOND_NS
"""How much (of real time) of what a cache holds is offered to it again when it is written anew: ticks of two
brokers do not come in the order of their receipt."""


class CacheAway(StoreError):
    """The cache cannot be reached, or lost what was in it; the ticks are in journal and store."""


class Cache(abc.ABC):
    """Today's ticks, quickly at hand; losing them costs nothing but time. Safe to use from any thread.

    One writer at a time calls `resume`, then `write` with what was received since the time that was
    answered, then `complete`, and from then on `write` with what comes. After `CacheAway` it begins
    again with `resume`. Until it is complete, ticks that the cache holds already are skipped.
    """

    beat_seconds = 0.0
    """How long the writer may gather ticks, so that many are written at once."""

    @property
    @abc.abstractmethod
    def keeps_today(self) -> bool:
        """Whether it is meant to keep today's ticks, and not the newest values alone."""

    @abc.abstractmethod
    def resume(self, cold_from_ns: int) -> int:
        """Take up writing, at a start and whenever ticks may be missing.

        Args:
            cold_from_ns: from which receipt on ticks are wanted where none are held.

        Returns:
            From which receipt (nanoseconds) on ticks are to be written again.

        Raises:
            CacheAway: it cannot be reached.
        """

    @abc.abstractmethod
    def complete(self, from_ns: int | None = None) -> None:
        """Everything received since `resume`'s answer is written; or, where that failed, since ``from_ns``.

        Raises:
            CacheAway: it cannot be reached.
        """

    @abc.abstractmethod
    def write(self, ticks: Sequence[Tick]) -> None:
        """Take ticks in the order in which they came.

        Raises:
            CacheAway: nothing was written, or everything; `resume` finds out.
        """

    def show(self, ticks: Iterable[Tick]) -> None:  # noqa: B027 # only some have something to show
        """Take these as newest values alone, while older ticks are being written again.

        Raises:
            CacheAway: it cannot be reached.
        """

    @abc.abstractmethod
    def today(
        self, instrument: Instrument, since_ns: int | None = None, limit: int | None = None
    ) -> list[bytes]:
        """One instrument's ticks as JSON in the quote view, in the order in which they came.

        Only those received at or after ``since_ns``, and the newest ``limit`` of them; without these,
        everything that is kept.

        Raises:
            CacheAway: it cannot be reached.
        """

    @abc.abstractmethod
    def newest(self, instrument: Instrument) -> bytes | None:
        """The newest of them, None where there is none."""

    @abc.abstractmethod
    def newest_ticks(self, instruments: Mapping[int, Instrument]) -> list[Tick]:
        """The newest tick of each of these instruments (token -> instrument) that has one."""

    @abc.abstractmethod
    def covered_from(self) -> int | None:
        """Every tick received since then is in `today`; None while the cache is away, cold or keeps none."""

    @abc.abstractmethod
    def stats(self) -> dict[str, Any]:
        """Counters for ``/api/status``; never blocks for long."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give back memory or connections."""


def kept_from(now_ns: int, minutes: float) -> int:
    """The oldest receipt that a cache of so many minutes keeps: it begins anew at India's midnight."""
    midnight_ns = (now_ns // ist.SECOND_NS - ist.second_of_day(now_ns)) * ist.SECOND_NS
    return max(midnight_ns, now_ns - int(minutes * 60 * ist.SECOND_NS))
