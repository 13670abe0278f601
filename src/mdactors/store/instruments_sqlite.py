"""Writing the file of instruments."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from mdactors.errors import StoreError
from mdactors.market.instrument import InstrumentRow
from mdactors.market.sectors import Sector
from mdactors.replacing import replacing
from mdactors.store.instrument_words import facets, importance, words
from mdactors.store.instruments import COLUMNS, VERSION

_MAKE = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE instruments (place INTEGER PRIMARY KEY, {", ".join(COLUMNS)});
CREATE TABLE sectors (code TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL);
-- Without the texts themselves. What begins with one or two letters is so much that it has its own lists.
CREATE VIRTUAL TABLE words USING fts5 (symbol, name, facets, content='', columnsize=0, prefix='1 2 3 4 5');
"""
_FINISH = f"""
CREATE UNIQUE INDEX instruments_by_token ON instruments (token);
PRAGMA user_version = {VERSION};
"""


def write(path: pathlib.Path, rows: Iterable[InstrumentRow], sectors: Iterable[Sector] = ()) -> None:
    """Put a file with these instruments in the place of the one before, whole or not at all.

    They are numbered by their importance, so that a search finds the likeliest first without sorting.
    For one process at a time.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        with (
            replacing(path) as file,
            contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection,
        ):
            _fill(connection, sorted(rows, key=importance), sectors)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be written: {error}") from None


def _fill(connection: sqlite3.Connection, rows: list[InstrumentRow], sectors: Iterable[Sector]) -> None:
    connection.executescript(_MAKE)
    connection.execute("BEGIN")
    marks = ", ".join("?" * (1 + len(COLUMNS)))
    connection.executemany(f"INSERT INTO instruments VALUES ({marks})", _numbered(rows))  # noqa: S608 # marks only
    connection.executemany(
        "INSERT INTO words (rowid, symbol, name, facets) VALUES (?, ?, ?, ?)",
        ((place, row.symbol, words(row), facets(row)) for place, row in enumerate(rows)),
    )
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.executemany(
        "INSERT INTO sectors VALUES (?, ?, ?)",
        ((sector.code, sector.name, sector.description) for sector in sectors),
    )
    connection.execute("COMMIT")
    connection.executescript(_FINISH)


def _numbered(rows: list[InstrumentRow]) -> Iterator[tuple[object, ...]]:
    return ((place, *msgspec.structs.astuple(row)) for place, row in enumerate(rows))
