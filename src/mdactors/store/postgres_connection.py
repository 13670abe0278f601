"""A connection to PostgreSQL whose every wait ends, and a few of them kept at hand."""

from __future__ import annotations

import math
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.pq import Format

Value = TypeVar("Value")
EPOCH_MS = 946_684_800_000
"""PostgreSQL's zero of time, 2000-01-01, in epoch milliseconds."""
WAIT_SECONDS = 5.0
"""How long to wait for a connection that other threads use."""
_microseconds = struct.Struct("!q").unpack


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up at its ``deadline`` (monotonic seconds) whatever the server does.

    The server's own time-outs do not help with a server that hangs.
    """

    deadline = math.inf

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

    def silent(self) -> bool:
        """Whether an idle connection is still open: a server that goes away says so, and nothing else."""
        readable = select.poll()
        readable.register(self.pgconn.socket, select.POLLIN)
        return not readable.poll(0)


class MillisecondsLoader(Loader):
    """Reads a timestamptz as epoch milliseconds."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        """The instant, cut to the millisecond."""
        (microseconds,) = _microseconds(data)
        return int(microseconds) // 1000 + EPOCH_MS


class Connections:
    """Lends at most so many connections at a time, each to one thread; opens them as needed.

    One that failed, or was left by an exception, is not lent again.
    """

    def __init__(self, size: int, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def lent(self, seconds: float) -> Iterator[Connection]:
        """A connection for this block, which may wait for the server no longer than ``seconds`` in all.

        Raises:
            psycopg.Error: the server cannot be reached, all are in use, or these are closed.
        """
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise psycopg.OperationalError("all connections are in use")
        try:
            connection = self._take() or self._connect()
            connection.deadline = time.monotonic() + seconds
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
        finally:
            self._free.release()

    def _take(self) -> Connection | None:
        with self._lock:
            if self._closed:
                raise psycopg.OperationalError("it is closed")
            while self._idle:
                connection = self._idle.pop()
                if connection.silent():
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close those that nobody uses now, and the others when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
