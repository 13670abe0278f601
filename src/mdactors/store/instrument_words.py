"""What an instrument is searched by: words, and facets that a search may be narrowed to."""

from __future__ import annotations

import re

from mdactors.market import indices
from mdactors.market.instrument import Instrument, InstrumentRow, is_share

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_KINDS = ("INDEX", "STOCK", "FUTURE", "OPTION")
_EXCHANGES = ("NSE", "BSE")
TRUE = "true"
"""A facet's value for what is so; what is not so has no word, which nearly every row would have."""
_WORD = re.compile(r"[^\W_]+")
"""As the index of words cuts a text."""


def words(row: InstrumentRow) -> str:
    """What people call it beside its symbol: a company's name; a contract's terms, as they are spoken."""
    if not row.is_derivative:
        return row.name
    _, month, day = row.expiry.split("-")
    terms = f"{row.strike:.10g} {row.option_type}" if row.option_type else "FUT"
    return f"{row.underlying} {terms} {int(day)} {_MONTHS[int(month) - 1]}"


def facets(row: InstrumentRow) -> str:
    """One word for each thing that a search may ask for, the whole symbol and its first sign among them."""
    asked = [
        ("symbol", row.symbol),
        ("symbol", row.symbol_without_series),
        ("sign", "".join(spoken(row.symbol))[:1]),
        ("type", row.type),
        ("exchange", row.exchange),
        ("sector", row.sector),
        ("underlying", row.underlying),
        ("expiry", row.expiry),
        ("mtf", TRUE if row.mtf else ""),
        ("mis", TRUE if row.mis else ""),
    ]
    return " ".join(dict.fromkeys(facet(name, value) for name, value in asked if value))


def facet(name: str, value: str) -> str:
    """A word that no text holds; the case of the value makes no difference, nor the name of an index."""
    text = value.strip().upper()
    if name == "underlying" and (index := indices.by_name(text)):
        text = index.symbol
    return f"{name}{text.encode(errors='replace').hex()}"


def importance(row: Instrument) -> tuple[int, int, str, str]:
    """The lower, the earlier it is found: indices, shares, funds, contracts by expiry, all else."""
    kind = _KINDS.index(row.type)
    if row.type == "STOCK" and not is_share(row):
        kind = 1 if row.etf else len(_KINDS)
    place = _EXCHANGES.index(row.exchange) if row.exchange in _EXCHANGES else len(_EXCHANGES)
    return 2 * kind + row.etf, place, row.expiry, row.symbol


def spoken(text: str) -> list[str]:
    """The words of what a person typed."""
    return _WORD.findall(text)
