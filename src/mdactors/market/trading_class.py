"""Which instruments keep the same hours: the calendar's classes, and which of them an instrument is of."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mdactors.market.instrument import Instrument

SHARES = "shares"
"""Shares, funds and bonds; also what no other class is for."""
AUCTION_SHARES = "auction_shares"
"""Shares whose day ends with a closing auction: those on which contracts are written."""
INDICES = "indices"
NEAR_FUTURES = "near_futures"
"""Futures on shares and indices that have a pre-open session."""
FUTURES = "futures"
OPTIONS = "options"
CURRENCIES = "currencies"
COMMODITIES = "commodities"
COMMODITIES_TO_21 = "commodities_to_21"
"""Farm goods with a price abroad."""
COMMODITIES_TO_17 = "commodities_to_17"
"""Other farm goods."""

WORLD = "world"
"""The world's indices, GIFT NIFTY among them: no timetable of India's is theirs."""
WORLD_SEGMENTS = frozenset({"GLOBAL_INDEX", "GLOBAL_INDICATOR"})

CLASSES = (
    SHARES, AUCTION_SHARES, INDICES, NEAR_FUTURES, FUTURES, OPTIONS,
    CURRENCIES, COMMODITIES, COMMODITIES_TO_21, COMMODITIES_TO_17,
)  # fmt: skip
SEGMENT_CLASSES: Mapping[str, tuple[str, ...]] = {
    "NSE_EQ": (SHARES, AUCTION_SHARES),
    "BSE_EQ": (SHARES, AUCTION_SHARES),
    "NSE_INDEX": (INDICES,),
    "BSE_INDEX": (INDICES,),
    "NSE_FO": (OPTIONS, NEAR_FUTURES, FUTURES),
    "BSE_FO": (OPTIONS, NEAR_FUTURES, FUTURES),
    "NCD_FO": (CURRENCIES,),
    "BCD_FO": (CURRENCIES,),
    "MCX_FO": (COMMODITIES, COMMODITIES_TO_21, COMMODITIES_TO_17),
    "MCX_INDEX": (COMMODITIES,),
    "NSE_COM": (COMMODITIES, COMMODITIES_TO_21, COMMODITIES_TO_17),
}
"""Segment, in Upstox's words -> the classes of what trades there, that of the most first."""


def class_of_segment(segment: str) -> str:
    """The class that stands for a segment where no instrument is meant."""
    return SEGMENT_CLASSES.get(segment, (SHARES,))[0]


def trading_class_of(instrument: Instrument) -> str:
    """The class of an instrument: as its table says, else what its segment and type tell."""
    if instrument.trading_class:
        return instrument.trading_class
    if instrument.segment in WORLD_SEGMENTS:
        return WORLD
    if instrument.type == "INDEX" and instrument.segment != "MCX_INDEX":
        return INDICES
    if instrument.type == "FUTURE" and instrument.segment in ("NSE_FO", "BSE_FO"):
        return FUTURES
    return class_of_segment(instrument.segment)


class Traded(msgspec.Struct, frozen=True):
    """What is traded somewhere at the same times."""

    segment: str
    trading_class: str
