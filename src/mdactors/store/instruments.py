"""All that is known of every instrument, to be looked up and searched: an embedded file, never changed."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from mdactors.errors import StoreError
from mdactors.market import indices
from mdactors.market.instrument import InstrumentRow
from mdactors.store.instrument_words import TRUE, facet, spoken

FILE = "instruments.db"
"""Its name in ``data_dir``."""
VERSION = 4
"""``PRAGMA user_version`` of the file."""
COLUMNS = InstrumentRow.__struct_fields__
MOST_WORDS = 8
"""Of what a person typed, so many words are searched for."""
_ROW = "SELECT " + ", ".join(f"i.{name}" for name in COLUMNS)


class Filter(msgspec.Struct, frozen=True):
    """What a search is narrowed to; empty: anything. The case of letters makes no difference."""

    type: str = ""
    sector: str = ""
    """A sector's code."""
    exchange: str = ""
    underlying: str = ""
    """As contracts write it; an index by any name."""
    expiry: str = ""
    """An ISO date."""
    mtf: bool | None = None
    """Whether it may be bought on margin."""
    mis: bool | None = None
    """Whether it may be traded with leverage within a day."""

    def facets(self) -> list[str]:
        """The words that must all be in the facets of a row."""
        asked = msgspec.structs.asdict(self).items()
        said = [(name, TRUE if value is True else value) for name, value in asked if value]
        return [facet(name, value) for name, value in said if value.strip()]

    def condition(self) -> str:
        """What SQL must look at beside the facets: what is not so, which no facet says."""
        denied = [name for name, value in msgspec.structs.asdict(self).items() if value is False]
        return "".join(f" AND NOT i.{name}" for name in denied)


class InstrumentStore:
    """Reads the file of instruments, which another process replaces as a whole.

    While there is no file, it is an empty store. Safe to use from any thread; a question takes well
    below five milliseconds.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    def get(self, token: int) -> InstrumentRow | None:
        """The instrument with our token, None where there is none.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            found = connection.execute(f"{_ROW} FROM instruments i WHERE token = ?", (token,))
            return next(iter(_rows(found)), None)

    def count(self) -> int:
        """How many instruments there are.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return 0
            return int(connection.execute("SELECT count(*) FROM instruments").fetchone()[0])

    def sectors(self) -> list[tuple[str, str, str]]:
        """Code, name and description of every sector.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            return connection.execute("SELECT code, name, description FROM sectors ORDER BY rowid").fetchall()

    def search(self, text: str = "", narrowed: Filter | None = None, limit: int = 20) -> list[InstrumentRow]:
        """The instruments that a person may mean, the likeliest first.

        First those with exactly this symbol, or of which it is an alias, then those whose symbol begins so,
        then those that have all the words, then those that have words which begin so. Among equals go
        indices before shares, funds, contracts by expiry, and bonds.

        Args:
            text: words; empty: all instruments.
            narrowed: only these.
            limit: at most so many.

        Raises:
            StoreError: the file cannot be read.
        """
        found: dict[int, InstrumentRow] = {}
        narrowed = narrowed or Filter()
        narrow = [f"facets : {word}" for word in narrowed.facets()]
        with self._reading() as connection:
            for wanted in _wanted(text):
                if len(found) >= limit or connection is None:
                    break
                asked = " AND ".join(filter(None, (wanted, *narrow)))
                for row in _rows(_matching(connection, asked, narrowed.condition(), limit)):
                    found.setdefault(row.token, row)
        return list(found.values())[:limit]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        with self._lock:
            try:
                yield self._current()
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: cannot be read: {error}") from None

    def _current(self) -> sqlite3.Connection | None:
        """A connection to the file that is there now; None where there is none of this version."""
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        there = (status.st_ino, status.st_mtime_ns)
        if there != self._opened:
            self._close()
            # Nobody writes to a file that is there: without that, every question would lock it.
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            self._opened = there
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                self._close()
                self._opened = there
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._opened = None, None

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        with self._lock:
            self._close()


def _matching(connection: sqlite3.Connection, asked: str, condition: str, limit: int) -> sqlite3.Cursor:
    if not asked:
        query = f"{_ROW} FROM instruments i WHERE true{condition} ORDER BY place LIMIT ?"
        return connection.execute(query, (limit,))
    return connection.execute(
        f"{_ROW} FROM words JOIN instruments i ON place = words.rowid "
        f"WHERE words MATCH ?{condition} ORDER BY words.rowid LIMIT ?",
        (asked, limit),
    )


def _rows(found: sqlite3.Cursor) -> list[InstrumentRow]:
    # SQLite has numbers for true and false.
    return msgspec.convert(found.fetchall(), list[InstrumentRow], strict=False)


def _wanted(text: str) -> Iterator[str]:
    """What to search the words for, the best first; one empty question where nothing is asked for."""
    said = spoken(text)[:MOST_WORDS]
    if not said:
        if not text.strip():
            yield ""
        return
    index = indices.by_name(text)
    symbols = [text] if index is None else [index.symbol, text]
    for symbol in symbols:
        yield f"facets : {facet('symbol', symbol)}"
    exchange, mark, symbol = text.partition(":")
    if mark and symbol.strip():
        yield f"facets : {facet('symbol', symbol)} AND facets : {facet('exchange', exchange)}"
    if len(said) == len(said[0]) == 1:
        # Nearly every contract has a word that begins with a 2: too many to look where it stands.
        yield f"facets : {facet('sign', said[0])}"
    else:
        yield f'symbol : ^ "{" ".join(said)}" *'
    yield " AND ".join(f'{{symbol name}} : "{word}"' for word in said)
    yield " AND ".join(f'{{symbol name}} : "{word}" *' for word in said)
