"""The ways into one PostgreSQL table of ticks: ours through the journal, and what one would do else."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench._servers import Postgres, postgres_binaries
from mdactors.actors.batch_persister import PART_TICKS
from mdactors.adapter import Secret
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.runtime import MACHINE
from mdactors.store.carrier import DirectCarrier
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.ticks import COLUMNS, TickStore
from mdactors.store.ticks_postgres import PostgresTicks

STATEMENT_ROWS = 1000
INSERTED_ROWS = 20_000
"""So many of the rows are inserted by long statements: into an empty table, which flatters those."""
_Row = tuple[Any, ...]
_Cursor = psycopg.Cursor[_Row]
_NAMES = ", ".join(COLUMNS)
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
_ROW = sql.SQL("({})").format(sql.SQL(", ").join(sql.Placeholder() * len(COLUMNS)))
_INSERT = sql.SQL("INSERT INTO ticks ({}) VALUES ").format(_COLUMNS)
_SIZE = "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('ticks') WHERE isleaf"


class Ways:
    """One table, emptied before each way; the same indexes and partitions for all.

    ``journal`` is the folder of a synced journal; its ticks are stored once to begin with, and what the
    other ways write is read back from there.
    """

    def __init__(self, server: Postgres, journal: Path, folder: Path) -> None:
        self._dsn = server.dsn
        self._journal = journal
        self._file = folder / "ticks.copy"
        self._store = _opened(server.dsn, raw=True)
        self.rows = carry(journal, self._store)
        everything = f"SELECT {_NAMES} FROM ticks"  # noqa: S608 # our own names
        self._psql(f"\\copy ({everything}) TO '{self._file}' (FORMAT binary)")
        with psycopg.connect(self._dsn) as connection:
            self._values = connection.execute(sql.SQL("SELECT {} FROM ticks").format(_COLUMNS)).fetchall()

    def close(self) -> None:
        """Give back the connections."""
        self._store.close()

    def ours(self) -> float:
        """Rows a second from the journal's files to the committed table."""
        self._empty()
        started = time.perf_counter()
        count = carry(self._journal, self._store)
        return count / (time.perf_counter() - started)

    def copied(self) -> float:
        """Rows a second of psql's binary copy of the same rows."""
        self._empty()
        started = time.perf_counter()
        self._psql(f"\\copy ticks ({_NAMES}) FROM '{self._file}' (FORMAT binary)")
        return self.rows / (time.perf_counter() - started)

    def many(self) -> float:
        """Rows a second of ``executemany``, a thousand rows a transaction."""
        statement = _INSERT + _ROW
        return self._by_thousands(self._values, lambda cursor, rows: cursor.executemany(statement, rows))

    def at_once(self, ticks: Sequence[Tick]) -> float:
        """Seconds for one batch of all these."""
        self._empty()
        started = time.perf_counter()
        self._store.write(ticks, None, Position("bench", 1, 1, len(ticks)))
        return time.perf_counter() - started

    def inserted(self) -> float:
        """Rows a second of INSERT statements of a thousand rows, each its own transaction."""
        statement = _INSERT + sql.SQL(", ").join([_ROW] * STATEMENT_ROWS)
        return self._by_thousands(
            self._values[:INSERTED_ROWS],
            lambda cursor, rows: cursor.execute(statement, list(itertools.chain.from_iterable(rows))),
        )

    def bytes_per_row(self, *, raw: bool) -> float:
        """What a stored row takes on disk, indexes included, with or without the broker's bytes."""
        self._empty()
        store = _opened(self._dsn, raw=raw)
        carry(self._journal, store)
        store.close()
        with psycopg.connect(self._dsn) as connection:
            found = connection.execute(_SIZE).fetchone()
        assert found is not None
        return float(found[0] / self.rows)

    def _by_thousands(
        self, values: Sequence[_Row], write: Callable[[_Cursor, Sequence[_Row]], object]
    ) -> float:
        self._empty()
        started = time.perf_counter()
        with psycopg.connect(self._dsn) as connection, connection.cursor() as cursor:
            for start in range(0, len(values), STATEMENT_ROWS):
                write(cursor, values[start : start + STATEMENT_ROWS])
                connection.commit()
        return len(values) / (time.perf_counter() - started)

    def _empty(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE ticks, journal_positions")
            connection.execute("CHECKPOINT")

    def _psql(self, command: str) -> None:
        psql = shutil.which("psql") or str(postgres_binaries() / "psql")
        subprocess.run([psql, "-qX", "-v", "ON_ERROR_STOP=1", "-c", command, self._dsn], check=True)


def carry(journal: Path, store: TickStore) -> int:
    """Store a journal as the persister does; how many ticks there were."""
    carrier = DirectCarrier(store, journal)
    position: Position | None = None
    count = 0
    while (carried := carrier.carry(position, None, PART_TICKS)).ticks:
        position = carried.upto
        count += carried.ticks
    carrier.close()
    return count


def _opened(dsn: str, *, raw: bool) -> PostgresTicks:
    store = PostgresTicks(PostgresDatabase(Secret(dsn)), raw=raw)
    store.maintain(MACHINE.time_ns())
    return store
