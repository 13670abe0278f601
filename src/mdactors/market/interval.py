"""How wide bars are, where each begins, and how minute bars become wider ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import RANKS, Bar, Interval
from mdactors.market.trading_class import trading_class_of

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
DAY_MS = ist.DAY_SECONDS * SECOND_MS
NS_PER_MS = 1_000_000

WIDTHS_MS: dict[Interval, int] = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "1d": DAY_MS,
}


def combine(bars: Iterable[Bar], interval: Interval, calendar: Calendar) -> Iterator[Bar]:
    """One instrument's minute bars, oldest first, as bars of ``interval``, oldest first.

    Bars of less than a day hold continuous trading alone, and are aligned to where it begins, not to the
    clock: those of an hour begin at 09:15, 10:15 …; the last one may be shorter. That of the day begins
    where its continuous trading does and holds all of its trades, those of auctions too; an index has none.

    An interval without a minute bar has none. The first and the last one are made of what was given,
    be it a part of their interval; of the sources of its minutes the least is a bar's. Where the calendar
    knows no session, the day begins at midnight.
    """
    begun = ((_begin(bar, interval, calendar), bar) for bar in bars)
    for start, group in groupby(begun, lambda each: each[0]):
        if start is None:
            continue
        first, *rest = parts = [bar for _, bar in group]
        yield Bar(
            first.instrument,
            interval,
            start,
            first.open,
            max([first.high, *(bar.high for bar in rest)]),
            min([first.low, *(bar.low for bar in rest)]),
            rest[-1].close if rest else first.close,
            first.volume + sum(bar.volume for bar in rest),
            source=min((bar.source for bar in parts), key=RANKS.__getitem__),
        )


def _begin(bar: Bar, interval: Interval, calendar: Calendar) -> int | None:
    """Where the wider bar begins that holds a minute; None where none does. Epoch milliseconds."""
    at_ns = bar.start * NS_PER_MS
    trading_class = trading_class_of(bar.instrument)
    parts = calendar.parts(trading_class, at_ns)
    part = calendar.part(trading_class, at_ns)
    # What is computed in an auction is no index yet.
    if parts and part.phase != "open" and (interval != "1d" or bar.instrument.type == "INDEX"):
        return None
    if interval == "1d":
        opens = next((part for part in parts if part.phase == "open"), None)
        return midnight_ms(bar.start) if opens is None else opens.begin_ns // NS_PER_MS
    begin = part.begin_ns // NS_PER_MS if parts else midnight_ms(bar.start)
    return bar.start - (bar.start - begin) % WIDTHS_MS[interval]


def midnight_ms(at_ms: int) -> int:
    """When the date of that time began in India; epoch milliseconds."""
    return at_ms - at_ms % SECOND_MS - ist.second_of_day(at_ms * NS_PER_MS) * SECOND_MS
