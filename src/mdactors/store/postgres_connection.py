"""A connection to PostgreSQL whose every wait ends, and a few of them kept at hand."""

from __future__ import annotations

import math
import select
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.string import BytesBinaryDumper
from psycopg_pool import ConnectionPool, PoolTimeout

Value = TypeVar("Value")
EPOCH_MS = 946_684_800_000
"""PostgreSQL's zero of time, 2000-01-01, in epoch milliseconds."""
WAIT_SECONDS = 10.0
"""How long to wait for a connection, whether others use them or one is being made."""
LOOK_SECONDS = 0.2
"""How often who waits looks whether the server has refused."""
END_SECONDS = 1.0
"""How long to wait at the end for a connection that is being made."""
_microseconds = struct.Struct("!q").unpack


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up at its ``deadline`` (monotonic seconds) whatever the server does.

    The server's own time-outs do not help with a server that hangs. Nothing is set on its session, and no
    statement gets a name: behind a pooler the session is somebody else's in the next transaction.
    """

    deadline = math.inf

    @classmethod
    def connect(  # type: ignore[override] # what psycopg takes, and one more
        cls, *arguments: Any, failed: Callable[[psycopg.Error], None] = lambda _error: None, **more: Any
    ) -> Self:
        """Connect as psycopg does, without a transaction; ``failed`` hears why that could not be."""
        try:
            connection = super().connect(*arguments, autocommit=True, prepare_threshold=None, **more)
        except psycopg.Error as error:
            failed(error)
            raise
        connection.adapters.register_loader("timestamptz", MillisecondsLoader)
        # The one that is registered takes DBAPI's `Binary` as well, and seven times as long.
        connection.adapters.register_dumper(bytes, BytesBinaryDumper)
        return connection

    def wait(self, gen: PQGen[Value], interval: float = 0.1, timeout: float | None = None) -> Value:
        """Wait no longer than until the deadline; the connection is closed there."""
        left = self.deadline - time.monotonic()
        if timeout is not None:
            left = min(left, timeout)
        try:
            return super().wait(gen, interval, None if left == math.inf else max(left, 0.0))
        except psycopg.OperationalError:
            if time.monotonic() < self.deadline:
                raise
            self.close()
            raise psycopg.OperationalError("the server does not answer in time") from None

    def expect_silence(self) -> None:
        """Close an idle connection on which anything was said: a server that goes away does that.

        Raises:
            psycopg.OperationalError: so it was.
        """
        readable = select.poll()
        readable.register(self.pgconn.socket, select.POLLIN)
        if readable.poll(0):
            self.close()
            raise psycopg.OperationalError("the server has ended the connection")


class MillisecondsLoader(Loader):
    """Reads a timestamptz as epoch milliseconds."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        """The instant, cut to the millisecond."""
        (microseconds,) = _microseconds(data)
        return int(microseconds) // 1000 + EPOCH_MS


class Connections:
    """Lends at most so many connections at a time, each to one thread; opens them as needed.

    One that failed, or was left by an exception, is not lent again. Whoever waits for one hears at once why
    the server refuses, which the pool would keep to itself.
    """

    def __init__(self, name: str, size: int, parameters: Mapping[str, str], *, read_only: bool) -> None:
        self._failure: psycopg.Error | None = None
        self._closed = False

        def configure(connection: Connection) -> None:
            connection.read_only = read_only

        self._pool = ConnectionPool(
            connection_class=Connection,
            kwargs={**parameters, "failed": self._failed},
            name=name,
            min_size=0,
            max_size=size,
            open=False,
            configure=configure,
            check=Connection.expect_silence,
            num_workers=1,
            reconnect_timeout=0.0,
        )

    def _failed(self, error: psycopg.Error) -> None:
        self._failure = error

    @contextmanager
    def lent(self, seconds: float) -> Iterator[Connection]:
        """A connection for this block, which may wait for the server no longer than ``seconds`` in all.

        Raises:
            psycopg.Error: the server cannot be reached, all are in use, or these are closed.
        """
        if self._closed:
            raise psycopg.OperationalError("it is closed")
        self._pool.open()
        connection = self._taken()
        connection.deadline = time.monotonic() + seconds
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        finally:
            self._pool.putconn(connection)

    def _taken(self) -> Connection:
        before = self._failure
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self._pool.getconn(LOOK_SECONDS)
            except PoolTimeout:
                if self._failure is not None and self._failure is not before:
                    raise self._failure from None
                if time.monotonic() >= end:
                    raise psycopg.OperationalError("no connection is free, and none comes about") from None

    def close(self) -> None:
        """Close those that nobody uses now, and the others when they come back."""
        self._closed = True
        self._pool.close(END_SECONDS)
