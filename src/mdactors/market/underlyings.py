"""What futures and options are written on, and how people and brokers name it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from mdactors.market import indices
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable

_EXCHANGES = ("NSE", "BSE")
"""The one that is meant where no one is named, first first."""
_WITH_SPOT = ("NSE_FO", "BSE_FO")
"""The segments whose contracts are on indices and shares."""
_LEADERS = ("NIFTY", "BANKNIFTY")
"""What most people trade."""

Rank: TypeAlias = tuple[int, int, int, str]
"""The lower, the more people trade it; ends with the name."""


class Underlying(msgspec.Struct, frozen=True):
    """What contracts of one exchange are written on."""

    name: str
    """The word of the contracts, ``NIFTY``; ``MCX:GOLD`` where the word alone means another exchange's."""
    exchange: str
    spot: Instrument | None
    """The index or share; None where there is none, or none is listed."""
    futures: Sequence[Instrument]
    """The nearest first."""
    expiries: Mapping[str, Sequence[Instrument]]
    """ISO date -> the options that expire then, by strike, calls before puts; the nearest date first."""

    def nearest(self, on: str) -> str:
        """The first expiry of options on or after a date; empty where there is none."""
        return next((expiry for expiry in self.expiries if expiry >= on), "")

    def priced_by(self, on: str, expiry: str = "") -> tuple[Instrument, ...]:
        """What says on a date where the money of an expiry is, the best first.

        The spot, or where there is none, as of a commodity, the future on which options of this expiry are
        written: the first that does not expire before them; then the nearest future.
        """
        living = [future for future in self.futures if future.expiry >= on]
        own = [future for future in living if future.expiry >= expiry][:1]
        best = own if self.spot is None else [self.spot]
        return tuple({each.token: each for each in (*best, *living[:1])}.values())

    @property
    def rank(self) -> Rank:
        """Indices before shares before what has no spot."""
        leader = _LEADERS.index(self.name) if self.name in _LEADERS else len(_LEADERS)
        kind = 2 if self.spot is None else int(self.spot.type != "INDEX")
        return leader, kind, _place(self.exchange), self.name


class Outline(msgspec.Struct, frozen=True):
    """An underlying as far as an order needs it."""

    rank: Rank
    exchange: str
    futures: Sequence[Instrument]
    expiries: Mapping[str, int]
    """ISO date -> how many options expire then."""

    @property
    def name(self) -> str:
        """As `Underlyings.find` understands it."""
        return self.rank[-1]


class Underlyings:
    """The underlyings of one table, each read out of it when somebody asks for it.

    Args:
        table: all instruments.
        listed: whether an instrument counts.
        on: a date, ISO 8601; contracts that expired before it do not count.
    """

    def __init__(
        self,
        table: InstrumentTable,
        listed: Callable[[Instrument], bool] = lambda _instrument: True,
        on: str = "",
    ) -> None:
        self._table = table
        self._listed = listed
        self.on = on
        self._words = {word.upper(): word for word in table.underlyings()}

    def words(self) -> list[str]:
        """What contracts are written on, as they write it."""
        return list(self._words.values())

    @functools.cached_property
    def outlines(self) -> list[Outline]:
        """All, what people trade most first; without the options, which would take some thirty megabytes."""
        underlyings = (underlying for word in self._words for underlying in self._of(word))
        return sorted(
            (
                Outline(
                    underlying.rank,
                    underlying.exchange,
                    underlying.futures,
                    {expiry: len(options) for expiry, options in underlying.expiries.items()},
                )
                for underlying in underlyings
            ),
            key=lambda outline: outline.rank,
        )

    def find(self, name: str, *, with_options: bool = False) -> Underlying | None:
        """What a person means: ``NIFTY``, ``NIFTY 50``, ``RELIANCE``, a key of these, ``MCX:GOLD``.

        Args:
            name: of the contracts, or any of the spot.
            with_options: whether only what options are written on is meant.
        """
        return next((each for each in self._meant(name) if each.expiries or not with_options), None)

    def _meant(self, name: str) -> Iterator[Underlying]:
        exchange, _, word = name.strip().upper().rpartition(":")
        yield from (each for each in self._of(word) if exchange in ("", each.exchange))
        spot = self._table.resolve(name)
        if spot is None or spot.is_derivative:
            return
        index = indices.by_token(spot.token) if spot.type == "INDEX" else None
        for word in (spot.symbol_without_series, *(index.aliases if index else ())):
            yield from (each for each in self._of(word) if each.spot and each.spot.token == spot.token)

    def _of(self, word: str) -> list[Underlying]:
        """Those that go by this word, the one that is meant where no exchange is named first."""
        word = word.upper()
        contracts: dict[str, list[Instrument]] = {}
        for contract in filter(self._counts, self._table.contracts(self._words.get(word, ""))):
            contracts.setdefault(contract.exchange, []).append(contract)
        exchanges = sorted(contracts, key=_place)
        return [
            self._underlying(word if exchange == exchanges[0] else f"{exchange}:{word}", contracts[exchange])
            for exchange in exchanges
        ]

    def _counts(self, contract: Instrument) -> bool:
        return contract.expiry >= self.on and self._listed(contract)

    def _underlying(self, name: str, contracts: Sequence[Instrument]) -> Underlying:
        first = contracts[0]
        spot = None
        if first.segment in _WITH_SPOT:
            spot = self._table.resolve(f"{first.exchange}:{first.underlying}")
        expiries: dict[str, list[Instrument]] = {}
        for contract in contracts:
            if contract.type == "OPTION":
                expiries.setdefault(contract.expiry, []).append(contract)
        return Underlying(
            name=name,
            exchange=first.exchange,
            spot=spot if spot is not None and not spot.is_derivative else None,
            futures=[contract for contract in contracts if contract.type == "FUTURE"],
            expiries=expiries,
        )


def _place(exchange: str) -> int:
    return _EXCHANGES.index(exchange) if exchange in _EXCHANGES else len(_EXCHANGES)
