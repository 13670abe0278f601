"""Protobuf's bytes written by hand, for the simulator: the decoder must not be judged by its own code.

As proto3 demands, a number that is zero is not written at all; a part that is empty is.
"""

from __future__ import annotations

import struct

_REAL = struct.Struct("<d").pack
_SHORT = 1 << 14


def _varint(number: int) -> bytes:
    number &= 0xFFFF_FFFF_FFFF_FFFF  # a negative one is written as its two's complement
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


_VARINTS = tuple(_varint(number) for number in range(_SHORT))
"""Lengths and most quantities are small: looked up, not worked out."""


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    return _VARINTS[number] if 0 <= number < _SHORT else _varint(number)


def whole(field: int, number: int) -> bytes:
    """An integer, boolean or enum."""
    return _VARINTS[field << 3] + varint(number) if number else b""


def real(field: int, number: float) -> bytes:
    """A double."""
    return _VARINTS[field << 3 | 1] + _REAL(number) if number else b""


def part(field: int, content: bytes) -> bytes:
    """A message, a text or bytes."""
    return _VARINTS[field << 3 | 2] + varint(len(content)) + content


def text(field: int, words: str) -> bytes:
    """A text."""
    return part(field, words.encode())
