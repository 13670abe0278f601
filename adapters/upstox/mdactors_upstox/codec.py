"""Upstox's websocket frames read into quotes: pure, and the hottest code of the adapter.

A binary frame is one ``FeedResponse``. Its feeds are raw bytes under their instrument keys, each parsed
apart, so that a bad one costs only itself. Proto3 leaves zeros out, so a number that is absent may be zero
or not said; what it means is decided here:

- An absent part (last trade, book, candles) was not said.
- In a snapshot (``initial_feed``) an absent number is zero where zero means something.
- In a live frame an absent volume, average, open interest or volatility was not said: none of them falls
  to zero within a day. The quantities on offer may be zero: they count as said beside a book.
- An LTPC comes whole: an absent quantity in it is zero, an absent time means no trade yet.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from google.protobuf.message import DecodeError

from mdactors.adapter import BadPacket, Decoded, Depth, Greeks, Level, Mode, Quote
from mdactors_upstox import salvage
from mdactors_upstox.feed_pb2 import (
    FULL_D30,
    INITIAL_FEED,
    LTPC,
    OHLC,
    Feed,
    FeedResponse,
    FirstLevelWithGreeks,
    IndexFullFeed,
    MarketFullFeed,
    MarketLevel,
    MarketStatus,
    OptionGreeks,
    Rung,
)

_LARGEST = 2.0**53
_NOTICE_LIMIT = 500
_STATUSES: dict[int, str] = {number: name for name, number in MarketStatus.items()}
_GREEKS = ("delta", "theta", "gamma", "vega", "rho")


class UpstoxQuote(Quote, gc=False):
    """A feed of Upstox's; ``book`` is a MarketLevel and ``sensitivities`` an OptionGreeks, both as sent."""

    def depth(self) -> Depth | None:
        """Build the book; the empty rungs with which Upstox pads it are left out."""
        if self.book is None:
            return None
        rungs = MarketLevel.FromString(self.book).bidAskQuote
        return Depth(
            buy=tuple([Level(rung.bidP, quantity) for rung in rungs if (quantity := rung.bidQ)]),
            sell=tuple([Level(rung.askP, quantity) for rung in rungs if (quantity := rung.askQ)]),
        )

    def greeks(self) -> Greeks | None:
        """Build the sensitivities; an absent one is zero."""
        if self.sensitivities is None:
            return None
        said = OptionGreeks.FromString(self.sensitivities)
        return Greeks(*(value if isfinite(value := getattr(said, name)) else None for name in _GREEKS))


def decode(frame: bytes | str) -> Decoded:
    """Read one frame; what cannot be read is reported beside what can."""
    if isinstance(frame, str):
        return Decoded(notice=" ".join(frame.split())[:_NOTICE_LIMIT])
    try:
        response = FeedResponse.FromString(frame)
    except DecodeError:
        return _decode_damaged(frame)
    snapshot = response.type == INITIAL_FEED
    updated = response.currentTs or None
    quotes: list[Quote] = []
    bad: list[BadPacket] = []
    for key, raw in response.feeds.items():
        try:
            quotes.append(_quote(key, raw, snapshot, updated))
        except (DecodeError, ValueError) as error:
            bad.append(BadPacket(f"{key}: {error}", raw))
    if not response.HasField("marketInfo"):
        return Decoded(quotes, bad)
    segments = response.marketInfo.segmentStatus
    return Decoded(quotes, bad, {name: _STATUSES.get(status, "UNKNOWN") for name, status in segments.items()})


def _decode_damaged(frame: bytes) -> Decoded:
    """What is left of a frame that cannot be parsed; its feeds count as updates, as nothing proves them whole."""
    decoded = Decoded()
    rescued = salvage.rescue(frame)
    for key, raw in rescued.feeds:
        try:
            decoded.quotes.append(_quote(key, raw, False, rescued.updated))
        except (DecodeError, ValueError) as error:
            decoded.bad.append(BadPacket(f"{key}: {error}", raw))
    decoded.bad += [BadPacket("a part of a damaged frame", lost) for lost in rescued.lost]
    return decoded


def _quote(key: str, raw: bytes, snapshot: bool, updated: int | None) -> UpstoxQuote:
    """One instrument's feed.

    Raises:
        DecodeError: the bytes are no feed.
        ValueError: it says nothing, or a number that cannot be.
    """
    feed = Feed.FromString(raw)
    if feed.HasField("fullFeed"):
        full = feed.fullFeed
        mode: Mode = "depth30" if feed.requestMode == FULL_D30 else "full"
        if full.HasField("marketFF"):
            return _market(key, mode, full.marketFF, raw, snapshot, updated)
        if full.HasField("indexFF"):
            return _index(key, mode, full.indexFF, raw, snapshot, updated)
    elif feed.HasField("ltpc"):
        return _last_trade(key, feed.ltpc, raw, snapshot, updated)
    elif feed.HasField("firstLevelWithGreeks"):
        return _first_level(key, feed.firstLevelWithGreeks, raw, snapshot, updated)
    raise ValueError("the feed says nothing")


def _market(
    key: str, mode: Mode, full: MarketFullFeed, raw: bytes, snapshot: bool, updated: int | None
) -> UpstoxQuote:
    ltpc, day = full.ltpc, _day(full.marketOHLC.ohlc)
    traded = full.HasField("ltpc")
    ltp, ltt, ltq, cp = ltpc.ltp, ltpc.ltt, ltpc.ltq, ltpc.cp
    atp, vtt, oi, buy, sell = full.atp, full.vtt, full.oi, full.tbq, full.tsq
    opened, high, low = (day.open, day.high, day.low) if day is not None else (0.0, 0.0, 0.0)
    # One comparison for all: not-a-number and infinity fail it too.
    if not -_LARGEST < ltp + ltt + ltq + cp + atp + vtt + oi + buy + sell + opened + high + low < _LARGEST:
        raise ValueError("a number is not finite or too large")
    book = full.marketLevel or None
    if book is not None:
        pass
    sensitivities = full.optionGreeks or None
    if sensitivities is not None:
        pass
    iv = full.iv
    # By position, in the order of `Quote`'s fields: names would cost more.
    return UpstoxQuote(
        key,
        mode,
        ltp if traded else None,
        ltq if traded else None,
        ltt or None,
        vtt if vtt or snapshot else None,
        atp if atp or snapshot else None,
        opened if day is not None else None,
        high if day is not None else None,
        low if day is not None else None,
        cp if traded else None,
        int(oi) if oi or (snapshot and _is_derivative(key)) else None,
        int(buy) if book is not None or snapshot else None,
        int(sell) if book is not None or snapshot else None,
        (ltt or None) if snapshot else updated,
        iv if 0 < iv < _LARGEST else None,
        book,
        sensitivities,
        raw,
        snapshot
        or bool(traded and book and day and vtt and atp and (oi or not _is_derivative(key))),
        snapshot,
    )


def _day(candles):
    for candle in candles:
        if candle.interval == "1d":
            return candle
    return None


def _is_derivative(key: str) -> bool:
    return "_FO|" in key or "_COM|" in key
