"""The newest prices by type, in the short form that pages poll."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from mdactors.market import ist
from mdactors.market.instrument import InstrumentType
from mdactors.market.tick import Tick
from mdactors.market.view import NS_PER_MS, change_since

PriceType = Literal["index", "equity", "futures", "options", "all"]
TYPES: Mapping[PriceType, frozenset[InstrumentType]] = {
    "index": frozenset({"INDEX"}),
    "equity": frozenset({"STOCK"}),
    "futures": frozenset({"FUTURE"}),
    "options": frozenset({"OPTION"}),
    "all": frozenset({"INDEX", "STOCK", "FUTURE", "OPTION"}),
}
_OFFSET = len("+05:30")


class Price(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One instrument's newest price; what is not known is None, and left out."""

    updated_at: str
    """When it was received: India's time, without an offset."""
    ltp: float | None = None
    cp: float | None = None
    """The previous session's close."""
    ltt: str | None = None
    """Epoch seconds of the last trade."""
    ltq: str | None = None
    """Quantity of the last trade."""
    change: float | None = None
    """Since the close before, in per cent with two decimals."""


def price(tick: Tick) -> Price:
    """A tick in the short form."""
    quote = tick.quote
    traded, quantity = quote.last_trade_time, quote.last_quantity
    _, percent = change_since(quote.previous_close, quote.last_price)
    return Price(
        updated_at=ist.iso(tick.received_ns // NS_PER_MS)[:-_OFFSET],
        ltp=quote.last_price,
        cp=quote.previous_close,
        ltt=None if traded is None else str(traded // 1000),
        ltq=None if quantity is None else str(quantity),
        change=percent,
    )


def prices_by_type(ticks: Iterable[Tick], kind: PriceType) -> dict[str, Price]:
    """Instrument key -> price, of the ticks whose instruments are of this type."""
    types = TYPES[kind]
    return {tick.instrument.key: price(tick) for tick in ticks if tick.instrument.type in types}
