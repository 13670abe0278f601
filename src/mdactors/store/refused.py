"""Ticks that a store has set aside, each with the reason, until they are stored after all."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import msgspec

from mdactors.market.tick import Tick

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Tick).decode


class Reason(msgspec.Struct, frozen=True):
    """Why some ticks were set aside."""

    text: str
    ticks: int
    first_ms: int
    """When the first of them was received."""
    last_ms: int


class RefusedTick(msgspec.Struct, frozen=True):
    """One tick that was set aside."""

    place: str
    """Where it stands among them."""
    tick: Tick | None
    """None where it was never fit to be packed."""


class RefusedTicks(abc.ABC):
    """What one store has set aside. Safe to use from any thread; every method blocks."""

    @abc.abstractmethod
    def reasons(self) -> list[Reason]:
        """Every reason with its ticks, by the receipt of the first.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def page(self, limit: int, after: str = "") -> list[RefusedTick]:
        """The first so many, or those after a ``place``.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def retry(self, page: Sequence[RefusedTick]) -> int:
        """Store these again: in one transaction those that are taken now move, all others stay.

        Returns:
            How many were taken.

        Raises:
            StoreError: the store is away, or somebody else has stored some of them meanwhile; nothing was
                changed, or, where the connection was lost while committing, everything.
        """


def packed(tick: Tick) -> bytes:
    """A refused tick as it is kept: msgpack as in the journal, else what Python shows of it."""
    try:
        return _encode(tick)
    except (OverflowError, TypeError, ValueError):
        return repr(tick).encode("utf-8", "backslashreplace")


def unpacked(data: bytes) -> Tick | None:
    """The tick again; None where it was not fit to be packed."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
