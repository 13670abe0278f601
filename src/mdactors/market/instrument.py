"""What can be traded or watched, under one identity for all brokers."""

from __future__ import annotations

from typing import Literal

import msgspec

InstrumentType = Literal["INDEX", "STOCK", "FUTURE", "OPTION"]


class Instrument(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One instrument, ours.

    ``token`` is the exchange token shifted left by eight bits, or'ed with the segment's code (Kite's
    numbers; indices by table). ``key`` is Upstox's instrument key where known, else
    ``SEGMENT|SYMBOL``. ``symbol`` is Kite's trading symbol. Prices are rupees, ``expiry`` is an ISO date.
    The order of the fields is the journal's format: new ones go last.
    """

    token: int
    symbol: str
    exchange: str
    segment: str
    """Upstox's word for it under every broker: NSE_EQ, NSE_INDEX, NSE_FO, BSE_EQ …"""
    type: InstrumentType
    key: str
    name: str = ""
    isin: str = ""
    series: str = ""
    etf: bool = False
    lot_size: int = 1
    tick_size: float = 0.05
    expiry: str = ""
    strike: float = 0.0
    option_type: Literal["", "CE", "PE"] = ""
    underlying: str = ""
