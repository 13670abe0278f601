"""The class of each instrument of a new table, by which the calendar knows its hours."""

from __future__ import annotations

import csv
import datetime as dt
import functools
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files

import msgspec

from mdactors.market.instrument import InstrumentRow
from mdactors.market.trading_class import (
    AUCTION_SHARES,
    COMMODITIES,
    FUTURES,
    NEAR_FUTURES,
    SHARES,
    trading_class_of,
)

LAST_DAYS = 5
"""Next month's future has a pre-open session on so many trading days up to this month's expiry."""


@functools.cache
def farm_goods() -> Mapping[str, str]:
    """What grows on farms, as contracts name it -> its class; read once."""
    text = files("mdactors.market").joinpath("farm_goods.csv").read_text(encoding="utf-8")
    return {row["symbol"]: row["class"] for row in csv.DictReader(io.StringIO(text))}


def classify(
    rows: Iterable[InstrumentRow], today: dt.date, trades: Callable[[dt.date], bool]
) -> Iterator[InstrumentRow]:
    """All rows with their classes.

    Which shares have a closing auction is as a list says it; of a segment for which none does, those on
    which contracts are written.

    Args:
        rows: all of a table.
        today: the date for which it is made.
        trades: whether derivatives trade on a date.
    """
    rows = list(rows)
    underlyings = {row.underlying for row in rows if row.is_derivative}
    told = {row.segment for row in rows if row.cas_eligible}
    near = _near_expiries(rows, today, trades)
    for row in rows:
        name = trading_class_of(row)
        if name == SHARES and row.type == "STOCK":
            by_list, by_contracts = row.cas_eligible, row.symbol_without_series in underlyings
            name = AUCTION_SHARES if (by_list if row.segment in told else by_contracts) else SHARES
        elif name == FUTURES and row.expiry in near.get((row.segment, row.underlying), ()):
            name = NEAR_FUTURES
        elif name == COMMODITIES:
            name = farm_goods().get(row.underlying.upper(), name)
        yield msgspec.structs.replace(row, trading_class=name)


def _near_expiries(
    rows: Iterable[InstrumentRow], today: dt.date, trades: Callable[[dt.date], bool]
) -> dict[tuple[str, str], list[str]]:
    """Segment and underlying -> the expiries whose futures have a pre-open session."""
    expiries: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if row.type == "FUTURE" and row.expiry >= today.isoformat():
            expiries.setdefault((row.segment, row.underlying), set()).add(row.expiry)
    near = {}
    for written_on, dates in expiries.items():
        first, *later = sorted(dates)
        is_last = _is_among_last(today, dt.date.fromisoformat(first), trades)
        near[written_on] = [first, *later[:1]] if is_last else [first]
    return near


def _is_among_last(today: dt.date, expiry: dt.date, trades: Callable[[dt.date], bool]) -> bool:
    """Whether so few trading days are left until a contract expires, that day included."""
    if (expiry - today).days > 3 * LAST_DAYS:
        return False
    days = (today + dt.timedelta(days=n) for n in range((expiry - today).days + 1))
    return sum(map(trades, days)) <= LAST_DAYS
