"""Which shares are in an index, as NSE publishes it: a table of names, industries, symbols and ISINs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from mdactors.market.csv_table import Columns, lines_of

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


def rows_of(text: str, columns: Sequence[str], prose: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV table with the numbers of their lines; ``#`` begins a line that is a remark.

    Args:
        text: begins with a header, in which the case of letters makes no difference.
        columns: those that must be there; others are passed over.
        prose: the one in which there may be commas that nobody put into quotes.

    Raises:
        ValueError: a column is missing, or a row has not as many fields as the header.
    """
    table: Columns | None = None
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip(" \t,;") or line.startswith("#"):
            continue
        if table is None:
            table = _table(line, columns, prose)
            continue
        try:
            row = table.row(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        yield number, {column: row[column.lower()] for column in columns}
    if table is None:
        _table("", columns, prose)


def _table(header: str, columns: Sequence[str], prose: str) -> Columns:
    table = Columns(header, prose.lower())
    if missing := table.missing(columns):
        raise ValueError(f"has no column {missing[0]!r}; there must be {', '.join(columns)}")
    return table


def read_constituents(text: str) -> list[Constituent]:
    """Read a list as NSE publishes it, in its order; temporary `DUMMY` rows are left out.

    Raises:
        ValueError: what is wrong with which line.
    """
    found: dict[str, Constituent] = {}
    for number, row in rows_of(text, COLUMNS, prose=COLUMNS[0]):
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
