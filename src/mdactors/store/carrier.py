"""What carries ticks from the journal to the store, a part at a time."""

from __future__ import annotations

import abc
from pathlib import Path

import msgspec

from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.store.journal_reader import JournalReader
from mdactors.store.ticks import TickStore


class Carried(msgspec.Struct, frozen=True, tag=True):
    """One part that was carried; ``upto`` equals what was carried before where nothing was left."""

    upto: Position | None
    ticks: int = 0
    refused: int = 0
    """So many of them the store set aside."""
    damage: list[str] = []
    """What of the journal was passed over since the carrier began, one text a range."""


class Carrier(abc.ABC):
    """Reads the journal and writes the store; one thread uses it, and every method blocks."""

    @abc.abstractmethod
    def carry(self, after: Position | None, upto: Position, limit: int) -> Carried:
        """Store the next whole records behind ``after``, about ``limit`` ticks, none beyond ``upto``.

        Rows and position are one transaction.

        Raises:
            PositionMoved: somebody else stores this journal; nothing was written.
            StoreError: the journal cannot be read or the store is away; whether it has committed is
                unclear: read its position again.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give back what it holds; `carry` may be called again."""


class DirectCarrier(Carrier):
    """Carries by itself, with a store that others use as well."""

    def __init__(self, store: TickStore, journal: Path) -> None:
        self._store = store
        self._reader = JournalReader(journal)

    def carry(self, after: Position | None, upto: Position | None, limit: int) -> Carried:
        """Store the next whole records; ``upto`` None: all that there are."""
        if after is not None and upto is not None and after.is_beyond(upto):
            raise StoreError("the store knows more of this journal: an old copy was put back; move it away")
        ticks, reached = self._reader.read_packed(after, upto, limit)
        refused = 0
        if reached is not None and reached != after:
            refused = self._store.write(ticks, after, reached)
        return Carried(reached, len(ticks), refused, self._reader.damage)

    def close(self) -> None:
        """Close the journal's file; the store stays open."""
        self._reader.close()
