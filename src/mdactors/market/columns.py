"""A tick as a row of a table: the fields of its JSON, nested ones under dotted names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from mdactors.market.quote import Mode
from mdactors.market.view import FULL_RUNGS

Kind = Literal["text", "whole", "number", "time", "flag"]
"""``time`` is ISO 8601 with milliseconds and offset, ``flag`` is false where the JSON leaves it out."""

DEEPEST_RUNGS = 30
_OBJECTS = ("ohlc", "greeks", "auction")


class Column(msgspec.Struct, frozen=True):
    """One column, named as `flat` names the value."""

    name: str
    kind: Kind

    @property
    def absent(self) -> bool | None:
        """What stands where a tick says nothing."""
        return False if self.kind == "flag" else None


def flat(tick: dict[str, Any]) -> dict[str, Any]:
    """A tick's decoded JSON with everything in its objects under dotted names as well; rungs count from 1.

    Objects stay under their own names, too. The tick itself is changed.
    """
    for name in _OBJECTS:
        if name in tick:
            for part, value in tick[name].items():
                tick[f"{name}.{part}"] = value
    if "depth" in tick:
        for side, levels in tick["depth"].items():
            tick[f"depth.{side}"] = levels
            for rung, level in enumerate(levels, 1):
                tick[f"depth.{side}.{rung}"] = level
                for part, value in level.items():
                    tick[f"depth.{side}.{rung}.{part}"] = value
    return tick


def _columns(kind: Kind, *names: str) -> list[Column]:
    return [Column(name, kind) for name in names]


_BEGIN = [
    *_columns("text", "symbol"),
    *_columns("whole", "instrumentToken"),
    *_columns("text", "type", "exchange", "instrumentKey", "source"),
    *_columns("time", "timestamp"),
    *_columns("text", "timestampSource"),
    *_columns("time", "receivedAt"),
    *_columns("whole", "epoch", "seq"),
    *_columns("time", "lastTradeTime"),
    *_columns("number", "lastTradedPrice"),
]
_DAY = [
    *_columns("whole", "volume"),
    *_columns("number", "ohlc.open", "ohlc.high", "ohlc.low", "ohlc.close"),
]
_END = [
    *_columns("number", "change", "changePercent"),
    *_columns("flag", "etf", "snapshot", "repeat", "late"),
    *_columns("text", "phase"),
]
_BOOK = [
    *_columns("number", "averagePrice"),
    *_columns("whole", "lastQuantity", "openInterest"),
    *_columns("whole", "openInterestHigh", "openInterestLow", "openInterestChange"),
    *_columns("whole", "buyQuantity", "sellQuantity"),
    *_columns("number", "greeks.delta", "greeks.theta", "greeks.gamma", "greeks.vega", "greeks.rho", "iv"),
    *_columns("number", "auction.price", "auction.referencePrice"),
    *_columns("whole", "auction.matched", "auction.imbalance"),
    *_columns("text", "auction.side"),
]


def _rungs(count: int) -> list[Column]:
    kinds: dict[str, Kind] = {"price": "number", "quantity": "whole", "orders": "whole"}
    return [
        Column(f"depth.{side}.{rung}.{part}", kind)
        for side in ("buy", "sell")
        for rung in range(1, count + 1)
        for part, kind in kinds.items()
    ]


COLUMNS: Mapping[Mode, Sequence[Column]] = {
    "ltp": [*_BEGIN, *_END],
    "quote": [*_BEGIN, *_DAY, *_END],
    "full": [*_BEGIN, *_DAY, *_END, *_BOOK, *_rungs(FULL_RUNGS)],
    "depth30": [*_BEGIN, *_DAY, *_END, *_BOOK, *_rungs(DEEPEST_RUNGS)],
}
"""The columns of every mode, in their order."""


def fields(mode: Mode) -> list[str]:
    """The fields of a tick's JSON in a mode, in the order of the columns."""
    return list(dict.fromkeys(column.name.partition(".")[0] for column in COLUMNS[mode]))


def choose(mode: Mode, names: Sequence[str]) -> list[Column]:
    """The columns that these names mean, in the order of the names; an object's name means all in it.

    Raises:
        ValueError: a name that no column of the mode has; the message says which there are.
    """
    chosen: list[Column] = []
    for name in names:
        meant = [c for c in COLUMNS[mode] if c.name == name or c.name.startswith(f"{name}.")]
        if not meant:
            known = ", ".join(fields(mode))
            raise ValueError(f"{name!r} is no field of a tick in mode {mode}; there are {known}")
        chosen += meant
    return list(dict.fromkeys(chosen))
