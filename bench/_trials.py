"""The ways in which parts of a running daemon are broken, each with what it costs meanwhile."""

from __future__ import annotations

import abc
import contextlib
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from bench._disk import SmallDisk, namespaces_are_allowed
from bench._market import Market
from bench._program import DATA, Program
from bench._servers import Postgres, Redis, postgres, redis
from bench._shelf import PostgresShelf, Shelf, SqliteShelf
from bench._witness import Witness

BATCH = {"batch_age": "1s", "batch_rows": 100}
DUE_SECONDS = 11.0
"""A tick that is older should be where it belongs: a batch's age and ten seconds more."""


class Site:
    """One daemon with all that is around it, and how much was sent to it by when."""

    def __init__(self, folder: Path, source: Market) -> None:
        self.folder = folder
        self.source = source
        self.daemon: Program
        self.witness: Witness
        self.broken_at = 0.0
        self._sent: list[tuple[float, int]] = []

    def note_sent(self) -> None:
        """Write down how much was sent by now."""
        self.source.sent.read()
        self._sent.append((time.monotonic(), self.source.sent.updates()))

    def due(self) -> int:
        """How many ticks were sent so long ago that they should be where they belong."""
        until = time.monotonic() - DUE_SECONDS
        return max((sent for at, sent in self._sent if at <= until), default=0)

    def silence(self) -> int:
        """Seconds for which a client has heard no tick; 0 where that is no wonder."""
        seconds = self.witness.silent_seconds()
        return round(seconds) if seconds > DUE_SECONDS else 0


class Trial(abc.ABC):
    """Breaks one part of a daemon and says what is lost, or not where it belongs, while it is broken."""

    name: ClassVar[str]
    before: Sequence[str] = ()
    """What the daemon's command line is put behind."""
    module: Sequence[str] = ("mdactors",)
    starts_up = True
    """Whether the daemon is UP before it is broken."""
    site: Site
    """Where it is broken; set before."""

    @contextlib.contextmanager
    def set_up(self, folder: Path) -> Iterator[dict[str, Any]]:
        """Whatever it needs around it; the daemon's sections of the configuration."""
        self.shelf: Shelf = SqliteShelf(folder)
        yield {"store": {**self.shelf.settings, **BATCH}}

    def settings(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The broker's section, as it is to be."""
        return settings

    @abc.abstractmethod
    def break_it(self) -> None:
        """Break it, for good."""

    def keep(self) -> None:  # noqa: B027 - most stay broken by themselves
        """See that it stays broken."""

    @abc.abstractmethod
    def mend(self) -> None:
        """Mend it."""

    def missing(self) -> int:
        """So many ticks, or seconds without one, are missing: here, in the store."""
        return max(0, self.site.due() - self.shelf.count())


class Bug(Trial):
    """A part raises at all that it is told, or hangs."""

    part: str

    @contextlib.contextmanager
    def set_up(self, folder: Path) -> Iterator[dict[str, Any]]:
        """The flag that makes it do so."""
        self._flag = folder / "broken"
        self.module = ("bench._saboteur", self.part, str(self._flag))
        with super().set_up(folder) as sections:
            yield sections

    def break_it(self) -> None:
        """From now on."""
        self._flag.touch()

    def mend(self) -> None:
        """Until now."""
        self._flag.unlink()


class PersisterRaises(Bug):
    """At every batch."""

    name, part = "persister raises", "persister"


class JournalRaises(Bug):
    """At every record."""

    name, part = "journal writer raises", "journal"


class HubRaises(Bug):
    """At every batch of ticks: clients get none."""

    name, part = "hub raises", "hub"

    def missing(self) -> int:
        """Seconds without a tick for the client."""
        return (
            round(self.site.witness.silent_seconds())
            if self.site.witness.silent_seconds() > DUE_SECONDS
            else 0
        )


class CarrierHangs(Bug):
    """The part that is being stored never comes to its end, and the persister waits for it."""

    name, part = "store hangs", "carrier"


class OnPostgres(Trial):
    """With a PostgreSQL of its own."""

    server: Postgres

    @contextlib.contextmanager
    def set_up(self, folder: Path) -> Iterator[dict[str, Any]]:
        """The server."""
        below = folder / "server"
        below.mkdir(mode=0o755)
        with postgres(below) as self.server:
            self.shelf = PostgresShelf(self.server.dsn)
            yield {"store": {**self.shelf.settings, **BATCH}}


class DatabaseAway(OnPostgres):
    """It is stopped."""

    name = "database away"

    def break_it(self) -> None:
        """Stop it."""
        self._stored = self.shelf.count()
        self.server.stop()

    def mend(self) -> None:
        """Start it."""
        self.server.start()

    def missing(self) -> int:
        """Nothing more is stored meanwhile."""
        return max(0, self.site.due() - self._stored)


class TableLocked(OnPostgres):
    """Another session holds the table."""

    name = "table locked"

    def break_it(self) -> None:
        """Take the lock."""
        self._stored = self.shelf.count()
        self._other = psycopg.connect(self.server.dsn)
        self._other.execute("LOCK TABLE ticks")

    def mend(self) -> None:
        """Give it back."""
        self._other.close()

    def missing(self) -> int:
        """Nothing more is stored meanwhile."""
        return max(0, self.site.due() - self._stored)


class FileLocked(Trial):
    """Another program holds SQLite's file."""

    name = "SQLite's file locked"

    def break_it(self) -> None:
        """Take the lock."""
        self._stored = self.shelf.count()
        self._other = sqlite3.connect(self.site.folder / DATA / "ticks.db", isolation_level=None, timeout=30)
        self._other.execute("BEGIN EXCLUSIVE")

    def mend(self) -> None:
        """Give it back."""
        self._other.close()

    def missing(self) -> int:
        """Nothing more is stored meanwhile."""
        return max(0, self.site.due() - self._stored)


class DiskFull(Trial):
    """The journal's disk is full, and SQLite's file is elsewhere."""

    name = "journal's disk full"

    @contextlib.contextmanager
    def set_up(self, folder: Path) -> Iterator[dict[str, Any]]:
        """The small disk."""
        journal = folder / DATA / "journal"
        journal.mkdir(parents=True)
        if not namespaces_are_allowed(journal):
            raise RuntimeError("this machine allows no user namespaces: no disk to fill")
        self._disk = SmallDisk(journal)
        self.before = self._disk.before
        with super().set_up(folder) as sections:
            yield {**sections, "journal": {"segment_bytes": 1 << 18}}

    def break_it(self) -> None:
        """Fill it."""
        self._disk.fill(self.site.daemon.pid)

    def keep(self) -> None:
        """What is stored meanwhile gives space back."""
        self._disk.fill(self.site.daemon.pid)

    def mend(self) -> None:
        """Empty it."""
        self._disk.empty(self.site.daemon.pid)


class OnRedis(Trial):
    """With a Redis-compatible server of its own."""

    server: Redis

    @contextlib.contextmanager
    def set_up(self, folder: Path) -> Iterator[dict[str, Any]]:
        """The server."""
        with super().set_up(folder) as sections, redis(folder) as self.server:
            yield {**sections, "cache": {"kind": "redis", "redis": {"port": self.server.port}}}

    def missing(self) -> int:
        """What was sent meanwhile is not cached."""
        return max(0, self.site.due() - self._cached)

    _cached = 0


class CacheAway(OnRedis):
    """It is killed."""

    name = "cache away"

    def break_it(self) -> None:
        """Kill it."""
        self._cached = self.site.source.sent.updates()
        self.server.stop(signal.SIGKILL)

    def mend(self) -> None:
        """Start it."""
        self.server.start()


class CacheHangs(OnRedis):
    """It answers nothing."""

    name = "cache hangs"

    def break_it(self) -> None:
        """Stop its process."""
        self._cached = self.site.source.sent.updates()
        self.server.send(signal.SIGSTOP)

    def mend(self) -> None:
        """Let it go on."""
        self.server.send(signal.SIGCONT)


class FeedSilent(Trial):
    """The broker says nothing any more, not even that it is there."""

    name = "feed silent"

    def break_it(self) -> None:
        """Freeze the broker."""
        self.site.source.freeze()

    def mend(self) -> None:
        """Let it go on."""
        self.site.source.thaw()

    def missing(self) -> int:
        """Seconds without a tick."""
        return (
            round(self.site.witness.silent_seconds())
            if self.site.witness.silent_seconds() > DUE_SECONDS
            else 0
        )


class NoToken(FeedSilent):
    """The broker refuses the token from the start."""

    name = "no token"
    starts_up = False

    def settings(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """With yesterday's token."""
        return {**settings, "access_token": "of-yesterday"}

    def break_it(self) -> None:
        """It is from the start."""

    def mend(self) -> None:
        """It stays so: a token needs a person."""


TRIALS: Sequence[type[Trial]] = (
    PersisterRaises, JournalRaises, HubRaises, CarrierHangs, DiskFull, DatabaseAway, TableLocked, FileLocked,
    CacheAway, CacheHangs, FeedSilent, NoToken,
)  # fmt: skip
