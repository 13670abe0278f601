"""Instruments by token, as they lie in a file: found by halving."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.sorted_bytes import Packed, Pieces, read_numbers

_instrument = msgspec.msgpack.Decoder(Instrument).decode


class ByToken(Mapping[int, Instrument]):
    """The instruments by our token; each is made anew whenever it is asked for."""

    def __init__(self, rows: Packed, tokens: memoryview) -> None:
        self._rows = Pieces(rows)
        self.tokens = read_numbers(tokens, "q")
        if len(self._rows) != len(self.tokens):
            raise ValueError("rows and tokens are not as many")

    def at(self, place: int) -> Instrument:
        """The instrument at a place in the order of tokens."""
        return _instrument(self._rows[place])

    def place(self, token: object) -> int | None:
        """Where it is in the order of tokens, None where it is not known."""
        if not isinstance(token, int):
            return None
        place = bisect_left(self.tokens, token)
        return place if place < len(self.tokens) and self.tokens[place] == token else None

    def __getitem__(self, token: int) -> Instrument:
        place = self.place(token)
        if place is None:
            raise KeyError(token)
        return self.at(place)

    def __contains__(self, token: object) -> bool:
        return self.place(token) is not None

    def __iter__(self) -> Iterator[int]:
        return iter(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)
