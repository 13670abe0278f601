"""Where a daemon under test keeps its ticks: the settings that lead there, and every row of it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg

from bench._judge import Row
from bench._program import DATA

_ROWS = "SELECT epoch, instrument_token, seq, raw_tick_data FROM ticks ORDER BY 1, 2, 3"
_COUNT = "SELECT count(*) FROM ticks"
_SAID = "SELECT (SELECT count(*) FROM refused_ticks) + (SELECT count(*) FROM journal_gaps)"
_PAGE_ROWS = 5000


class Shelf(Protocol):
    """One store, read past the daemon."""

    settings: dict[str, Any]
    """The section ``store``."""

    def rows(self) -> Iterator[Row]:
        """All of it, in the judge's order."""

    def count(self) -> int:
        """How many rows; 0 while there is no table yet."""

    def complaints(self) -> int:
        """How many ticks it has set aside, and gaps it knows of."""


class SqliteShelf:
    """A file among the data of a daemon that runs in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.settings: dict[str, Any] = {"kind": "sqlite"}
        self._path = folder / DATA / "ticks.db"

    def rows(self) -> Iterator[Row]:
        """All of it, in the judge's order."""
        with contextlib.closing(sqlite3.connect(self._path)) as database:
            yield from database.execute(_ROWS)

    def count(self) -> int:
        """How many rows; 0 while there is no table yet."""
        if not self._path.exists():
            return 0
        with contextlib.closing(sqlite3.connect(self._path)) as database:
            try:
                return int(database.execute(_COUNT).fetchone()[0])
            except sqlite3.OperationalError:
                return 0

    def complaints(self) -> int:
        """How many ticks it has set aside, and gaps it knows of."""
        with contextlib.closing(sqlite3.connect(self._path)) as database:
            return int(database.execute(_SAID).fetchone()[0])


class PostgresShelf:
    """A database of a running server."""

    def __init__(self, dsn: str) -> None:
        self.settings: dict[str, Any] = {"kind": "postgres", "url": dsn}
        self._dsn = dsn

    def rows(self) -> Iterator[Row]:
        """All of it, in the judge's order."""
        with psycopg.connect(self._dsn) as database, database.cursor("rows", binary=True) as cursor:
            cursor.itersize = _PAGE_ROWS
            cursor.execute(_ROWS)
            for epoch, token, seq, raw in cursor:
                yield epoch, token, seq, bytes(raw)

    def count(self) -> int:
        """How many rows; 0 while there is no table yet."""
        with psycopg.connect(self._dsn) as database:
            try:
                found = database.execute(_COUNT).fetchone()
            except psycopg.errors.UndefinedTable:
                return 0
        return int(found[0]) if found else 0

    def complaints(self) -> int:
        """How many ticks it has set aside, and gaps it knows of."""
        with psycopg.connect(self._dsn) as database:
            found = database.execute(_SAID).fetchone()
        return int(found[0]) if found else 0
