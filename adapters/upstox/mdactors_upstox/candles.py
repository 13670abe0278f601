"""The candles of a full feed: the day's, whose close is the last price, and the last minute's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

from mdactors.adapter import SENTINELS, BrokerBar
from mdactors_upstox.bounds import LARGEST, LARGEST_SQUARE, MOST, check
from mdactors_upstox.feed_pb2 import OHLC

MINUTE_MS = 60_000
_DAY = Struct("<5sdBdBd")
"""How a candle begins that says its interval, open, high and low: each behind the tag of its field."""
_DAY_BEGINS, _DAY_TAGS = b"\x0a\x021d\x11", (0x19, 0x21)
_MINUTE_BEGINS = b"\x0a\x02I1"
_MINUTES_KEPT = 16_384
"""Of so many instruments a minute's candle is read once, though each frame repeats it."""


def read_candles(
    candles: Sequence[bytes], updated: int | None
) -> tuple[float | None, float | None, float | None, BrokerBar | None]:
    """Open, high and low of the day's candle, and the minute's, if that is over by the frame's time.

    The day's close is the last price, not the previous close.
    """
    opening: float | None = None
    high = low = 0.0
    minute = None
    for raw in candles[:]:  # a list: to walk over protobuf's own costs three times as much
        if raw.startswith(_MINUTE_BEGINS):
            minute = _minute(raw)
        elif opening is None:
            if raw.startswith(_DAY_BEGINS) and len(raw) >= _DAY.size:
                _, opening, one, high, other, low = _DAY.unpack_from(raw)
                if (one, other) != _DAY_TAGS:  # one is zero and left out
                    opening, high, low = _read_day(raw)
            else:
                opening, high, low = _read_day(raw)
    if opening is not None and not opening * opening + high * high + low * low < LARGEST_SQUARE:
        check(opening, high, low)
    if minute is not None and (updated is None or updated < minute.start + MINUTE_MS):
        minute = None
    return (None, None, None, minute) if opening is None else (opening, high, low, minute)


def _read_day(raw: bytes) -> tuple[float | None, float, float]:
    day = OHLC.FromString(raw)
    return (day.open if day.interval == "1d" else None), day.high, day.low


@lru_cache(maxsize=_MINUTES_KEPT)
def _minute(raw: bytes) -> BrokerBar | None:
    """A minute's candle; None where it cannot be one."""
    said = OHLC.FromString(raw)
    prices = said.open, said.high, said.low, said.close
    is_bar = (
        said.ts > 0
        and said.ts % MINUTE_MS == 0
        and 0 <= said.vol < MOST
        and said.low > 0
        and said.high < LARGEST
        and all(said.low <= price <= said.high for price in prices)
        and SENTINELS.isdisjoint(prices)
    )
    return BrokerBar(said.ts, *prices, said.vol) if is_bar else None
