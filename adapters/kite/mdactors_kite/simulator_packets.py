"""The market's prices written as Kite's packets and frames; shares nothing with the codec that reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from mdactors.adapter import Level
from mdactors.simulator import PriceState

HEARTBEAT = b"\x00"

_UNITS = {"NCD_FO": 10_000_000, "BCD_FO": 10_000, "NSE_COM": 10_000}
"""How many units of the wire one rupee has, where it is not 100."""
_RUNGS = 5
_LTP, _DAY, _MORE, _RUNG = "!Li", "LlLLLllll", "LLLLL", "LlH2x"
_pack_ltp = struct.Struct(_LTP).pack
_pack_quote = struct.Struct(_LTP + _DAY).pack
_pack_full = struct.Struct(_LTP + _DAY + _MORE + 2 * _RUNGS * _RUNG).pack
_MOST_PACKETS = 0xFFFF
_LARGEST = 0xFFFF_FFFF


def packet(state: PriceState, mode: str) -> bytes:
    """What Kite says of an instrument now, as much of it as the mode holds."""
    instrument = state.instrument
    units = _UNITS.get(instrument.segment, 100)
    head = (instrument.token, round(state.last_price * units))
    if mode == "ltp":
        return _pack_ltp(*head)
    if instrument.type == "INDEX":
        return _pack_ltp(*head) + _index(state, units, full=mode == "full")
    day = (
        _count(state.last_quantity),
        round(state.average_price * units),
        _count(state.volume),
        _count(state.buy_quantity),
        _count(state.sell_quantity),
        round(state.open * units),
        round(state.high * units),
        round(state.low * units),
        round(state.previous_close * units),
    )
    if mode == "quote":
        return _pack_quote(*head, *day)
    return _pack_full(
        *head,
        *day,
        state.last_trade_time // 1000,
        _count(state.open_interest),
        _count(state.open_interest_high),
        _count(state.open_interest_low),
        state.exchange_time // 1000,
        *_side(state.bids(_RUNGS), units),
        *_side(state.asks(_RUNGS), units),
    )


def frames(packets: Sequence[bytes], most: int = 0) -> Iterator[bytes]:
    """Binary frames of at most so many packets each (0: as many as a frame can hold)."""
    size = min(most or _MOST_PACKETS, _MOST_PACKETS)
    for start in range(0, len(packets), size):
        chunk = packets[start : start + size]
        parts = [len(chunk).to_bytes(2)]
        for body in chunk:
            parts += (len(body).to_bytes(2), body)
        yield b"".join(parts)


def packets(frame: bytes) -> list[bytes]:
    """The packets of a binary frame; none where it is a heartbeat or not whole."""
    found, at = [], 2
    for _ in range(int.from_bytes(frame[:2]) if len(frame) > 2 else 0):
        size = int.from_bytes(frame[at : at + 2])
        found.append(frame[at + 2 : at + 2 + size])
        at += 2 + size
    return found if at == len(frame) and all(len(body) >= 4 for body in found) else []


def token(packet: bytes) -> int:
    """Whom a packet speaks of."""
    return int.from_bytes(packet[:4])


def _index(state: PriceState, units: int, *, full: bool) -> bytes:
    close = state.previous_close
    hundredths = round((state.last_price - close) / close * 10_000) if close else 0
    prices = (state.high, state.low, state.open, close)
    said = struct.pack("!lllll", *(round(price * units) for price in prices), hundredths)
    return said + (state.exchange_time // 1000).to_bytes(4) if full else said


def _side(levels: Sequence[Level], units: int) -> list[int]:
    figures: list[int] = []
    for level in levels:
        figures += (level.quantity, round(level.price * units), level.orders or 0)
    return figures + [0] * (3 * _RUNGS - len(figures))


def _count(value: int) -> int:
    return value if value < _LARGEST else _LARGEST
