"""What a store lacks of a journal: ticks that could not be read there any more when it came to them."""

from __future__ import annotations

import abc

import msgspec

from mdactors.market import ist


class Gap(msgspec.Struct, frozen=True):
    """Some ticks of a journal that one store has never got."""

    journal: str
    ticks: int
    after_ms: int | None
    """They were received after this; None where nobody knows."""
    before_ms: int | None
    """They were received before this."""

    def period(self) -> str:
        """Between which times they were received, for a person."""
        return between(self.after_ms, self.before_ms)


def between(after_ms: int | None, before_ms: int | None) -> str:
    """Between which times, for a person."""
    begin = "" if after_ms is None else f"after {ist.iso(after_ms)}"
    end = "" if before_ms is None else f"before {ist.iso(before_ms)}"
    return " and ".join(filter(None, (begin, end))) or "at a time that nobody knows"


class Gaps(abc.ABC):
    """The gaps that one store knows of. Safe to use from any thread; every method blocks."""

    @abc.abstractmethod
    def all(self) -> list[Gap]:
        """Every gap, by time.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def forget(self) -> int:
        """Forget all of them; how many there were.

        Raises:
            StoreError: the store is away or refused; they are as before.
        """
