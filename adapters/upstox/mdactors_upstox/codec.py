"""Upstox's websocket frames read into quotes: pure, and the hottest code of the adapter.

A binary frame is one ``FeedResponse``. Its feeds are raw bytes under their instrument keys, each parsed
apart, so that a bad one costs only itself. Proto3 leaves zeros out, so a number that is absent may be zero
or not said; what it means is decided here:

- An absent part (last trade, book, candles) was not said.
- In a snapshot (``initial_feed``) an absent number is zero where zero means something.
- In a live frame an absent volume, average, open interest or volatility was not said: none of them falls
  to zero within a day. The quantities on offer may be zero, both at a time, at a price band: one that is
  there says both, a book says both, neither says neither.
- An LTPC and a candle come whole: an absent price in one is 0 and so not known (see `Quote`), an absent
  quantity is zero, an absent time means no trade yet.
- The numbers of an auction stand beside the parts of each feed: where none is there, there is no auction.

A number that is not finite, or not below 2^53 in magnitude, cannot be: it costs its feed, but in a book
only its rung, and among the sensitivities, the volatility, an auction, a minute and the frame's time only
itself. A price that is a sentinel is not known, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from google.protobuf.wrappers_pb2 import DoubleValue

from mdactors.adapter import (
    SENTINELS,
    BadPacket,
    Decoded,
    Depth,
    Greeks,
    Level,
    Mode,
    Outgoing,
    Quote,
    refuse_sentinels,
)
from mdactors_upstox import salvage
from mdactors_upstox.auction import read_auction
from mdactors_upstox.bounds import LARGEST, LARGEST_SQUARE, MOST, check, is_price, possible
from mdactors_upstox.candles import read_candles
from mdactors_upstox.feed_pb2 import (
    FULL_D30,
    INITIAL_FEED,
    LTPC,
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

_SUSPECT_SQUARE = 1e14
"""Prices whose squares make up so much are looked at: the sentinels are among them."""
_NOTICE_LIMIT = 500
_STATUSES: dict[int, str] = {number: name for name, number in MarketStatus.items()}
_GREEKS = ("delta", "theta", "gamma", "vega", "rho")
_WIRE_MODES: dict[Mode, str] = {
    "ltp": "ltpc",
    "quote": "option_greeks",
    "full": "full",
    "depth30": "full_d30",
}


class UpstoxQuote(Quote, gc=False):
    """A feed of Upstox's; ``book`` is a MarketLevel and ``sensitivities`` an OptionGreeks, both as sent."""

    def depth(self) -> Depth | None:
        """Build the book without rungs that pad it, that cannot be, or that name no price: orders at any."""
        if self.book is None:
            return None
        rungs = MarketLevel.FromString(self.book).bidAskQuote
        return Depth(
            buy=tuple(
                [
                    Level(price, quantity)
                    for rung in rungs
                    if 0 < (quantity := rung.bidQ) < MOST and is_price(price := rung.bidP)
                ]
            ),
            sell=tuple(
                [
                    Level(price, quantity)
                    for rung in rungs
                    if 0 < (quantity := rung.askQ) < MOST and is_price(price := rung.askP)
                ]
            ),
        )

    def greeks(self) -> Greeks | None:
        """Build the sensitivities; an absent one is zero, one that cannot be is not said."""
        if self.sensitivities is None:
            return None
        said = OptionGreeks.FromString(self.sensitivities)
        return Greeks(*(value if possible(value := getattr(said, name)) else None for name in _GREEKS))


def request(guid: str, method: str, keys: Sequence[str], mode: Mode | None = None) -> Outgoing:
    """One request: JSON, but in a binary frame; Upstox passes text frames over."""
    data: dict[str, object] = {"instrumentKeys": keys}
    if mode is not None:
        data["mode"] = _WIRE_MODES[mode]
    return Outgoing(msgspec.json.encode({"guid": guid, "method": method, "data": data}), binary=True)


def decode(frame: bytes | str) -> Decoded:
    """Read one frame; what cannot be read is reported beside what can."""
    if isinstance(frame, str):
        return Decoded(notice=" ".join(frame.split())[:_NOTICE_LIMIT])
    try:
        response = FeedResponse.FromString(frame)
    except DecodeError:
        return _decode_damaged(frame)
    snapshot = response.type == INITIAL_FEED
    updated: int | None = response.currentTs
    if not updated or not possible(updated):
        updated = salvage.current_time(frame)
    quotes: list[Quote] = []
    bad: list[BadPacket] = []
    refused: list[str] = []
    for key, raw in response.feeds.items():
        try:
            quotes.append(_quote(key, raw, snapshot, updated, refused))
        except (DecodeError, ValueError) as error:
            bad.append(BadPacket(f"{key}: {error}", raw))
    if bad or UnknownFieldSet(response):  # an entry of a damaged length may have swallowed its neighbours
        found, _ = salvage.rescue(frame, lambda key, raw: _quote(key, raw, snapshot, updated, []))
        quotes += [quote for key, quote in found.items() if key not in response.feeds]
    if not response.HasField("marketInfo"):
        return Decoded(quotes, bad, refused=refused)
    segments = response.marketInfo.segmentStatus
    statuses = {name: _STATUSES.get(status, "UNKNOWN") for name, status in segments.items()}
    return Decoded(quotes, bad, statuses, refused=refused)


def _decode_damaged(frame: bytes) -> Decoded:
    """What is left of a frame that cannot be parsed; nothing proves its feeds a snapshot."""
    updated = salvage.current_time(frame)
    found, lost = salvage.rescue(frame, lambda key, raw: _quote(key, raw, False, updated, []))
    return Decoded(list(found.values()), [BadPacket("a part of a damaged frame", data) for data in lost])


def _quote(key: str, raw: bytes, snapshot: bool, updated: int | None, refused: list[str]) -> UpstoxQuote:
    """One instrument's feed; ``refused`` gets what it says of sentinels.

    Raises:
        DecodeError: the bytes are no feed.
        ValueError: it says nothing, or a number that cannot be.
    """
    feed = Feed.FromString(raw)
    full = feed.fullFeed
    if full.HasField("marketFF"):
        mode: Mode = "depth30" if feed.requestMode == FULL_D30 else "full"
        return _market(key, mode, full.marketFF, raw, snapshot, updated, refused)
    if full.HasField("indexFF"):
        mode = "depth30" if feed.requestMode == FULL_D30 else "full"
        quote = _index(key, mode, full.indexFF, raw, snapshot, updated)
    elif feed.HasField("ltpc"):
        quote = _last_trade(key, feed.ltpc, raw, snapshot, updated)
    elif feed.HasField("firstLevelWithGreeks"):
        quote = _first_level(key, feed.firstLevelWithGreeks, raw, snapshot, updated)
    else:
        raise ValueError("the feed says nothing")
    prices = (quote.last_price, quote.previous_close, quote.open, quote.high, quote.low)
    if not SENTINELS.isdisjoint(prices):
        refused += refuse_sentinels(quote)
    return quote if all(prices) else _settled(quote)


def _market(
    key: str, mode: Mode, full: MarketFullFeed, raw: bytes, snapshot: bool, updated: int | None,
    refused: list[str],
) -> UpstoxQuote:  # fmt: skip
    ltpc = full.ltpc
    ltp, ltt, ltq, cp = ltpc.ltp, ltpc.ltt, ltpc.ltq, ltpc.cp
    traded = ltp != 0 or full.HasField("ltpc")
    atp, vtt, oi, buy, sell, iv = full.atp, full.vtt, full.oi, full.tbq, full.tsq, full.iv
    opening, high, low, minute = read_candles(full.marketOHLC.ohlc, updated)
    prices = ltp * ltp + cp * cp + atp * atp
    if (ltt | ltq | vtt) >> 53 or not prices + oi * oi + buy * buy + sell * sell < LARGEST_SQUARE:
        check(ltp, cp, atp, oi, buy, sell, ltt, ltq, vtt)
    book, sensitivities = full.marketLevel or None, full.optionGreeks or None
    if book is not None:
        MarketLevel.FromString(book)  # so that `depth` cannot fail later
    if sensitivities is not None:
        OptionGreeks.FromString(sensitivities)
    offers = snapshot or book is not None or buy != 0 or sell != 0
    iep, rp, ieq, left, left_at_market = full.iep, full.rp, full.ieq, full.iiqTotal, full.iiqM
    is_complete = snapshot or (
        traded
        and book is not None
        and opening is not None
        and vtt != 0
        and atp != 0
        and (oi != 0 or not _is_derivative(key))
    )
    # By position, in the order of `Quote`'s fields: names would cost more.
    quote = UpstoxQuote(
        key, mode, ltp if traded else None, ltq if traded else None, ltt or None,
        vtt if vtt or snapshot else None, atp or None, opening, high, low, cp if traded else None,
        int(oi) if oi or (snapshot and _is_derivative(key)) else None,
        int(buy) if offers else None, int(sell) if offers else None,
        (ltt or None) if snapshot else updated, iv if 0 < iv < LARGEST else None,
        book, sensitivities, raw, is_complete, snapshot,
    )  # fmt: skip
    if minute is not None:
        quote.minute = minute
    if iep or rp or ieq or left or left_at_market:
        quote.auction = read_auction(iep, rp, ieq, left, left_at_market)
    if opening is not None and high is not None and low is not None:
        prices += opening * opening + high * high + low * low
    if not prices < _SUSPECT_SQUARE:
        refused += refuse_sentinels(quote)
    return _settled(quote) if not (ltp and cp and opening and high and low) else quote


def _index(
    key: str, mode: Mode, full: IndexFullFeed, raw: bytes, snapshot: bool, updated: int | None
) -> UpstoxQuote:
    quote = _last_trade(key, full.ltpc, raw, snapshot, updated)
    traded = full.HasField("ltpc")
    if not traded:
        quote.last_price = quote.previous_close = None
    quote.mode = mode
    quote.volume, quote.last_quantity = 0, None  # an index is not traded
    quote.open, quote.high, quote.low, quote.minute = read_candles(full.marketOHLC.ohlc, updated)
    quote.complete = snapshot or (traded and quote.open is not None)
    return quote


def _last_trade(key: str, ltpc: LTPC, raw: bytes, snapshot: bool, updated: int | None) -> UpstoxQuote:
    """A feed of mode ltpc: complete, and without a quantity where none is told (an index has none)."""
    ltp, ltt, ltq, cp = ltpc.ltp, ltpc.ltt, ltpc.ltq, ltpc.cp
    if (ltt | ltq) >> 53 or not ltp * ltp + cp * cp < LARGEST_SQUARE:
        check(ltp, cp, ltt, ltq)
    return UpstoxQuote(
        key,
        "ltp",
        ltp,
        ltq or None,
        ltt or None,
        previous_close=cp,
        exchange_time=(ltt or None) if snapshot else updated,
        raw=raw,
        complete=True,
        snapshot=snapshot,
        auction=read_auction(DoubleValue.FromString(ltpc.iep).value, 0.0, 0, 0, 0) if ltpc.iep else None,
    )


def _first_level(
    key: str, said: FirstLevelWithGreeks, raw: bytes, snapshot: bool, updated: int | None
) -> UpstoxQuote:
    """A feed of mode option_greeks: a book of one rung, and neither the day's figures nor totals on offer."""
    quote = _last_trade(key, said.ltpc, raw, snapshot, updated)
    traded, vtt, oi, iv = said.HasField("ltpc"), said.vtt, said.oi, said.iv
    if vtt >> 53 or not -LARGEST < oi < LARGEST:
        check(vtt, oi)
    quote.mode = "quote"
    quote.last_quantity = said.ltpc.ltq if traded else None
    if not traded:
        quote.last_price = quote.previous_close = None
    quote.volume = vtt if vtt or snapshot else None
    quote.open_interest = int(oi) if oi or (snapshot and _is_derivative(key)) else None
    quote.iv = iv if 0 < iv < LARGEST else None
    if said.firstDepth:
        rung = Rung.FromString(said.firstDepth)
        quote.book = MarketLevel(bidAskQuote=[rung]).SerializeToString()
    if said.optionGreeks:
        OptionGreeks.FromString(said.optionGreeks)
        quote.sensitivities = said.optionGreeks
    quote.complete = snapshot or (
        traded and quote.book is not None and vtt != 0 and (oi != 0 or not _is_derivative(key))
    )
    return quote


def _settled(quote: UpstoxQuote) -> UpstoxQuote:
    """The quote with its prices of 0 as `Quote` has them: None where nothing fills them in any more."""
    if quote.complete:
        quote.last_price = quote.last_price or None
        quote.previous_close = quote.previous_close or None
        quote.open, quote.high, quote.low = quote.open or None, quote.high or None, quote.low or None
    return quote


def _is_derivative(key: str) -> bool:
    return "_FO|" in key or "_COM|" in key
