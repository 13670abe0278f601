"""What the exchange knows, in the bytes of Upstox's market data feed V3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from mdactors.adapter import Auction, Level
from mdactors.simulator import Candle, PriceState, Said
from mdactors_upstox.wire import part, real, text, whole

MODES = ("ltpc", "full", "option_greeks", "full_d30")
"""In the order of their numbers in ``requestMode``."""
RUNGS = {"full": 5, "full_d30": 30}

_LIVE_FEED, _MARKET_INFO = 1, 2
_ENTRY, _BYTES = 2, 2
"""The frame's field of entries, and how a field that has a length is marked."""
_STATUSES = (
    "PRE_OPEN_START", "PRE_OPEN_END", "NORMAL_OPEN", "NORMAL_CLOSE", "CLOSING_START", "CLOSING_END",
)  # fmt: skip
_DAY_MS, _IST_MS = 86_400_000, 19_800_000


def market_info(
    statuses: Mapping[str, str], now_ms: int, closing: Mapping[str, Said], pre_open: Mapping[str, Said]
) -> bytes:
    """The frame that tells every segment's phase, and how far its auctions are; a map writes zeros too."""
    entries = b"".join(
        part(1, text(1, segment) + (whole(2, _STATUSES.index(status)) or b"\x10\x00"))
        for segment, status in statuses.items()
    )
    entries += b"".join(
        part(field, text(1, segment) + part(2, text(1, said.word) + whole(2, said.since_ms)))
        for field, words in ((2, closing), (3, pre_open))
        for segment, said in words.items()
    )
    return whole(1, _MARKET_INFO) + whole(3, now_ms) + part(4, entries)


def frame(entries: Iterable[bytes], now_ms: int, *, live: bool) -> bytes:
    """A frame of entries; a snapshot's type is zero and so not written."""
    return b"".join((whole(1, _LIVE_FEED) if live else b"", *entries, whole(3, now_ms)))


def entry(state: PriceState, mode: str, *, with_book: bool = True, with_day: bool = True) -> bytes:
    """One instrument's feed under its key; a partial one lacks its book or its candles."""
    if mode == "ltpc":
        feed = part(1, last_trade(state))
    elif mode == "option_greeks":
        feed = part(3, _first_level(state))
    elif state.instrument.type == "INDEX":
        feed = part(2, part(2, _index(state, with_day)))
    else:
        feed = part(2, part(1, _market(state, RUNGS[mode], with_book, with_day)))
    return part(2, text(1, state.instrument.key) + part(2, feed + whole(4, MODES.index(mode))))


def content(entry: bytes) -> bytes:
    """The feed of an entry, which is what a client keeps of it."""
    return _entry(entry, *_length(entry, 1))[1]


def parts(frame: bytes) -> list[tuple[str | None, bytes, bytes]]:
    """Key, feed and bytes of each entry of a frame, under None what is none; nothing where it is damaged."""
    found: list[tuple[str | None, bytes, bytes]] = []
    at = 0
    try:
        while at < len(frame):
            begin, tag = at, frame[at]
            if tag & 7 == _BYTES:
                at, end = _length(frame, at + 1)
                key, said = _entry(frame, at, end) if tag >> 3 == _ENTRY else (None, b"")
            else:
                end, _ = _number(frame, at + 1)
                key, said = None, b""
            if end > len(frame):
                return []
            found.append((key, said, frame[begin:end]))
            at = end
    except (IndexError, UnicodeDecodeError):
        return []
    return found


def _entry(frame: bytes, at: int, end: int) -> tuple[str, bytes]:
    """Key and feed of the entry that lies there."""
    key, feed = "", b""
    while at < end:
        field = frame[at] >> 3
        at, stop = _length(frame, at + 1)
        if field == 1:
            key = frame[at:stop].decode()
        else:
            feed = frame[at:stop]
        at = stop
    return key, feed


def _length(frame: bytes, at: int) -> tuple[int, int]:
    """Begin and end of what a length at this place stands before."""
    begin, size = _number(frame, at)
    return begin, begin + size


def _number(frame: bytes, at: int) -> tuple[int, int]:
    """The end of a varint, and its value."""
    value = shift = 0
    while True:
        byte = frame[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return at, value
        shift += 7


def last_trade(state: PriceState) -> bytes:
    """An LTPC."""
    return (
        real(1, state.last_price)
        + whole(2, state.last_trade_time)
        + whole(3, state.last_quantity)
        + real(4, state.previous_close)
    )


def _market(state: PriceState, rungs: int, with_book: bool, with_day: bool) -> bytes:
    pieces = [part(1, last_trade(state))]
    if with_book:
        pieces.append(part(2, _book(state.bids(rungs), state.asks(rungs), rungs)))
    pieces.append(part(3, _greeks(state)))
    if with_day:
        pieces.append(part(4, _candles(state)))
    pieces += (
        real(5, state.average_price),
        whole(6, state.volume),
        real(7, state.open_interest),
        real(8, state.iv or 0.0),
    )
    if with_book:
        pieces += (real(9, state.buy_quantity), real(10, state.sell_quantity))
    if state.auction is not None:
        pieces.append(_auction(state.auction))
    if state.instrument.cas_eligible:
        pieces.append(whole(16, 1))
    return b"".join(pieces)


def _auction(auction: Auction) -> bytes:
    return (
        real(11, auction.price or 0.0)
        + real(12, auction.reference_price or 0.0)
        + whole(13, auction.matched or 0)
        + whole(14, auction.imbalance or 0)
        + whole(15, auction.market_imbalance or 0)
    )


def _index(state: PriceState, with_day: bool) -> bytes:
    return part(1, last_trade(state)) + (part(2, _candles(state)) if with_day else b"")


def _first_level(state: PriceState) -> bytes:
    best = _book(state.bids(1), state.asks(1), 1)[2:]  # the rung without its tag and length
    return (
        part(1, last_trade(state))
        + part(2, best)
        + part(3, _greeks(state))
        + whole(4, state.volume)
        + real(5, state.open_interest)
        + real(6, state.iv or 0.0)
    )


def _book(bids: Sequence[Level], asks: Sequence[Level], rungs: int) -> bytes:
    """So many rungs, padded with empty ones."""
    nothing = Level(0.0, 0)
    written = [
        whole(1, bid.quantity) + real(2, bid.price) + whole(3, ask.quantity) + real(4, ask.price)
        for bid, ask in zip_longest(bids, asks, fillvalue=nothing)
    ]
    written += [b""] * (rungs - len(written))
    return b"".join([part(1, rung) for rung in written])


def _greeks(state: PriceState) -> bytes:
    """Empty where the instrument is no option."""
    greeks = state.greeks
    if greeks is None:
        return b""
    values = (greeks.delta, greeks.theta, greeks.gamma, greeks.vega, greeks.rho)
    return b"".join(real(number, value or 0.0) for number, value in enumerate(values, 1))


def _candles(state: PriceState) -> bytes:
    """The day's, and the last completed minute's."""
    today = state.exchange_time - (state.exchange_time + _IST_MS) % _DAY_MS
    day = Candle(state.open, state.high, state.low, state.last_price, state.volume, today)
    minute = state.last_minute or state.minute
    return part(1, _candle("1d", day)) + (part(1, _candle("I1", minute)) if minute else b"")


def _candle(interval: str, candle: Candle) -> bytes:
    return b"".join(
        (
            text(1, interval),
            real(2, candle.open),
            real(3, candle.high),
            real(4, candle.low),
            real(5, candle.close),
            whole(6, candle.volume),
            whole(7, candle.start_ms),
        )
    )
