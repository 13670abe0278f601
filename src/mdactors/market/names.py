"""How a person names an instrument, and which one is meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

from mdactors.market import indices
from mdactors.market.instrument import Instrument

SHARE_SERIES = ("EQ", "BE", "BZ", "SM", "ST", "SZ", "RR", "IV")
"""NSE's series of shares and units of trusts, the one that is meant first first; all others are debt."""
BSE_DEBT = frozenset({"F", "G"})
"""BSE's groups of bonds."""
_EXCHANGES = ("NSE", "BSE")
_LONGEST_NUMBER = 18


class Names:
    """An index over one set of instruments, by every name that is understood.

    Understood are a bare symbol, ``EXCHANGE:SYMBOL``, ``SEGMENT|SYMBOL``, ``SEGMENT|ISIN``,
    ``SEGMENT|exchange token``, an alias of an index in a symbol's place, and our token as text; the case
    of letters does not matter. A share that is traded in another series than EQ is found under its
    symbol without the series, too.
    """

    def __init__(self, by_token: Mapping[int, Instrument]) -> None:
        self._by_token = by_token
        self._symbols: dict[str, tuple[Instrument, ...]] = {}
        self._keys: dict[str, Instrument] = {}
        self._codes: dict[str, int] = {}
        self._aliases = {alias.upper(): symbol.upper() for alias, symbol in indices.aliases().items()}
        shared: set[str] = set()
        for instrument in by_token.values():
            for name in _names(instrument):
                held = self._symbols.get(name)
                self._symbols[name] = (instrument,) if held is None else (*held, instrument)
                if held is not None:
                    shared.add(name)
            if not _is_derivative(instrument) and has_own_key(instrument):
                self._keys[instrument.key.upper()] = instrument
            if instrument.segment not in self._codes:
                self._codes[instrument.segment] = instrument.token & 0xFF
        for name in shared:
            self._symbols[name] = tuple(sorted(self._symbols[name], key=_rank))

    def resolve(self, name: str) -> Instrument | None:
        """The instrument that is meant, None where no one is."""
        text = name.strip().upper()
        if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
            found = self._by_token.get(int(text))
            if found is not None:
                return found
        # As it stands first: an index of BSE has a colon in its symbol.
        return self._first(text) or self._by_key(text) or self._on_exchange(text)

    def _first(self, symbol: str, fits: Callable[[Instrument], bool] | None = None) -> Instrument | None:
        for name in (symbol, self._aliases.get(symbol, "")):
            for instrument in self._symbols.get(name, ()):
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
        if (found := self._keys.get(text)) is not None:
            return found
        if (found := self._first(rest, lambda instrument: instrument.segment == segment)) is not None:
            return found
        if segment in self._codes and rest.isascii() and rest.isdigit() and len(rest) <= _LONGEST_NUMBER:
            found = self._by_token.get(int(rest) << 8 | self._codes[segment])
            return found if found is not None and found.segment == segment else None
        return None

    def suggest(self, name: str, n: int = 5) -> list[str]:
        """Symbols of shares and indices that a person may have meant, the likeliest first."""
        text = name.strip().upper().replace("|", ":").rpartition(":")[2]
        if not text:
            return []
        known = [symbol for symbol, found in self._symbols.items() if not _is_derivative(found[0])]
        known += self._aliases
        # A typing error in the first letter is rare, and the comparison with everything takes a second.
        alike = [symbol for symbol in known if symbol[0] == text[0] and abs(len(symbol) - len(text)) <= 2]
        close = difflib.get_close_matches(text, alike, n)
        longer = sorted((symbol for symbol in known if symbol.startswith(text)), key=len)[:n]
        found = (self._first(symbol) for symbol in dict.fromkeys((*close, *longer)))
        return list(dict.fromkeys(instrument.symbol for instrument in found if instrument is not None))[:n]


def has_own_key(instrument: Instrument) -> bool:
    """Whether its key says more than segment and symbol."""
    return instrument.key != f"{instrument.segment}|{instrument.symbol}"


def _names(instrument: Instrument) -> Iterable[str]:
    upper = instrument.symbol.upper()
    # Nearly always they are equal: then one text does for both.
    symbol = instrument.symbol if instrument.symbol == upper else upper
    yield symbol
    series = instrument.series
    if series in SHARE_SERIES and symbol.endswith(f"-{series}"):
        yield symbol.removesuffix(f"-{series}")


def _is_derivative(instrument: Instrument) -> bool:
    return instrument.type in ("FUTURE", "OPTION")


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
