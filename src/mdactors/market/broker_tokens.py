"""Which token a broker has for each of our instruments, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerToken
from mdactors.market.sorted_bytes import Packed, Pieces, numbers, pack, read_numbers

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[BrokerToken] = msgspec.msgpack.Decoder(int | str)


class StoredTokens(msgspec.Struct, frozen=True, array_like=True):
    """One broker's tokens in their order, with the places of their instruments, and back.

    All numbers are of 32 bits.
    """

    tokens: Packed
    """Each as MessagePack."""
    places: memoryview
    entries: memoryview
    """For each place: where its token is in ``tokens``, counted from 1; 0 for not listed."""


def index_tokens(known: Mapping[int, BrokerToken], places: Mapping[int, int]) -> StoredTokens:
    """Put a broker's tokens in order.

    Args:
        known: our token -> the broker's.
        places: our token -> the instrument's place.
    """
    listed = sorted((_encode(theirs), places[ours]) for ours, theirs in known.items())
    entries = [0] * len(places)
    for entry, (_, place) in enumerate(listed, 1):
        entries[place] = entry
    tokens = pack(token for token, _ in listed)
    return StoredTokens(tokens, numbers(place for _, place in listed), numbers(entries))


class BrokerTokens(Mapping[int, BrokerToken]):
    """Our token -> the broker's, for everything that it lists.

    Raises:
        ValueError: ``stored`` is damaged.
    """

    def __init__(
        self, stored: StoredTokens, place: Callable[[object], int | None], ours: Sequence[int]
    ) -> None:
        self.tokens = Pieces(stored.tokens)
        self.places = read_numbers(stored.places)
        self._entries = read_numbers(stored.entries)
        self._place = place
        self._ours = ours
        if len(self.tokens) != len(self.places) or len(self._entries) != len(ours):
            raise ValueError("tokens and places are not as many")

    def _entry(self, token: object) -> int:
        place = self._place(token)
        return 0 if place is None else self._entries[place]

    def place_of_same(self, token: BrokerToken) -> int | None:
        """The place of the instrument for which the broker has our token; None where it has another.

        Sooner found than a broker's token by searching: a normalizer asks for thousands at once.
        """
        place = self._place(token)
        entry = 0 if place is None else self._entries[place]
        return place if entry and _decoder.decode(self.tokens[entry - 1]) == token else None

    def __getitem__(self, token: int) -> BrokerToken:
        entry = self._entry(token)
        if not entry:
            raise KeyError(token)
        return _decoder.decode(self.tokens[entry - 1])

    def __contains__(self, token: object) -> bool:
        return self._entry(token) > 0

    def __iter__(self) -> Iterator[int]:
        return (self._ours[place] for place in self.places)

    def __len__(self) -> int:
        return len(self.places)


class BrokerInstruments(Mapping[BrokerToken, Instrument]):
    """The broker's token -> the instrument; each is made anew whenever it is asked for."""

    def __init__(self, tokens: BrokerTokens, at: Callable[[int], Instrument]) -> None:
        self._known = tokens
        self._tokens = tokens.tokens
        self._places = tokens.places
        self._at = at

    def __getitem__(self, token: BrokerToken) -> Instrument:
        place = self._known.place_of_same(token)
        if place is not None:
            return self._at(place)
        for entry in self._tokens.equal_to(_encode(token)):
            return self._at(self._places[entry])
        raise KeyError(token)

    def __contains__(self, token: object) -> bool:
        return bool(self._tokens.equal_to(_encode(token)))

    def __iter__(self) -> Iterator[BrokerToken]:
        return map(_decoder.decode, self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)
