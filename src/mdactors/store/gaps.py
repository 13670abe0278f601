"""What a store lacks of a journal: ticks that were in no segment any more when it came to them."""

from __future__ import annotations

import abc

import msgspec


class Gap(msgspec.Struct, frozen=True):
    """Some ticks of a journal that one store has never got."""

    journal: str
    ticks: int
    after_ms: int | None
    """They were received after this; None where nobody knows."""
    before_ms: int | None
    """They were received before this."""


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
