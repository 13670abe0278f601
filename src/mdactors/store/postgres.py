"""One PostgreSQL database: the way to it, its schema, and connections for who writes and who reads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.types.string import BytesBinaryDumper

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store import postgres_schema
from mdactors.store.postgres_connection import WAIT_SECONDS, Connection, Connections, MillisecondsLoader
from mdactors.store.postgres_url import CONNECT_SECONDS, parameters, place

WRITERS = 2
READERS = 4
SECONDS = 30.0
"""For one transaction or one question. With the waits for a connection in front of it, all that blocks
ends well below a minute."""
_SETTINGS = {
    "synchronous_commit": "on",
    # Below our own deadline, so that an awake server ends a statement itself and says why.
    "statement_timeout": "25s",
    "lock_timeout": "10s",
    # A client that hangs in a transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "60s",
}

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
        self._parameters = parameters(url, username, password or Secret())
        self.where = place(self._parameters)
        self.schema = schema
        self._kind: postgres_schema.Kind | None = None
        self._migration_lock = threading.Lock()
        self._writers = Connections(WRITERS, self._connect)
        self._readers = Connections(READERS, self._connect_read_only)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction for this block, committed when it ends well, durably.

        Raises:
            StoreError: the database is away or refused. Nothing was written, or, where the connection was
                lost while committing, everything.
        """
        with self._reported("written"):
            self._prepare()
            with self._writers.lent(SECONDS) as connection, connection.transaction():
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that cannot write, for this block alone.

        Raises:
            StoreError: the database is away or refused.
        """
        with self._reported("read"):
            self._prepare()
            with self._readers.lent(SECONDS) as connection:
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
                    self._kind = postgres_schema.migrate(self._connect, self.schema)
            except StoreError as error:
                raise StoreError(f"{self.where}: {error}") from None
            finally:
                self._migration_lock.release()
        return self._kind

    def _connect(self) -> Connection:
        connection = Connection.connect(**self._parameters, autocommit=True)  # type: ignore[arg-type] # all are texts
        try:
            connection.deadline = time.monotonic() + CONNECT_SECONDS
            connection.adapters.register_loader("timestamptz", MillisecondsLoader)
            # The one that is registered takes DBAPI's `Binary` as well, and seven times as long.
            connection.adapters.register_dumper(bytes, BytesBinaryDumper)
            for name, value in _SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            # Last and least: pg_temp, where anybody may put tables of our names.
            path = sql.SQL("{}, pg_temp").format(sql.Identifier(self.schema)).as_string(connection)
            connection.execute("SELECT set_config('search_path', %s, false)", (path,))
            connection.deadline = time.monotonic() + SECONDS
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_read_only(self) -> Connection:
        connection = self._connect()
        try:
            connection.execute("SET default_transaction_read_only = on")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise StoreError(f"{self.where}: cannot be {what}: {reason}") from None

    def close(self) -> None:
        """Close every connection."""
        self._writers.close()
        self._readers.close()
