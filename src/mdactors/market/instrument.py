"""What can be traded or watched, under one identity for all brokers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeVar

import msgspec

InstrumentType = Literal["INDEX", "STOCK", "FUTURE", "OPTION"]

NSE_SHARES = ("EQ", "BE", "BZ")
"""NSE's series of companies' shares; EQ is the ordinary one, the others are traded for delivery only."""
BSE_OTHERS = frozenset({"F", "G", "E", "IF", "R"})
"""BSE's groups of what is no share: bonds, funds, trusts' units, rights."""


class Instrument(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One instrument, ours: what every tick carries.

    ``token`` is the exchange token shifted left by eight bits, or'ed with the segment's code (Kite's
    numbers; indices by table). ``key`` is Upstox's instrument key where known, else
    ``SEGMENT|SYMBOL``. ``symbol`` is Kite's trading symbol, which others may have as well: clients are
    told what is `answered`. Prices are rupees, ``expiry`` is an ISO date.
    The order of the fields is the journal's format: new ones go last.
    """

    token: int
    symbol: str
    exchange: str
    segment: str
    """Upstox's word for it under every broker: NSE_EQ, NSE_INDEX, NSE_FO, BSE_EQ …"""
    type: InstrumentType
    key: str
    series: str = ""
    etf: bool = False
    expiry: str = ""
    strike: float = 0.0
    option_type: Literal["", "CE", "PE"] = ""
    underlying: str = ""
    own_name: str = ""
    """What it is called where its symbol means another: one of `forms`, given by the table, see `naming`."""
    trading_class: str = ""
    """What keeps the same hours, a class of the calendar's; empty where the table gave none."""

    @property
    def answered(self) -> str:
        """The ``symbol`` that clients are told: it means just this instrument."""
        return self.own_name or self.symbol

    @property
    def forms(self) -> tuple[str, ...]:
        """All that it can be called, the shortest first; the last one means nothing else for sure.

        The order is a format of the stores: new ones go last.
        """
        symbol = self.symbol
        return symbol, f"{self.exchange}:{symbol}", f"{self.segment}|{symbol}", self.key, str(self.token)

    @property
    def terms(self) -> tuple[str, str, float, str]:
        """What cannot differ within one instrument: where it does, its token has gone to another."""
        return self.type, self.expiry, self.strike, self.option_type

    @property
    def segment_key(self) -> str:
        """``NSE_EQ|RELIANCE``: what Redis and the flat shape call it."""
        return f"{self.segment}|{self.symbol}"

    @property
    def is_derivative(self) -> bool:
        """Whether it is a future or an option."""
        return self.type in ("FUTURE", "OPTION")

    @property
    def symbol_without_series(self) -> str:
        """``CENTRALBK`` for ``CENTRALBK-BE``: what people call it, whatever series it is traded in."""
        return self.symbol.removesuffix(f"-{self.series}") if self.series else self.symbol


class InstrumentRow(Instrument, frozen=True, gc=False, array_like=True):
    """All that is known of an instrument: too much to hold for a hundred thousand of them."""

    name: str = ""
    isin: str = ""
    lot_size: int = 1
    tick_size: float = 0.05
    """In rupees."""
    sector: str = ""
    """A sector's code, such as BANKING."""
    industry: str = ""
    tradable: bool = False
    """Whether it can be bought: a share (see `is_share`), an ETF or a contract."""
    mtf: bool = False
    """Whether it may be bought on margin (margin trading facility)."""
    mis: bool = False
    """Whether it may be traded with leverage within a day."""
    cas_eligible: bool = False
    """Whether a list says that its day ends with a closing auction."""

    def hot(self) -> Instrument:
        """The part that every tick carries."""
        return Instrument(*msgspec.structs.astuple(self)[: len(Instrument.__struct_fields__)])


AnyInstrument = TypeVar("AnyInstrument", bound=Instrument)


def is_share(instrument: Instrument, series: Collection[str] = NSE_SHARES) -> bool:
    """Whether it is a company's share: no ETF, no bond, no gold bond, no unit of a fund or trust.

    Args:
        instrument: of any type.
        series: NSE's series that count.
    """
    if instrument.type != "STOCK" or instrument.etf:
        return False
    if instrument.segment == "NSE_EQ":
        return instrument.series in series
    return instrument.series not in BSE_OTHERS
