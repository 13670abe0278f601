"""What is pinned today, and the file that keeps it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set

from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.instruments import InstrumentTable
from mdactors.market.pins import Pins
from mdactors.market.sectors import Sectors, share_of
from mdactors.runtime import Clock
from mdactors.store.pin_file import PinFile


class Pinboard:
    """The pins of today and the instruments that they mean; belongs to one actor.

    Args:
        file: what is pinned outlives the actor there; None: it does not.
        sectors: the newest sectors.
        clock: of the actor.
        logger: of the actor.
    """

    def __init__(
        self, file: PinFile | None, sectors: Callable[[], Sectors], clock: Clock, logger: logging.Logger
    ) -> None:
        self._file = file
        self._sectors = sectors
        self._clock = clock
        self._logger = logger
        self._table = InstrumentTable.build({})
        self._pins = Pins()
        self.tokens: frozenset[int] = frozenset()
        """Everything that is pinned, the members of pinned sectors among it."""

    def open(self) -> None:
        """Take what a predecessor has pinned today."""
        if self._file is not None:
            try:
                self._pins = self._file.load()
            except StoreError as error:
                self._logger.warning("the pins of before are lost: %s", error)

    def use(self, table: InstrumentTable) -> None:
        """Go by this table, and by the newest sectors."""
        self._table = table
        self._find()

    def pin(self, tokens: Set[int], sectors: Set[str]) -> None:
        """Pin these, too."""
        self._change(self._today().plus(tokens, sectors))

    def unpin(self, tokens: Set[int], sectors: Set[str]) -> None:
        """Pin these no longer, under whichever tokens they were pinned."""
        pins = self._today()
        pinned = {token for token in pins.tokens if token in tokens or self._now(token) in tokens}
        self._change(pins.minus(pinned, sectors))

    def expire(self) -> None:
        """Forget what was pinned on another day."""
        today = self._today()
        if len(self._pins) and today is not self._pins:
            self._change(today)

    def _today(self) -> Pins:
        return self._pins.of(ist.date(self._clock.time_ns()).isoformat())

    def _change(self, pins: Pins) -> None:
        self._pins = pins
        if self._file is not None:
            try:
                self._file.save(pins)
            except StoreError as error:
                self._logger.warning("a restart will lose the pins: %s", error)
        self._find()

    def _find(self) -> None:
        pins, sectors = self._today(), self._sectors()
        shares = (share_of(self._table, each) for code in pins.sectors for each in sectors.members(code))
        self.tokens = frozenset(map(self._now, pins.tokens)) | {
            share.token for share in shares if share is not None
        }

    def _now(self, token: int) -> int:
        """Under which token that is listed now."""
        successor = self._table.successor(token)
        return token if successor is None else successor.token
