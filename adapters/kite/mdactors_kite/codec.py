"""Kite's websocket frames read into quotes: pure, and the hottest code of the daemon.

A binary frame is a count of packets, then each packet behind its length; the length alone chooses the
layout. All numbers are big-endian. Prices are signed and scaled by the instrument's segment,
quantities and times are unsigned, and a time of zero means that there was no trade yet.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import ClassVar

import msgspec

from mdactors.adapter import BadPacket, Decoded, Depth, Level, Quote

_CDS, _BCD, _NCO = 3, 6, 12
_DIVISORS = tuple({_CDS: 1e7, _BCD: 1e4, _NCO: 1e4}.get(segment, 100.0) for segment in range(256))
"""What a raw price is divided by, for each low byte of an instrument's token."""

_CASH = frozenset({1, 4})
"""NSE's and BSE's shares: they have no open interest, and Kite sends 0."""

_LTP = Struct(">Ii")
_INDEX_QUOTE = Struct(">Iiiiii4x")
_QUOTE = Struct(">IiIiIIIiiii")
_FULL = Struct(">IiIiIIIiiiiII8xI120s")
_LEVEL = Struct(">IiHxx")
_SIDE = 5 * _LEVEL.size
_NOTICE_LIMIT = 500


class KiteQuote(Quote, gc=False):
    """A packet of Kite's; the book is its last 120 bytes, five bids and then five asks."""

    counts_to: ClassVar[int] = 1 << 32

    def depth(self) -> Depth | None:
        """Build the book; an empty rung is all zeros on the wire and left out."""
        book = self.book
        if book is None:
            return None
        divisor = _DIVISORS[int(self.token) & 0xFF]
        return Depth(buy=_levels(book[:_SIDE], divisor), sell=_levels(book[_SIDE:], divisor))


def _levels(side: bytes, divisor: float) -> tuple[Level, ...]:
    return tuple(
        [
            Level(price / divisor, quantity, orders)
            for quantity, price, orders in _LEVEL.iter_unpack(side)
            if quantity
        ]
    )


def decode(frame: bytes | str) -> Decoded:
    """Read one frame; what cannot be read is reported beside what can."""
    if isinstance(frame, str):
        return Decoded(notice=_notice(frame))
    quotes: list[Quote] = []
    bad: list[BadPacket] = []
    size = len(frame)
    if size < 2:  # a heartbeat
        return Decoded()
    count = frame[0] << 8 | frame[1]
    end = 2
    for number in range(count):
        start = end + 2
        if start > size or (stop := start + (frame[end] << 8 | frame[end + 1])) > size:
            bad.append(BadPacket(f"the frame ends within packet {number + 1} of {count}", frame[end:]))
            break
        packet = frame[start:stop]
        layout = _LAYOUTS.get(stop - start)
        if layout is None:
            bad.append(BadPacket(f"no layout has {stop - start} bytes", packet))
        else:
            quotes.append(layout(packet))
        end = stop
    else:
        if end < size:
            bad.append(BadPacket(f"{size - end} bytes follow the last of {count} packets", frame[end:]))
    return Decoded(quotes, bad)


def _ltp(packet: bytes) -> KiteQuote:
    token, last = _LTP.unpack(packet)
    return KiteQuote(token, "ltp", last / _DIVISORS[token & 0xFF], raw=packet, complete=True)


def _index_quote(packet: bytes) -> KiteQuote:
    token, last, high, low, opening, close = _INDEX_QUOTE.unpack(packet)
    divisor = _DIVISORS[token & 0xFF]
    return KiteQuote(
        token,
        "quote",
        last / divisor,
        volume=0,  # an index is not traded
        open=opening / divisor,
        high=high / divisor,
        low=low / divisor,
        previous_close=close / divisor,
        raw=packet,
        complete=True,
    )


def _index_full(packet: bytes) -> KiteQuote:
    quote = _index_quote(packet[: _INDEX_QUOTE.size])
    quote.mode = "full"
    quote.exchange_time = int.from_bytes(packet[_INDEX_QUOTE.size :]) * 1000 or None
    quote.raw = packet
    return quote


def _quote(packet: bytes) -> KiteQuote:
    token, last, quantity, average, volume, buy, sell, opening, high, low, close = _QUOTE.unpack(packet)
    divisor = _DIVISORS[token & 0xFF]
    return KiteQuote(
        token,
        "quote",
        last / divisor,
        quantity,
        volume=volume,
        average_price=average / divisor,
        open=opening / divisor,
        high=high / divisor,
        low=low / divisor,
        previous_close=close / divisor,
        buy_quantity=buy,
        sell_quantity=sell,
        raw=packet,
        complete=True,
    )


def _full(packet: bytes) -> KiteQuote:
    (
        token, last, quantity, average, volume, buy, sell, opening, high, low, close,
        traded, interest, updated, book,
    ) = _FULL.unpack(packet)  # fmt: skip
    divisor = _DIVISORS[token & 0xFF]
    # By position, in the order of `Quote`'s fields: names would cost a quarter more.
    return KiteQuote(
        token, "full", last / divisor, quantity, traded * 1000 or None, volume, average / divisor,
        opening / divisor, high / divisor, low / divisor, close / divisor,
        interest if token & 0xFF not in _CASH else None, buy, sell,
        updated * 1000 or None, None, book, None, packet, True,
    )  # fmt: skip


_LAYOUTS: dict[int, Callable[[bytes], KiteQuote]] = {
    _LTP.size: _ltp,
    _INDEX_QUOTE.size: _index_quote,
    _INDEX_QUOTE.size + 4: _index_full,
    _QUOTE.size: _quote,
    _FULL.size: _full,
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
