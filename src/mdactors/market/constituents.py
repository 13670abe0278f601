"""Which shares are in an index, as NSE publishes it: a table of names, industries, symbols and ISINs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

import msgspec

COLUMNS = ("Company Name", "Industry", "Symbol", "Series", "ISIN Code")
"""What the exchange's lists have; the case of the letters varies."""
DUMMY = "DUMMY"
"""Around a demerger the exchange lists a share that is none yet under a symbol that begins so."""

_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")


class Constituent(msgspec.Struct, frozen=True):
    """A share on a list."""

    symbol: str
    """Without a series."""
    industry: str
    """In NSE's words."""
    isin: str = ""


def rows_of(text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV table with the numbers of their lines; ``#`` begins a line that is a remark.

    Args:
        text: begins with a header, in which the case of letters makes no difference.
        columns: those that must be there; others are passed over.

    Raises:
        ValueError: a column is missing, or a row has not as many fields as the header.
    """
    header: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip(" \t,") or line.startswith("#"):
            continue
        # Line by line, so that a quote left open does not swallow the rows behind it.
        fields = [field.strip() for field in next(csv.reader((line,)))]
        if not header:
            header = [field.lower() for field in fields]
            _check_header(header, columns)
        elif len(fields) != len(header):
            raise ValueError(f"line {number}: has {len(fields)} fields, the header {len(header)}")
        else:
            named = dict(zip(header, fields, strict=True))
            yield number, {column: named[column.lower()] for column in columns}
    if not header:
        _check_header(header, columns)


def _check_header(header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column.lower() not in header]
    if missing:
        raise ValueError(f"has no column {missing[0]!r}; there must be {', '.join(columns)}")


def read_constituents(text: str) -> list[Constituent]:
    """Read a list as NSE publishes it, in its order; temporary `DUMMY` rows are left out.

    Raises:
        ValueError: what is wrong with which line.
    """
    found: dict[str, Constituent] = {}
    for number, row in rows_of(text, COLUMNS):
        symbol, isin = row["Symbol"].upper(), row["ISIN Code"].upper()
        if symbol.startswith(DUMMY):
            continue
        if not symbol:
            raise ValueError(f"line {number}: Symbol is empty")
        if not row["Industry"]:
            raise ValueError(f"line {number}: {symbol} has no Industry")
        if not _ISIN.fullmatch(isin):
            raise ValueError(f"line {number}: the ISIN Code of {symbol} is {isin or 'empty'}, which is none")
        if symbol in found:
            raise ValueError(f"line {number}: {symbol} is listed twice")
        found[symbol] = Constituent(symbol, row["Industry"], isin)
    if not found:
        raise ValueError("lists no shares")
    return list(found.values())
