"""Many short texts in order: a tenth of what a dictionary of them takes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal, overload

import msgspec


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """Pieces of bytes, one behind the other, and where each of them ends."""

    block: memoryview
    ends: memoryview
    """Numbers of 32 bits, see `numbers`."""


def pack(pieces: Iterable[bytes]) -> Packed:
    """Put pieces behind one another, in the order given."""
    held = list(pieces)
    return Packed(memoryview(b"".join(held)), numbers(accumulate(map(len, held))))


def numbers(values: Iterable[int], kind: Literal["I", "q"] = "I") -> memoryview:
    """Numbers as this machine writes them: ``I`` without sign in 32 bits, ``q`` with one in 64."""
    return memoryview(array(kind, values).tobytes())


def read_numbers(data: memoryview, kind: Literal["I", "q"] = "I") -> Sequence[int]:
    """Read what `numbers` made, without a copy.

    Raises:
        TypeError: it is cut off.
    """
    # A view of nothing cannot be cast.
    return data.cast(kind) if data else ()


class Pieces(Sequence[bytes]):
    """Reads `Packed` without unpacking it; safe in any thread.

    Raises:
        ValueError: the two parts do not fit together.
    """

    def __init__(self, packed: Packed) -> None:
        self._block = packed.block
        self._ends = read_numbers(packed.ends)
        if (self._ends[-1] if len(self._ends) else 0) != len(self._block):
            raise ValueError("the pieces do not end where they should")

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        """The piece at a place, which is not negative."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return bytes(self._block[self._ends[place - 1] if place else 0 : self._ends[place]])

    # What follows is for pieces that were packed in their order.

    def equal_to(self, piece: bytes) -> range:
        """The places of a piece: none, one or several that follow one another."""
        first = self._first(piece)
        last = first
        while last < len(self) and self[last] == piece:
            last += 1
        return range(first, last)

    def beginning_with(self, start: bytes) -> range:
        """The places of all pieces that begin so."""
        # 0xff is in no UTF-8 text.
        return range(self._first(start), self._first(start + b"\xff"))

    def _first(self, piece: bytes) -> int:
        """The first place that is not before a piece: `bisect_left`, in two thirds of its time."""
        block, ends = self._block, self._ends
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            if block[ends[middle - 1] if middle else 0 : ends[middle]].tobytes() < piece:
                low = middle + 1
            else:
                high = middle
        return low
