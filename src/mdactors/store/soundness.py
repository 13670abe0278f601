"""Whether a row is one that our own schema takes: a table that refuses it is at fault, not the row."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mdactors.market.candle import Bar
from mdactors.market.tick import Tick
from mdactors.store import bars
from mdactors.store.ticks import COLUMNS, row_of

LONGEST_TEXT = 2000
"""Bytes of UTF-8; of very long ones no index can be made."""
FIRST_MS, LAST_MS = -210_866_803_200_000, 9_224_318_015_999_999
"""The times that every store knows, in epoch milliseconds: from the year 4713 BC to the year 294276."""
_TIMES = [COLUMNS.index(name) for name in ("tick_timestamp", "received_at", "last_trade_time")]
_MISSING = frozenset(
    map(
        COLUMNS.index,
        (
            "last_price", "volume", "open", "high", "low", "previous_close", "open_interest", "average_price",
            "last_quantity", "buy_quantity", "sell_quantity", "depth", "greeks", "iv", "last_trade_time",
            "extra",
        ),
    )
)  # fmt: skip
"""The columns of a tick that may be empty."""


def is_sound_tick(tick: Tick) -> bool:
    """Whether a fresh table of ticks takes this one."""
    try:
        row = row_of(tick)
    except (ArithmeticError, TypeError, ValueError):
        return False
    return (
        _fit(row)
        and all(place in _MISSING for place, value in enumerate(row) if value is None)
        and all(FIRST_MS <= row[place] <= LAST_MS for place in _TIMES if row[place] is not None)
    )


def is_sound_bar(bar: Bar) -> bool:
    """Whether a fresh table of bars takes this one."""
    row = bars.row_of(bar)
    return _fit(row) and None not in row and FIRST_MS <= bar.start <= LAST_MS


def _fit(row: Iterable[object]) -> bool:
    return all(map(_fits, row))


def _fits(value: object) -> bool:
    """Whether a column of its type can hold it."""
    match value:
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case str():
            try:
                return len(value.encode()) <= LONGEST_TEXT and "\0" not in value
            except UnicodeEncodeError:
                return False
    return True
