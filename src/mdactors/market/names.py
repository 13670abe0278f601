"""How a person names an instrument, and which one is meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from mdactors.market import indices
from mdactors.market.instrument import Instrument
from mdactors.market.sorted_bytes import Packed, Pieces, numbers, pack, read_numbers

SHARE_SERIES = ("EQ", "BE", "BZ", "SM", "ST", "SZ", "RR", "IV")
"""NSE's series of shares and units of trusts, the one that is meant first first; all others are debt."""
BSE_DEBT = frozenset({"F", "G"})
"""BSE's groups of bonds."""
_EXCHANGES = ("NSE", "BSE")
_LONGEST_NUMBER = 18


class NameIndex(msgspec.Struct, frozen=True, array_like=True):
    """Names in their order, and the place of the instrument that each of them means.

    A name that means several is there as often, the likeliest meaning first.
    """

    names: Packed
    places: memoryview
    """Numbers of 32 bits."""


class StoredNames(msgspec.Struct, frozen=True, array_like=True):
    """Everything that `Names` looks into."""

    cash: NameIndex
    """What is no contract, by symbol and by key."""
    contracts: NameIndex
    codes: dict[str, int]
    """Segment -> the low byte of its instruments' tokens."""
    held: dict[str, int] = {}
    """What goes before all that: a name in capitals -> the token of the instrument that is called so today,
    listed or not."""
    former: dict[str, int] = {}
    """Names in capitals under which nothing is found any more -> the token of what was called so."""


def index_names(instruments: Sequence[Instrument]) -> StoredNames:
    """Put in order what instruments are called; their places are those in the sequence."""
    cash: list[tuple[bytes, tuple[int, int, int], int]] = []
    contracts: list[tuple[bytes, tuple[int, int, int], int]] = []
    codes: dict[str, int] = {}
    for place, instrument in enumerate(instruments):
        codes.setdefault(instrument.segment, instrument.token & 0xFF)
        named = contracts if instrument.is_derivative else cash
        rank = _rank(instrument)
        named += [(name.encode(), rank, place) for name in names_of(instrument)]
    return StoredNames(_in_order(cash), _in_order(contracts), codes)


def _in_order(named: list[tuple[bytes, tuple[int, int, int], int]]) -> NameIndex:
    named.sort()
    return NameIndex(pack(name for name, _, _ in named), numbers(place for _, _, place in named))


class _Index:
    def __init__(self, stored: NameIndex, at: Callable[[int], Instrument]) -> None:
        self.names = Pieces(stored.names)
        self._places = read_numbers(stored.places)
        self._at = at
        if len(self.names) != len(self._places):
            raise ValueError("names and places are not as many")

    def meant(self, name: bytes) -> Iterator[Instrument]:
        for entry in self.names.equal_to(name):
            yield self._at(self._places[entry])


class Names:
    """Finds instruments by every name that is understood.

    Understood are a bare symbol, ``EXCHANGE:SYMBOL``, ``SEGMENT|SYMBOL``, ``SEGMENT|ISIN``,
    ``SEGMENT|exchange token``, an alias of an index in a symbol's place, and our token as text; the case
    of letters does not matter. A share that is traded in another series than EQ is found under its
    symbol without the series, too. A name under which an instrument was answered today means that one
    alone.

    Args:
        stored: what `index_names` made.
        by_token: the instruments.
        at: the instrument at a place.

    Raises:
        ValueError: ``stored`` is damaged.
    """

    def __init__(
        self, stored: StoredNames, by_token: Mapping[int, Instrument], at: Callable[[int], Instrument]
    ) -> None:
        self._by_token = by_token
        self._cash = _Index(stored.cash, at)
        self._contracts = _Index(stored.contracts, at)
        self._codes = stored.codes
        self._held = stored.held
        self._former = stored.former
        self._aliases = {alias.upper(): symbol.upper() for alias, symbol in indices.aliases().items()}

    def resolve(self, name: str) -> Instrument | None:
        """The instrument that is meant, None where no one is."""
        text = spoken(name)
        if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
            found = self._by_token.get(int(text))
            if found is not None:
                return found
        if (token := self._held.get(text)) is not None:
            return self._by_token.get(token)
        # As it stands first: an index of BSE has a colon in its symbol.
        return self._first(text) or self._by_key(text) or self._on_exchange(text)

    def _first(self, symbol: str, fits: Callable[[Instrument], bool] | None = None) -> Instrument | None:
        for name in filter(None, (symbol, self._aliases.get(symbol))):
            # A lone surrogate is in no name.
            piece = name.encode(errors="replace")
            for index in (self._cash, self._contracts):
                for instrument in index.meant(piece):
                    if fits is None or fits(instrument):
                        return instrument
        return None

    def _on_exchange(self, text: str) -> Instrument | None:
        exchange, _, symbol = text.partition(":")
        return self._first(symbol, lambda instrument: instrument.exchange == exchange)

    def _by_key(self, text: str) -> Instrument | None:
        segment, mark, rest = text.partition("|")
        if not mark:
            return None
        if (found := self._first(rest, lambda instrument: instrument.segment == segment)) is not None:
            return found
        if segment in self._codes and rest.isascii() and rest.isdigit() and len(rest) <= _LONGEST_NUMBER:
            found = self._by_token.get(int(rest) << 8 | self._codes[segment])
            return found if found is not None and found.segment == segment else None
        return None

    def means(self, name: str) -> bool:
        """Whether a name in capitals is anybody's symbol, whoever is called so today."""
        return self._first(name) is not None

    def renamed(self, name: str) -> str:
        """What that is called now which was called so before; empty where nothing was."""
        found = self._by_token.get(self._former.get(spoken(name), 0))
        return "" if found is None else found.answered

    def suggest(self, name: str, n: int = 5) -> list[str]:
        """Symbols that a person may have meant, the likeliest first: its new one, shares and indices."""
        text = spoken(name).replace("|", ":").rpartition(":")[2]
        if not text:
            return []
        now = self.renamed(name)
        return list(filter(None, dict.fromkeys((now, *self._like(text, n)))))[:n]

    def _like(self, text: str, n: int) -> list[str]:
        # A typing error in the first letter is rare, and the comparison with everything takes a second.
        known = [found for found in self._beginning_with(text[0]) if "|" not in found]
        alike = [symbol for symbol in known if abs(len(symbol) - len(text)) <= 2]
        close = difflib.get_close_matches(text, alike, n)
        longer = sorted((symbol for symbol in known if symbol.startswith(text)), key=len)[:n]
        found = (self._first(symbol) for symbol in dict.fromkeys((*close, *longer)))
        return list(dict.fromkeys(instrument.answered for instrument in found if instrument is not None))[:n]

    def _beginning_with(self, start: str) -> Iterable[str]:
        names = self._cash.names
        entries = names.beginning_with(start.encode(errors="replace"))
        symbols = [names[entry].decode() for entry in entries]
        return dict.fromkeys((*symbols, *(alias for alias in self._aliases if alias.startswith(start))))


def spoken(name: str) -> str:
    """A name as it is looked up: neither the case of letters nor spaces around it mean anything."""
    return name.strip().upper()


def has_own_key(instrument: Instrument) -> bool:
    """Whether its key says more than segment and symbol."""
    return instrument.key != instrument.segment_key


def names_of(instrument: Instrument) -> Iterator[str]:
    """The names in capitals that it is found under as they stand."""
    yield spoken(instrument.symbol)
    if instrument.is_derivative:
        return  # the key is the exchange's token, which resolves by itself
    if instrument.series in SHARE_SERIES and instrument.symbol_without_series != instrument.symbol:
        yield spoken(instrument.symbol_without_series)
    if has_own_key(instrument):
        yield spoken(instrument.key)


def _rank(instrument: Instrument) -> tuple[int, int, int]:
    """The lower, the likelier that a bare symbol means it."""
    exchange = instrument.exchange
    place = _EXCHANGES.index(exchange) if exchange in _EXCHANGES else len(_EXCHANGES)
    if instrument.type != "STOCK":
        return place, 2 if instrument.type == "INDEX" else 3, 0
    series = instrument.series
    if exchange == "NSE":
        share = series in SHARE_SERIES
        return place, 0 if share else 1, SHARE_SERIES.index(series) if share else 0
    return place, 1 if series in BSE_DEBT else 0, 0
