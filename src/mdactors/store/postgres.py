"""One PostgreSQL database: its address, its schema, and connections for who writes and who reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors, sql

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store import postgres_schema
from mdactors.store.postgres_connection import WAIT_SECONDS, Connection, Connections
from mdactors.store.postgres_url import read_address

WRITERS = 2
READERS = 4
SECONDS = 30.0
"""For one transaction. With the wait for a connection in front of it, all that blocks ends well below a
minute."""
_SETTINGS = {
    "synchronous_commit": "on",
    # Below our own deadline, so that an awake server ends a statement itself and says why.
    "statement_timeout": "25s",
    "lock_timeout": "10s",
    # A client that hangs in a transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "60s",
}
"""Of each transaction: a session may be another's behind a pooler."""
_GONE = (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName)
"""Somebody has put another database in the place of ours: perhaps it has to be made ready first."""
_NO_TRANSACTIONS = "statement pooling mode"
"""PgBouncer's words for a mode in which nothing can be stored exactly once."""

# It warns of every step that fails while a failed transaction is undone; we raise why that failed.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class PostgresDatabase:
    """Owns the connections to one database and keeps our schema in it up to date. Safe to use from any
    thread; blocks, but never for a minute.

    Nothing is connected before it is needed: a server that is away is the matter of who asks, each time.
    ``where`` names the database for a person, ``schema`` is made when it is missing.

    Raises:
        StoreError: ``url`` is no URL of a PostgreSQL.
    """  # noqa: D205 # one thought

    def __init__(
        self, url: Secret, *, username: str = "", password: Secret | None = None, schema: str = "public"
    ) -> None:
        found = read_address(url, username, password or Secret())
        if found.schema not in ("", schema):
            raise StoreError(f"store.url: currentSchema={found.schema} is for store.schema to say ({schema})")
        self.where = str(found)
        self.schema = schema
        self._settings = _settings(schema)
        self._kind: postgres_schema.Kind | None = None
        self._migration_lock = threading.Lock()
        self._writers = Connections("writers", WRITERS, found.parameters, read_only=False)
        self._readers = Connections("readers", READERS, found.parameters, read_only=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction for this block, committed when it ends well, durably.

        Raises:
            StoreError: the database is away or refused. Nothing was written, or, where the connection was
                lost while committing, everything.
        """
        with self._reported("written"):
            self._prepare()
            with self._begun(self._writers) as connection:
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that cannot write, for this block alone.

        Raises:
            StoreError: the database is away or refused.
        """
        with self._reported("read"):
            self._prepare()
            with self._begun(self._readers) as connection:
                yield connection

    @contextmanager
    def _begun(self, connections: Connections) -> Iterator[Connection]:
        with connections.lent(SECONDS) as connection, connection.transaction():
            connection.execute(self._settings)
            yield connection

    @property
    def kind(self) -> postgres_schema.Kind:
        """Whether the schema is a plain one or TimescaleDB's.

        Raises:
            StoreError: the database is away, or the schema is not ours.
        """
        with self._reported("opened"):
            return self._prepare()

    def _prepare(self) -> postgres_schema.Kind:
        """Bring the schema up to date, once."""
        if self._kind is None:
            if not self._migration_lock.acquire(timeout=WAIT_SECONDS):
                raise StoreError(f"{self.where}: another thread still waits for it to be opened")
            try:
                if self._kind is None:
                    self._kind = postgres_schema.migrate(lambda: self._begun(self._writers), self.schema)
            except StoreError as error:
                raise StoreError(f"{self.where}: {error}") from None
            finally:
                self._migration_lock.release()
        return self._kind

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if isinstance(error, _GONE):
                self._kind = None
            reason = str(error).partition("\n")[0] or type(error).__name__
            if _NO_TRANSACTIONS in reason:
                reason += ": the pooler there must be in transaction or session mode"
            raise StoreError(f"{self.where}: cannot be {what}: {reason}") from None

    def close(self) -> None:
        """Close every connection."""
        self._writers.close()
        self._readers.close()


def _settings(schema: str) -> bytes:
    """The statements that each transaction begins with."""
    # Last and least: pg_temp, where anybody may put tables of our names.
    path = sql.SQL("SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(schema))
    others = (
        sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), value) for name, value in _SETTINGS.items()
    )
    # Of what somebody's constraint refuses at the commit nobody could tell which row it was.
    at_once = sql.SQL("SET CONSTRAINTS ALL IMMEDIATE")
    return sql.SQL("; ").join([path, *others, at_once]).as_bytes(None)
