"""Bars of open, high, low, close and volume."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.phase import Phase

Interval = Literal["1s", "1m", "3m", "5m", "15m", "30m", "1h", "1d"]
"""The width of a bar; ``1s`` and ``1m`` are built from ticks and stored, the others from minute bars."""

BarSource = Literal["ticks", "broker", "backfill"]
"""Who made a bar, in the order of their ranks: a bar gives way to one of its own rank, or a higher one."""
Preferred = Literal["broker", "ticks"]
"""Whose minutes count where a broker tells its own: its bars, or those of ticks alone."""
RANKS: dict[BarSource, int] = {source: rank for rank, source in enumerate(get_args(BarSource))}


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One instrument's trades within one interval. Prices are rupees, volume is pieces."""

    instrument: Instrument
    interval: Interval
    start: int
    """Epoch milliseconds of the interval's begin."""
    open: float
    high: float
    low: float
    close: float
    volume: int
    """Traded within the interval; 0 for an index."""
    correction: bool = False
    """Published before with other values: a late tick, or a source of higher rank, changed it."""
    source: BarSource = "ticks"
    phase: Phase = "open"

    def gives_way_to(self, other: Bar) -> bool:
        """Whether a later version of the same bar takes its place."""
        return RANKS[other.source] >= RANKS[self.source]
