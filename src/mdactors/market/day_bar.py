"""The bar of a day by the day's own figures, which count every trade."""

from __future__ import annotations

from msgspec.structs import replace

from mdactors.market import ist
from mdactors.market.candle import Bar
from mdactors.market.interval import NS_PER_MS
from mdactors.market.quote import Quote


def by_figures(bar: Bar, newest: Quote) -> Bar:
    """A day's bar that was made of its minutes, by what the newest update of that date says of the day.

    Minutes may lack what nobody heard. Where they reach beyond the figures, they were made of more than
    what came until then: both count. Figures that are no whole, or of another day, count nothing.
    """
    open_, high, low, close = newest.open, newest.high, newest.low, newest.last_price
    volume = 0 if bar.instrument.type == "INDEX" else newest.volume
    if not open_ or not high or not low or not close or volume is None or not _is_of(bar, newest):
        return bar
    if high < bar.high or low > bar.low or volume < bar.volume:
        high, low, volume, close = max(high, bar.high), min(low, bar.low), max(volume, bar.volume), bar.close
    return replace(bar, open=open_, high=high, low=low, close=close, volume=volume)


def _is_of(bar: Bar, newest: Quote) -> bool:
    traded = newest.last_trade_time
    return traded is None or ist.date(traded * NS_PER_MS) == ist.date(bar.start * NS_PER_MS)
