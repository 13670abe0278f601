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


def begin(interval: Interval, at_ms: int, open_ms: int) -> int:
    """Where the bar begins that holds ``at_ms``, in a session that opens at ``open_ms``; epoch milliseconds.

    Bars are aligned to the session, not to the clock: those of an hour begin at 09:15, 10:15 …, that of
    the day at the open. The last one of a session may be shorter.
    """
    if interval == "1d":
        return open_ms
    return at_ms - (at_ms - open_ms) % WIDTHS_MS[interval]


def combine(bars: Iterable[Bar], interval: Interval, calendar: Calendar) -> Iterator[Bar]:
    """One instrument's minute bars, oldest first, as bars of ``interval``, oldest first.

    An interval without a minute bar has none. The first and the last one are made of what was given,
    be it a part of their interval; of the sources of its minutes the least is a bar's. Where the calendar
    knows no session, the day begins at midnight.
    """
    for start, part in groupby(bars, lambda bar: begin(interval, bar.start, _open_ms(bar, calendar))):
        first, *rest = parts = list(part)
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


def _open_ms(bar: Bar, calendar: Calendar) -> int:
    at_ns = bar.start * NS_PER_MS
    session = calendar.session(trading_class_of(bar.instrument), at_ns)
    if session is None:
        return bar.start - ist.second_of_day(at_ns) * SECOND_MS - bar.start % SECOND_MS
    return session.open_ns // NS_PER_MS
