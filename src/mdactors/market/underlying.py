"""What options are written on, and when they expire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mdactors.market import indices
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable

_EXCHANGES = ("NSE", "BSE")
"""The one that is meant where no one is named, first first."""


class Underlying(msgspec.Struct, frozen=True):
    """What options are written on at one exchange."""

    name: str
    """As contracts write it: ``NIFTY``; ``BSE:RELIANCE`` where another exchange would be meant without."""
    spot: Instrument | None
    """Whose price the strikes are measured with; None where the exchange lists no such thing."""
    expiries: Mapping[str, Sequence[Instrument]]
    """ISO date -> the options that expire then, by strike; the nearest date first."""

    def nearest(self, on: str) -> str:
        """The first expiry on or after a date; empty where there is none."""
        return next((expiry for expiry in self.expiries if expiry >= on), "")


def find_underlying(table: InstrumentTable, name: str) -> Underlying | None:
    """What a person means: ``NIFTY``, ``BSE:RELIANCE``, or any name of the spot; None where there is none."""
    exchange, _, written = name.strip().upper().rpartition(":")
    options = _options(table, written)
    if not options and (spot := table.resolve(name)) is not None:
        exchange = spot.exchange
        names = [alias.upper() for alias, symbol in indices.aliases().items() if symbol == spot.symbol]
        for written in (spot.symbol_without_series.upper(), *names):
            if options := _options(table, written):
                break
    usual = next(iter(options), "")
    found = options.get(exchange or usual)
    if not found:
        return None
    exchange = exchange or usual
    spot = table.resolve(f"{exchange}:{written}")
    expiries: dict[str, list[Instrument]] = {}
    for option in found:
        expiries.setdefault(option.expiry, []).append(option)
    return Underlying(
        name=written if exchange == usual else f"{exchange}:{written}",
        spot=spot if spot is not None and not spot.is_derivative else None,
        expiries=expiries,
    )


def _options(table: InstrumentTable, written: str) -> dict[str, list[Instrument]]:
    """The options by exchange, that which is meant without a word first; each by expiry and strike."""
    found: dict[str, list[Instrument]] = {exchange: [] for exchange in _EXCHANGES}
    for contract in table.contracts(written):
        if contract.type == "OPTION":
            found.setdefault(contract.exchange, []).append(contract)
    return {exchange: options for exchange, options in found.items() if options}
