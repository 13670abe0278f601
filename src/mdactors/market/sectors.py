"""The sectors, what belongs to them, and which shares are in which index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from mdactors.market import indices
from mdactors.market.constituents import Constituent
from mdactors.market.indices import folded
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.names import SHARE_SERIES

_COMPANY = slice(0, 7)
"""Which signs of an ISIN name who issued it ..."""
_KIND = slice(7, 9)
"""... and which say what it is."""
_EQUITY = "01"
"""An ordinary share."""


class Sector(msgspec.Struct, frozen=True):
    """A sector as it is defined: by industries, indices and single shares."""

    code: str
    name: str
    description: str = ""
    industries: tuple[str, ...] = ()
    """In NSE's words."""
    indices: tuple[str, ...] = ()
    """Whose members belong to it."""
    symbols: tuple[str, ...] = ()
    """Further shares."""


class Member(NamedTuple):
    """A share by its names; the ISIN is empty where no list says it."""

    isin: str
    symbol: str


class Sectors:
    """All sectors and all lists of shares; never changed once it is made.

    A share belongs to one sector: the first that names it, names an index with it, or its industry.
    Its ISIN decides which share is meant. Only where that is not known its symbol does, and never for
    what the ISIN says to be a bond.

    Args:
        definition: the sectors; an earlier one goes first.
        lists: name -> shares. Where the name is an index's, they are its members; of two lists that
            know a share the later one says its industry.
    """

    def __init__(
        self, definition: Iterable[Sector] = (), lists: Mapping[str, Sequence[Constituent]] | None = None
    ) -> None:
        self._sectors = {sector.code: sector for sector in definition}
        self._shares: dict[str, Constituent] = {}
        self._members: dict[str, list[str]] = {}
        for name, shares in (lists or {}).items():
            for share in shares:
                self._take(share)
            if index := indices.by_name(name):
                self._members[index.symbol] = [share.symbol for share in shares]
        self._named = self._names()
        self._symbols = {sector.code: list(self._belonging(sector)) for sector in self._sectors.values()}
        self._code_of: dict[str, str] = {}
        for code, symbols in self._symbols.items():
            for symbol in symbols:
                self._code_of.setdefault(symbol, code)
        self._by_isin = {share.isin: share.symbol for share in self._shares.values() if share.isin}

    def _take(self, share: Constituent) -> None:
        known = self._shares.get(share.symbol)
        if known is not None and not share.isin:
            share = msgspec.structs.replace(share, isin=known.isin)
        self._shares[share.symbol] = share

    def _names(self) -> dict[str, Sector]:
        names: dict[str, Sector] = {}
        sectors = self._sectors.values()
        for sector in sectors:
            names[folded(sector.code)] = sector
        for sector in sectors:
            names.setdefault(folded(sector.name), sector)
        for sector in sectors:
            for industry in sector.industries:
                names.setdefault(folded(industry), sector)
        return names

    def _belonging(self, sector: Sector) -> Iterator[str]:
        yield from sector.symbols
        for name in sector.indices:
            yield from self._members.get(_symbol_of(name), ())
        industries = set(map(folded, sector.industries))
        for share in self._shares.values():
            if folded(share.industry) in industries:
                yield share.symbol

    def find(self, text: str) -> Sector | None:
        """The sector with this code, this name or this industry of NSE's."""
        return self._named.get(folded(text))

    def codes(self) -> tuple[str, ...]:
        """All codes, in the order of the definition."""
        return tuple(self._sectors)

    def known(self) -> str:
        """The codes, for a person who named another."""
        return f"the sectors are {', '.join(self._sectors)}" if self._sectors else "no sectors are defined"

    def members(self, text: str) -> list[Member]:
        """The shares of the sector that `find` finds; none where it finds none."""
        sector = self.find(text)
        if sector is None:
            return []
        symbols = dict.fromkeys(self._symbols[sector.code])
        return [self._member(symbol) for symbol in symbols if self._code_of[symbol] == sector.code]

    def indices(self) -> tuple[str, ...]:
        """The symbols of the indices whose members are known, the most important first."""
        return tuple(index.symbol for index in indices.all_indices() if index.symbol in self._members)

    def index_members(self, name: str) -> list[Member] | None:
        """The shares of an index, by any of its names; None where no list says them."""
        symbols = self._members.get(_symbol_of(name))
        return None if symbols is None else [self._member(symbol) for symbol in symbols]

    def _member(self, symbol: str) -> Member:
        share = self._shares.get(symbol)
        return Member(share.isin if share else "", symbol)

    def sector_of(self, isin: str, symbol: str) -> tuple[str, str]:
        """The code of a share's sector, and its industry; each is empty where it is not known.

        Args:
            isin: may be empty.
            symbol: without a series.
        """
        meant = self._by_isin.get(isin) or self._by_symbol(isin, symbol.upper())
        share = self._shares.get(meant)
        return self._code_of.get(meant, ""), share.industry if share else ""

    def _by_symbol(self, isin: str, symbol: str) -> str:
        """The symbol, where an ISIN that no list has may be its share's: after a split it is a new one."""
        share = self._shares.get(symbol)
        listed = share.isin if share else ""
        if isin and isin[_KIND] != _EQUITY:
            return ""
        return symbol if not isin or not listed or isin[_COMPANY] == listed[_COMPANY] else ""

    def by_token(self, table: InstrumentTable) -> dict[int, str]:
        """Token -> code of its sector, for every share of NSE's that belongs to one."""
        found = ((share_of(table, self._member(symbol)), code) for symbol, code in self._code_of.items())
        return {share.token: code for share, code in found if share is not None}


def share_of(table: InstrumentTable, member: Member) -> Instrument | None:
    """The share of NSE's that is meant, in whichever series it is traded; never a bond of its symbol."""
    names = [f"NSE_EQ|{member.isin}"] if member.isin else []
    for name in (*names, f"NSE:{member.symbol}"):
        share = table.resolve(name)
        if share is not None and share.type == "STOCK" and share.series in SHARE_SERIES:
            return share
    return None


def _symbol_of(index: str) -> str:
    known = indices.by_name(index)
    return known.symbol if known else ""
