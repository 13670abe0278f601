"""The instruments of a type in the order in which they matter, so that a limit takes the right ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TypeAlias, TypeVar

from mdactors.market import indices
from mdactors.market.instrument import NSE_SHARES, Instrument, is_share
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sectors, share_of
from mdactors.market.selectors import TypeSelector
from mdactors.market.underlyings import Outline

T = TypeVar("T")
Listed: TypeAlias = Callable[[Instrument], bool]
"""Whether a broker lists it, so that it can be streamed."""
_EXCHANGES = ("NSE", "BSE")
_BROAD = ("NIFTY 50", "NIFTY NEXT 50", "NIFTY 100", "NIFTY 200", "NIFTY 500", "NIFTY TOTAL MKT")
"""The indices of the largest companies; those of one trade come behind them."""
_KINDS = {
    **dict.fromkeys(NSE_SHARES, "shares"),
    **dict.fromkeys(("SM", "ST", "SZ"), "small companies"),
    **dict.fromkeys(("IV", "RR"), "trusts"),
    "GB": "gold bonds",
}
"""NSE's series -> what is in it."""
_DEBT = "debt and others"


def ranked_indices(table: InstrumentTable, selector: TypeSelector, listed: Listed) -> list[Instrument]:
    """Indices: those of the table of indices in its order, NSE before BSE, then the others."""
    places = {index.token: place for place, index in enumerate(indices.all_indices())}
    found = [
        each for each in table.cash() if each.type == "INDEX" and _is_on(each, selector) and listed(each)
    ]
    return sorted(found, key=lambda each: (places.get(each.token, len(places)), *_by_symbol(each)))


def ranked_stocks(
    table: InstrumentTable,
    selector: TypeSelector,
    sectors: Sectors,
    series: Collection[str],
    listed: Listed,
) -> list[Instrument]:
    """Shares and funds' units: members of indices, the largest companies first, then NSE before BSE."""
    members = (
        share_of(table, member)
        for name in sorted(sectors.indices(), key=lambda name: _place_in(_BROAD, name))
        for member in sectors.index_members(name) or ()
    )
    places: dict[int, int] = {}
    for share in members:
        if share is not None:
            places.setdefault(share.token, len(places))
    found = [
        each
        for each in table.cash()
        if _is_on(each, selector) and _is_stock(each, selector, series) and listed(each)
    ]
    return sorted(found, key=lambda each: (places.get(each.token, len(places)), *_by_symbol(each)))


def no_stocks(
    table: InstrumentTable, selector: TypeSelector, series: Collection[str], listed: Listed
) -> dict[str, int]:
    """What is listed among the stocks of an exchange and is none of those meant: its kind -> how many."""
    counts = Counter(
        _kind_of(each)
        for each in table.cash()
        if each.type == "STOCK"
        and _is_on(each, selector)
        and not _is_stock(each, selector, series)
        and listed(each)
    )
    return dict(counts.most_common())


def _kind_of(instrument: Instrument) -> str:
    if instrument.etf:
        return "funds"
    if instrument.exchange == "NSE":
        return _KINDS.get(instrument.series, _DEBT)
    return _DEBT if not is_share(instrument) else "shares"


def ranked_futures(outlines: Sequence[Outline], selector: TypeSelector, on: str) -> list[Instrument]:
    """Futures that have not expired on a date: of each underlying the nearest, then the next ones."""
    living = [[each for each in outline.futures if each.expiry >= on] for outline in outlines]
    return [each for each in _in_turns(living) if _is_on(each, selector)]


def ranked_expiries(
    outlines: Sequence[Outline], selector: TypeSelector, on: str
) -> list[tuple[Outline, str]]:
    """Expiries of options on or after a date: of each underlying the nearest, then the next ones."""
    living = [
        [(outline, expiry) for expiry in outline.expiries if expiry >= on]
        for outline in outlines
        if selector.exchange in (None, outline.exchange)
    ]
    return list(_in_turns(living))


def _in_turns(rows: Iterable[Sequence[T]]) -> Iterator[T]:
    """The first of each row, then the second of each, and so on."""
    for nth in zip_longest(*rows):
        yield from (each for each in nth if each is not None)


def _is_on(instrument: Instrument, selector: TypeSelector) -> bool:
    return selector.exchange in (None, instrument.exchange)


def _is_stock(instrument: Instrument, selector: TypeSelector, series: Collection[str]) -> bool:
    if instrument.etf:
        return selector.etfs != "without"
    return selector.etfs != "only" and is_share(instrument, selector.series or series)


def _by_symbol(instrument: Instrument) -> tuple[int, str]:
    return _place_in(_EXCHANGES, instrument.exchange), instrument.symbol


def _place_in(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
