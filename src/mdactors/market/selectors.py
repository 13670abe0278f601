"""What a configuration may name to be streamed always: five kinds of selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from mdactors.market.instrument import InstrumentType
from mdactors.market.quote import Mode

Name = Annotated[str, Meta(min_length=1)]
Limit: TypeAlias = Annotated[
    Annotated[int, Meta(ge=1)] | Literal["all"], Meta(description="a number of at least 1, or all")
]

LIMITS: Mapping[InstrumentType, int] = {"INDEX": 100, "STOCK": 500, "FUTURE": 200, "OPTION": 500}
"""How many of a type are taken where its selector does not say."""


class TypeSelector(msgspec.Struct, frozen=True):
    """The most important instruments of a type; see `Universe` for their order."""

    type: InstrumentType
    exchange: Literal["NSE", "BSE", "MCX"] | None = None
    """None: every exchange."""
    limit: Limit | None = None
    """None: see `LIMITS`."""
    etfs: Literal["with", "without", "only"] = "with"
    """Whether type STOCK means the units of funds, too."""
    series: tuple[Name, ...] | None = None
    """Which of NSE's series are shares, for type STOCK; None: ``instruments.series``."""
    mode: Mode | None = None
    """None here and in all others: ``subscriptions.mode``."""

    def __post_init__(self) -> None:
        if self.type != "STOCK" and (self.etfs != "with" or self.series is not None):
            raise ValueError("etfs and series are for type STOCK")

    @property
    def most(self) -> int | None:
        """How many are taken; None for all."""
        limit = LIMITS[self.type] if self.limit is None else self.limit
        return None if limit == "all" else limit

    def __str__(self) -> str:
        return f"{self.type} {self.exchange}" if self.exchange else self.type


class SymbolSelector(msgspec.Struct, frozen=True):
    """Instruments one by one, by any name that is understood."""

    symbols: Annotated[tuple[Name, ...], Meta(min_length=1)]
    mode: Mode | None = None

    def __str__(self) -> str:
        count = len(self.symbols)
        return f"{count} symbol{'s' if count != 1 else ''}"


class SectorSelector(msgspec.Struct, frozen=True):
    """The shares of a sector, by its code, its name or NSE's name of an industry."""

    sector: Name
    mode: Mode | None = None

    def __str__(self) -> str:
        return f"sector {self.sector}"


class MemberSelector(msgspec.Struct, frozen=True):
    """The shares of an index."""

    members: Name
    mode: Mode | None = None

    def __str__(self) -> str:
        return f"members {self.members}"


class ChainSelector(msgspec.Struct, frozen=True):
    """The options of an underlying around the money, and what says where the money is."""

    chain: Name
    expiries: Annotated[int, Meta(ge=1)] = 2
    """How many, the nearest first."""
    strikes: Annotated[int, Meta(ge=0)] = 10
    """How many on each side of the one at the money."""
    mode: Mode | None = None

    def __str__(self) -> str:
        return f"chain {self.chain}"


Selector: TypeAlias = TypeSelector | SymbolSelector | SectorSelector | MemberSelector | ChainSelector
