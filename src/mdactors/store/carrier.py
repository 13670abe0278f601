"""What carries ticks from the journal to the store, a part at a time."""

from __future__ import annotations

import abc
import logging
from pathlib import Path

import msgspec

from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.store.journal_reader import JournalReader
from mdactors.store.lost_position import find_position
from mdactors.store.ticks import TickStore

_logger = logging.getLogger(__name__)


class Carried(msgspec.Struct, frozen=True, tag=True):
    """One part that was carried; ``upto`` equals what was carried before where nothing was left."""

    upto: Position | None
    ticks: int = 0
    refused: int = 0
    """So many of them the store set aside."""
    missing: int = 0
    """So many more lay there once, and are gone or cannot be read any more."""
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
        self._journal = journal
        self._reader = JournalReader(journal)

    def carry(self, after: Position | None, upto: Position | None, limit: int) -> Carried:
        """Store the next whole records; ``upto`` None: all that there are."""
        if after is not None and upto is not None and after.is_beyond(upto):
            raise StoreError("the store knows more of this journal: an old copy was put back; move it away")
        if after is None and (found := find_position(self._store, self._journal, upto)) is not None:
            _logger.warning("the store has lost its position: its ticks of this journal end at %s", found)
            self._store.write((), None, found)
            return Carried(found)
        ticks, reached = self._reader.read_packed(after, upto, limit)
        if reached is None or reached == after:
            return Carried(reached, damage=self._reader.damage)
        gaps = ticks.gaps(reached.journal, 0 if after is None else after.ticks)
        refused = self._store.write(ticks, after, reached, gaps)
        missing = sum(gap.ticks for gap in gaps)
        return Carried(reached, len(ticks), refused, missing, self._reader.damage)

    def close(self) -> None:
        """Close the journal's file; the store stays open."""
        self._reader.close()
