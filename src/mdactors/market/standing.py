"""Where one share stands against the close before: what movers and sectors are made of."""

from __future__ import annotations

import msgspec

from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.tick import Tick
from mdactors.market.view import LARGEST, change_since

NS_PER_MS = 1_000_000


class Standing(msgspec.Struct, frozen=True, gc=False):
    """One instrument's day, as its newest tick tells it; prices and ``value`` are rupees."""

    instrument: Instrument
    day: int
    """Of the last trade, in days since 1970 on India's calendar."""
    last_price: float
    change: float
    change_percent: float
    """With two decimals, as clients read it in the tick."""
    volume: int
    value: float
    """What was paid for the day's volume."""


def standing(tick: Tick) -> Standing | None:
    """Where the tick's instrument stands; None without a price or a close before, or with impossible ones."""
    quote = tick.quote
    last = quote.last_price
    change, percent = change_since(quote.previous_close, last)
    if last is None or change is None or percent is None:
        return None
    day = ist.day_number(tick.received_ns)
    if quote.last_trade_time is not None:  # a share that has not traded today still says yesterday's
        day = min(day, ist.day_number(quote.last_trade_time * NS_PER_MS))
    volume = quote.volume or 0
    value = volume * (last if quote.average_price is None else quote.average_price)
    # What is no number has no place in an order and no part in a sum: one of it would spoil them all.
    if not -LARGEST < value < LARGEST:
        return None
    return Standing(tick.instrument, day, last, change, percent, volume, value)
