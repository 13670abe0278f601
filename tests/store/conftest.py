"""One database of each kind for the contract that all stores keep."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from bench._servers import Postgres, postgres
from tests.conftest import open_folder

from mdactors.adapter import Secret
from mdactors.market.candle import Interval
from mdactors.store.bars import BarStore
from mdactors.store.bars_postgres import PostgresBars
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import TickStore
from mdactors.store.ticks_postgres import PostgresTicks
from mdactors.store.ticks_sqlite import SqliteTicks

BOTH: tuple[Interval, ...] = ("1s", "1m")


class Database(Protocol):
    """An empty database, the stores that a test opens on it, and a look at it beside them."""

    def open(
        self, *, raw: bool = True, retention_days: int = 0, intervals: Sequence[Interval] = BOTH
    ) -> tuple[TickStore, BarStore]: ...

    def query(self, statement: str) -> list[tuple[Any, ...]]: ...

    def close(self) -> None:
        """Close every store that was opened."""


class SqliteFile:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "ticks #1.db"
        self.opened: list[TickStore] = []

    def open(
        self, *, raw: bool = True, retention_days: int = 0, intervals: Sequence[Interval] = BOTH
    ) -> tuple[TickStore, BarStore]:
        database = SqliteDatabase(self.path)
        self.opened.append(SqliteTicks(database, raw=raw, retention_days=retention_days))
        return self.opened[-1], SqliteBars(database, intervals)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as other:
            return other.execute(statement).fetchall()

    def close(self) -> None:
        for store in self.opened:
            store.close()


class PostgresSchema:
    numbers = itertools.count(1)

    def __init__(self, server: Postgres) -> None:
        self.dsn = server.dsn
        self.schema = f"test_{next(self.numbers)}"
        self.opened: list[TickStore] = []

    def database(self) -> PostgresDatabase:
        return PostgresDatabase(Secret(self.dsn), schema=self.schema)

    def open(
        self, *, raw: bool = True, retention_days: int = 0, intervals: Sequence[Interval] = BOTH
    ) -> tuple[TickStore, BarStore]:
        database = self.database()
        self.opened.append(PostgresTicks(database, raw=raw, retention_days=retention_days))
        return self.opened[-1], PostgresBars(database, intervals)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as other:
            other.execute(f"SET search_path = {self.schema}")
            cursor = other.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        for store in self.opened:
            store.close()


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """The folder of `own_postgres`; the server's data are in ``data``."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def own_postgres(own_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL that this test may hang, stop and set up as it likes."""
    with postgres(own_folder) as server:
        yield server


@pytest.fixture
def schema(postgres_server: Postgres) -> Iterator[PostgresSchema]:
    """A schema of this test's own in ``postgres_server``, not made yet."""
    made = PostgresSchema(postgres_server)
    yield made
    made.close()


@pytest.fixture
def postgres_database(schema: PostgresSchema) -> Iterator[PostgresDatabase]:
    """The way to this test's schema."""
    made = schema.database()
    yield made
    made.close()


@pytest.fixture
def query(schema: PostgresSchema) -> Callable[[str], list[tuple[Any, ...]]]:
    """``query(statement)``: ask this test's schema past our own code."""
    return schema.query


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    served = request.param == "postgres"
    made: Database = request.getfixturevalue("schema") if served else SqliteFile(tmp_path)
    yield made
    made.close()


@pytest.fixture
def ticks_store(database: Database) -> TickStore:
    """A store of ticks in ``database``, with raw bytes, that forgets nothing."""
    return database.open()[0]


@pytest.fixture
def bars_store(database: Database) -> BarStore:
    """A store of bars of both stored intervals in ``database``."""
    return database.open()[1]
