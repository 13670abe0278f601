"""What requests are read with: everything that they may name."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sectors
from mdactors.market.underlyings import Underlying, Underlyings


class Directory(msgspec.Struct, frozen=True):
    """Everything that a request may name, as it is at one moment."""

    table: InstrumentTable
    sectors: Sectors
    today: str
    """The date in India, ISO 8601: an expiry before it is over."""
    prices: Mapping[int, float] = {}
    """Token -> last price, of what says where the money is that a request asks for; of what has one."""
    _found: dict[str, Underlying | None] = {}

    def underlying(self, name: str) -> Underlying | None:
        """What options are written on, by any of its names.

        A request may name one a thousand times, and reading its options takes milliseconds: it is done once.
        """
        key = name.strip().upper()
        if key not in self._found:
            self._found[key] = Underlyings(self.table, on=self.today).find(name, with_options=True)
        return self._found[key]
