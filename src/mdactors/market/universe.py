"""What is streamed whether anybody asks for it or not: selectors, turned into instruments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, islice
from typing import TypeAlias

import msgspec

from mdactors.market.instrument import NSE_SHARES, Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.quote import Mode, richer
from mdactors.market.ranking import (
    Listed,
    no_stocks,
    ranked_expiries,
    ranked_futures,
    ranked_indices,
    ranked_stocks,
)
from mdactors.market.sectors import Member, Sectors, share_of
from mdactors.market.selectors import (
    ChainSelector,
    MemberSelector,
    SectorSelector,
    Selector,
    SymbolSelector,
    TypeSelector,
)
from mdactors.market.strikes import Strikes
from mdactors.market.underlyings import Underlying, Underlyings

Prices: TypeAlias = Mapping[int, float]
"""Token -> last price."""


class Portion(msgspec.Struct, frozen=True):
    """What one selector selects: so many of so many that it could."""

    selector: str
    selected: int
    of: int
    left_out: Mapping[str, int] = {}
    """What the exchange lists beside the shares: gold bonds, trusts … -> how many."""


class Selection(msgspec.Struct, frozen=True):
    """Everything that is to be streamed always."""

    modes: Mapping[int, Mode]
    """Token -> mode, what was named first first."""
    portions: tuple[Portion, ...] = ()
    unknown: tuple[str, ...] = ()
    """Names that selectors gave and that mean nothing."""
    unlisted: tuple[str, ...] = ()
    """Names of what no connected broker lists."""
    misnamed: tuple[str, ...] = ()
    """Of the unknown those that the selectors themselves say, not a list of members."""

    def complaints(self, table: InstrumentTable) -> list[str]:
        """For a person: the names in the configuration that mean nothing; none while nothing is loaded."""
        renamed = {name: table.renamed_to(name) for name in self.misnamed if len(table)}
        return [
            f"{name} is configured and does not stream: "
            + (f"it is called {now} now" if now else "no instrument is called so")
            for name, now in renamed.items()
        ]


class _Chosen(msgspec.Struct, frozen=True):
    tokens: Sequence[int]
    of: int
    unknown: Sequence[str] = ()
    unlisted: Sequence[str] = ()
    left_out: Mapping[str, int] = {}


_Choice: TypeAlias = Callable[[], _Chosen]
_Key: TypeAlias = tuple[str, str]
"""Underlying and expiry."""


class Universe:
    """Owns where the money of each option chain is, between one selection and the next.

    Instruments of a type are taken in the order of `ranking`. What several selectors name has its place
    from the first of them and the richest mode of all. For one thread.

    Args:
        selectors: the first go first.
        mode: of those that name none.
        series: NSE's series of shares, where a selector names none.
        brokers: only what one of these lists is selected; None: everything.
    """

    def __init__(
        self,
        selectors: Sequence[Selector],
        mode: Mode = "full",
        series: Collection[str] = NSE_SHARES,
        brokers: Collection[str] | None = None,
    ) -> None:
        self._selectors = selectors
        self._mode = mode
        self._series = series
        self._brokers = brokers
        self._prepared: _Prepared | None = None

    def select(self, table: InstrumentTable, sectors: Sectors, prices: Prices, today: dt.date) -> Selection:
        """Select by the newest table, sectors and prices; cheap where only the prices are others.

        Args:
            table: all instruments.
            sectors: and the members of indices.
            prices: those of `watched`, as far as they are known; others do not matter.
            today: the date in India; what expired before is left out.
        """
        prepared = self._prepared
        if prepared is None or not prepared.is_of(table, sectors, today):
            middles = prepared.middles() if prepared is not None else {}
            listed = self._listed(table)
            prepared = self._prepared = _Prepared(table, sectors, today, self._series, listed, middles)
            prepared.choices = [prepared.choice(selector) for selector in self._selectors]
        prepared.follow(prices)
        modes: dict[int, Mode] = {}
        portions: list[Portion] = []
        unknown: list[str] = []
        unlisted: list[str] = []
        misnamed: list[str] = []
        for selector, choice in zip(self._selectors, prepared.choices, strict=True):
            chosen = choice()
            mode = selector.mode or self._mode
            for token in chosen.tokens:
                modes[token] = richer(modes.get(token, mode), mode)
            portions.append(Portion(str(selector), len(chosen.tokens), chosen.of, chosen.left_out))
            unknown += chosen.unknown
            unlisted += chosen.unlisted
            if isinstance(selector, SymbolSelector) or not chosen.of:
                misnamed += chosen.unknown
        names = (tuple(dict.fromkeys(each)) for each in (unknown, unlisted, misnamed))
        return Selection(modes, tuple(portions), *names)

    def _listed(self, table: InstrumentTable) -> Listed:
        """Whether a broker lists an instrument; quick where it lists everything, as a lone source does."""
        if self._brokers is None:
            return _always
        known = [table.broker_tokens(broker) for broker in self._brokers]
        if any(len(each) == len(table) for each in known):
            return _always
        return lambda instrument: any(instrument.token in each for each in known)

    def watched(self) -> frozenset[int]:
        """Tokens of everything whose price says where the money of a chain is; none before `select`."""
        return self._prepared.watched() if self._prepared is not None else frozenset()

    def would_move(self, prices: Prices) -> bool:
        """Whether `select` would select something else by these prices."""
        return self._prepared is not None and self._prepared.would_move(prices)


class _Prepared:
    """The selectors, applied to one table as far as prices do not matter."""

    def __init__(
        self,
        table: InstrumentTable,
        sectors: Sectors,
        today: dt.date,
        series: Collection[str],
        listed: Listed,
        middles: Mapping[_Key, float],
    ) -> None:
        self._table = table
        self._sectors = sectors
        self._today = today
        self._on = today.isoformat()
        self._series = series
        self._listed = listed
        self._middles = middles
        self._underlyings = Underlyings(table, listed, self._on)
        self._strikes: dict[_Key, Strikes] = {}
        """What the selection has some options of."""
        self.choices: list[_Choice] = []

    def is_of(self, table: InstrumentTable, sectors: Sectors, today: dt.date) -> bool:
        return table is self._table and sectors is self._sectors and today == self._today

    # --- the money

    def middles(self) -> dict[_Key, float]:
        known = ((key, strikes.middle) for key, strikes in self._strikes.items())
        return {key: middle for key, middle in known if middle is not None}

    def follow(self, prices: Prices) -> None:
        for strikes in self._strikes.values():
            strikes.middle = strikes.middle_at(prices)

    def would_move(self, prices: Prices) -> bool:
        return any(strikes.middle_at(prices) != strikes.middle for strikes in self._strikes.values())

    def watched(self) -> frozenset[int]:
        return frozenset(token for strikes in self._strikes.values() for token in strikes.priced_by)

    def _strikes_of(self, underlying: Underlying, expiry: str) -> Strikes:
        key = underlying.name, expiry
        if key not in self._strikes:
            priced_by = [each.token for each in underlying.priced_by(self._on, expiry)]
            self._strikes[key] = Strikes(underlying.expiries[expiry], priced_by, self._middles.get(key))
        return self._strikes[key]

    # --- the choices

    def choice(self, selector: Selector) -> _Choice:
        """What a selector selects, to be asked whenever the money has moved."""
        match selector:
            case TypeSelector(type="OPTION"):
                return self._options(selector)
            case ChainSelector():
                return self._chain(selector)
            case TypeSelector():
                chosen = self._of_type(selector)
            case SymbolSelector():
                named = {name: self._living(name) for name in selector.symbols}
                chosen = self._found(named)
            case SectorSelector():
                known = self._sectors.find(selector.sector) is not None
                chosen = self._shares(selector, self._sectors.members(selector.sector) if known else None)
            case MemberSelector():
                chosen = self._shares(selector, self._sectors.index_members(selector.members))
        return lambda: chosen

    def _living(self, name: str) -> Instrument | None:
        """The instrument of a name, if it has not expired."""
        found = self._table.resolve(name)
        return None if found is not None and found.expiry and found.expiry < self._on else found

    def _of_type(self, selector: TypeSelector) -> _Chosen:
        left_out: Mapping[str, int] = {}
        match selector.type:
            case "INDEX":
                ranked = ranked_indices(self._table, selector, self._listed)
            case "STOCK":
                ranked = ranked_stocks(self._table, selector, self._sectors, self._series, self._listed)
                left_out = no_stocks(self._table, selector, self._series, self._listed)
            case _:
                ranked = ranked_futures(self._underlyings.outlines, selector, self._on)
        return _Chosen([each.token for each in ranked[: selector.most]], len(ranked), left_out=left_out)

    def _shares(self, selector: Selector, members: Sequence[Member] | None) -> _Chosen:
        if members is None:
            return _Chosen((), 0, [str(selector)])
        return self._found({member.symbol: share_of(self._table, member) for member in members})

    def _found(self, named: Mapping[str, Instrument | None]) -> _Chosen:
        found = {name: each for name, each in named.items() if each is not None}
        tokens = dict.fromkeys(each.token for each in found.values() if self._listed(each))
        unknown = [name for name in named if name not in found]
        unlisted = [name for name, each in found.items() if not self._listed(each)]
        return _Chosen(list(tokens), len(named), unknown, unlisted)

    def _options(self, selector: TypeSelector) -> _Choice:
        ranked = ranked_expiries(self._underlyings.outlines, selector, self._on)
        of = sum(outline.expiries[expiry] for outline, expiry in ranked)
        most = of if selector.most is None else selector.most
        taken, held = 0, []
        for outline, expiry in ranked:
            underlying = self._underlyings.find(outline.name) if taken < most else None
            if underlying is None:
                break
            held.append(self._strikes_of(underlying, expiry))
            taken += outline.expiries[expiry]
        return lambda: _Chosen(list(islice(chain.from_iterable(each.tokens() for each in held), most)), of)

    def _chain(self, selector: ChainSelector) -> _Choice:
        underlying = self._underlyings.find(selector.chain)
        if underlying is None:
            return lambda: _Chosen((), 0, [str(selector)])
        expiries = list(islice(underlying.expiries, selector.expiries))
        held = [self._strikes_of(underlying, expiry) for expiry in expiries]
        # Without their prices the money could not be followed.
        priced_by = [
            token
            for token, each in {
                each.token: each
                for expiry in expiries or [""]
                for each in underlying.priced_by(self._on, expiry)
            }.items()
            if self._listed(each)
        ]
        of = len(priced_by) + sum(map(len, underlying.expiries.values()))
        return lambda: _Chosen(
            [*priced_by, *chain.from_iterable(each.tokens(selector.strikes) for each in held)], of
        )


def _always(_instrument: Instrument) -> bool:
    return True
