"""Kite's websocket frames read into quotes: pure, and the hottest code of the daemon.

A binary frame is a count of packets, then each packet behind its length; the length alone chooses the
layout. All numbers are big-endian. Prices are signed and scaled by the instrument's segment,
quantities and times are unsigned, and a time of zero means that there was no trade yet.

A price of zero is not known: before the first trade of a share or an index, and of a day's open, high, low
and average. So is a sentinel, the extremes of 32 bits and twenty million rupees, which is counted. Below
zero a price stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import ClassVar

import msgspec

from mdactors.adapter import BadPacket, Decoded, Depth, Level, Quote, refuse_sentinels

_CDS, _BCD, _NCO = 3, 6, 12
_DIVISORS = tuple({_CDS: 1e7, _BCD: 1e4, _NCO: 1e4}.get(segment, 100.0) for segment in range(256))
"""What a raw price is divided by, for each low byte of an instrument's token."""

_CASH = frozenset({1, 4})
"""NSE's and BSE's shares: they have no open interest, and Kite sends 0."""

_LTP = Struct(">Ii")
_INDEX_QUOTE = Struct(">Iiiiii4x")
_QUOTE = Struct(">IiIiIIIiiii")
_FULL = Struct(">IiIiIIIiiiiIIIII120s")
_FULL_SIZE = _FULL.size
_unpack_full = _FULL.unpack
_LEVEL = Struct(">IiHxx")
_SIDE = 5 * _LEVEL.size
_NOTICE_LIMIT = 500
_EXTREMES = frozenset({2**31 - 1, 1 - 2**31, -(2**31)})
_PAISE_SENTINELS = _EXTREMES | {2_000_000_000, -2_000_000_000}
"""Sentinels as they stand on the wire, the latter where a rupee is a hundred."""
_USUAL_BITS = 30
"""Prices that need more, and negative ones, may be sentinels: together they are looked at once."""


class KiteQuote(Quote, gc=False):
    """A packet of Kite's; the book is its last 120 bytes, five bids and then five asks."""

    counts_to: ClassVar[int] = 1 << 32

    def depth(self) -> Depth | None:
        """Build the book without empty rungs, all zeros on the wire, and those at no price: orders at any."""
        book = self.book
        if book is None:
            return None
        divisor = _DIVISORS[int(self.token) & 0xFF]
        return Depth(buy=_levels(book[:_SIDE], divisor), sell=_levels(book[_SIDE:], divisor))


def _levels(side: bytes, divisor: float) -> tuple[Level, ...]:
    none = _PAISE_SENTINELS if divisor == 100.0 else _EXTREMES
    return tuple(
        [
            Level(price / divisor, quantity, orders)
            for quantity, price, orders in _LEVEL.iter_unpack(side)
            if quantity and price and price not in none
        ]
    )


def decode(frame: bytes | str) -> Decoded:
    """Read one frame; what cannot be read is reported beside what can."""
    if isinstance(frame, str):
        return Decoded(notice=_notice(frame))
    quotes: list[Quote] = []
    bad: list[BadPacket] = []
    refused: list[str] = []
    size = len(frame)
    if size < 2:  # a heartbeat
        return Decoded()
    count = frame[0] << 8 | frame[1]
    end = 2
    for number in range(count):
        start = end + 2
        if start > size or (stop := start + (length := frame[end] << 8 | frame[end + 1])) > size:
            bad.append(BadPacket(f"the frame ends within packet {number + 1} of {count}", frame[end:]))
            break
        packet = frame[start:stop]
        if length == _FULL_SIZE:  # nearly all of a day
            quotes.append(_full(packet, refused))
        elif (layout := _LAYOUTS.get(length)) is not None:
            quotes.append(layout(packet, refused))
        else:
            bad.append(BadPacket(f"no layout has {length} bytes", packet))
        end = stop
    else:
        if end < size:
            bad.append(BadPacket(f"{size - end} bytes follow the last of {count} packets", frame[end:]))
    return Decoded(quotes, bad, refused=refused)


def _ltp(packet: bytes, refused: list[str]) -> KiteQuote:
    token, last = _LTP.unpack(packet)
    quote = KiteQuote(token, "ltp", last / _DIVISORS[token & 0xFF] or None, raw=packet, complete=True)
    if last >> _USUAL_BITS:
        refused += refuse_sentinels(quote)
    return quote


def _index_quote(packet: bytes, refused: list[str]) -> KiteQuote:
    token, last, high, low, opening, close = _INDEX_QUOTE.unpack(packet)
    divisor = _DIVISORS[token & 0xFF]
    quote = KiteQuote(
        token,
        "quote",
        last / divisor or None,
        volume=0,  # an index is not traded
        open=opening / divisor or None,
        high=high / divisor or None,
        low=low / divisor or None,
        previous_close=close / divisor or None,
        raw=packet,
        complete=True,
    )
    if (last | high | low | opening | close) >> _USUAL_BITS:
        refused += refuse_sentinels(quote)
    return quote


def _index_full(packet: bytes, refused: list[str]) -> KiteQuote:
    quote = _index_quote(packet[: _INDEX_QUOTE.size], refused)
    quote.mode = "full"
    quote.exchange_time = int.from_bytes(packet[_INDEX_QUOTE.size :]) * 1000 or None
    quote.raw = packet
    return quote


def _quote(packet: bytes, refused: list[str]) -> KiteQuote:
    token, last, quantity, average, volume, buy, sell, opening, high, low, close = _QUOTE.unpack(packet)
    divisor = _DIVISORS[token & 0xFF]
    quote = KiteQuote(
        token,
        "quote",
        last / divisor or None,
        quantity,
        volume=volume,
        average_price=average / divisor or None,
        open=opening / divisor or None,
        high=high / divisor or None,
        low=low / divisor or None,
        previous_close=close / divisor or None,
        buy_quantity=buy,
        sell_quantity=sell,
        raw=packet,
        complete=True,
    )
    if (last | average | opening | high | low | close) >> _USUAL_BITS:
        refused += refuse_sentinels(quote)
    return quote


def _full(packet: bytes, refused: list[str]) -> KiteQuote:
    (
        token, last, quantity, average, volume, buy, sell, opening, high, low, close,
        traded, interest, highest, lowest, updated, book,
    ) = _unpack_full(packet)  # fmt: skip
    segment = token & 0xFF
    divisor = _DIVISORS[segment]
    if segment in _CASH:
        interest = None
    # By position, in the order of `Quote`'s fields: names would cost a quarter more.
    quote = KiteQuote(
        token, "full", last / divisor or None, quantity, traded * 1000 or None, volume,
        average / divisor or None, opening / divisor or None, high / divisor or None, low / divisor or None,
        close / divisor or None, interest, buy, sell,
        updated * 1000 or None, None, book, None, packet, True,
    )  # fmt: skip
    if highest and interest is not None:  # else none was counted today: zeros say nothing
        quote.open_interest_high, quote.open_interest_low = highest, lowest
    if (last | average | opening | high | low | close) >> _USUAL_BITS:
        refused += refuse_sentinels(quote)
    return quote


_LAYOUTS: dict[int, Callable[[bytes, list[str]], KiteQuote]] = {
    _LTP.size: _ltp,
    _INDEX_QUOTE.size: _index_quote,
    _INDEX_QUOTE.size + 4: _index_full,
    _QUOTE.size: _quote,
    _FULL_SIZE: _full,
}


class _Text(msgspec.Struct):
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b'""')


_text = msgspec.json.Decoder(_Text).decode


def _notice(text: str) -> str:
    """What a text frame says to a person; order updates and anything unreadable say nothing."""
    try:
        said = _text(text)
        if said.type not in ("error", "message"):
            return ""
        words = msgspec.json.decode(said.data)
        if not isinstance(words, str):
            words = bytes(said.data).decode() if words else ""
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return " ".join(words.split())[:_NOTICE_LIMIT]
