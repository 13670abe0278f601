"""What requests are read with: everything that they may name."""

from __future__ import annotations

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sectors


class Directory(msgspec.Struct, frozen=True):
    """Everything that a request may name, as it is at one moment."""

    table: InstrumentTable
    sectors: Sectors
    today: str
    """The date in India, ISO 8601: an expiry before it is over."""
