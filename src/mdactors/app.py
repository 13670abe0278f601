"""The composition root: the only file that sees everything; the start order reads top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from mdactors import __version__
from mdactors.actors.batch_persister import BatchPersister
from mdactors.actors.broker_connection import BrokerConnection, Line
from mdactors.actors.cache_writer import CacheWriter
from mdactors.actors.instrument_master import Catalogue, InstrumentMaster
from mdactors.actors.normalizer import Normalizer
from mdactors.actors.session_hub import SessionHub
from mdactors.actors.subscription_manager import SubscriptionManager, Upstream
from mdactors.adapter import BrokerAdapter
from mdactors.config import Settings
from mdactors.errors import StoreError
from mdactors.market.calendar import Calendar
from mdactors.protocol import Delivery
from mdactors.runtime import (
    Address,
    ChildSpec,
    Intensity,
    MailboxPolicy,
    Supervisor,
    SystemClock,
    Tree,
    start_tree,
)
from mdactors.status import Status
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors.web.application import WebServer
from mdactors.web.gateway import Gateway

logger = logging.getLogger(__name__)

FRAMES_WAITING = MailboxPolicy(capacity=1000, when_full="wait")
BATCHES_WAITING = MailboxPolicy(capacity=10_000, when_full="drop_oldest")
SLOW_CHILD_SECONDS = 120.0
"""The ping limit of those who download or write for long."""


class Daemon:
    """Everything that runs, wired; `start` and `stop` belong to the event loop's thread."""

    def __init__(self, settings: Settings, adapters: Mapping[str, BrokerAdapter]) -> None:
        self._settings = settings
        self._adapters = adapters
        self._clock = SystemClock()
        self._calendar = Calendar(always_open=settings.calendar.always_open)
        self._catalogue = Catalogue()
        self._data = pathlib.Path(settings.data_dir)
        self._started = self._clock.monotonic()
        self._undo = contextlib.AsyncExitStack()
        self._store: SqliteTicks | None = None
        self._tree: Tree | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self.exit_code = 0
        self._name_addresses()

    def _name_addresses(self) -> None:
        """Every actor's lasting name, before anybody lives there."""
        self.hub = Address("session_hub", BATCHES_WAITING)
        self.manager = Address("subscription_manager")
        self.persister = Address("batch_persister", BATCHES_WAITING)
        self.cache_writer = Address("cache_writer", BATCHES_WAITING)
        self.master = Address("instrument_master")
        self.normalizers = {name: Address(f"{name}/normalizer", FRAMES_WAITING) for name in self._brokers}
        self.connections = {
            name: [
                Address(f"{name}/connection-{n}")
                for n in range(1, self._adapters[name].limits.connections + 1)
            ]
            for name in self._brokers
        }

    @property
    def _brokers(self) -> Sequence[str]:
        return list(self._settings.brokers)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._web.port

    async def start(self) -> None:
        """Open stores and port, start the actors, then serve; `stop` undoes it all, also after a failure.

        Raises:
            MdactorsError: a store cannot be opened, or the server cannot listen.
        """
        self._loop = asyncio.get_running_loop()
        self._open_stores()
        self._web = WebServer(self._settings.server, self._settings.admin, self._gateway())
        self._web.bind()
        self._tree = start_tree(self._root(), self._clock, self._give_up)
        self._undo.push_async_callback(asyncio.to_thread, self._tree.stop)
        self._undo.push_async_callback(self._web.stop)
        await self._web.start()
        logger.info("mdactors %s listens on http://%s:%d", __version__, self._settings.server.host, self.port)

    def _open_stores(self) -> None:
        try:
            self._data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"data_dir: cannot make {self._data}: {error.strerror}") from error
        self._cache = MemoryCache(self._settings.cache.today_minutes)
        self._store = None
        if self._settings.store.ticks:
            self._store = SqliteTicks(self._data / self._settings.store.path)
            self._undo.callback(self._store.close)

    async def stop(self) -> None:
        """Close the sessions, stop the actors in reverse order, close the stores."""
        await self._undo.aclose()

    async def wait(self, seconds: float | None = None) -> None:
        """Until somebody asks for the end, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    @property
    def is_stopping(self) -> bool:
        """Whether somebody has asked for the end."""
        return self._stopping.is_set()

    def request_stop(self) -> None:
        """Ask for the end; on the loop's thread."""
        self._stopping.set()

    def addresses(self) -> list[Address]:
        """Every actor's address, supervisors apart."""
        connections = [address for each in self.connections.values() for address in each]
        own = [self.hub, self.manager, self.persister, self.cache_writer, self.master]
        return [*own, *self.normalizers.values(), *connections]

    def describe_tree(self) -> dict[str, Any]:
        """The supervision tree as `Tree.describe` gives it."""
        assert self._tree is not None, "asked before start"
        return self._tree.describe()

    def healthy(self) -> bool:
        """Whether the supervision tree is."""
        return self._tree is not None and self._tree.healthy()

    async def summary(self) -> str:
        """One line for the service manager."""
        return await self._status().line(len(self._catalogue.table))

    def _give_up(self, reason: str) -> None:
        """The root supervisor gave up (in its thread): end the process, so that systemd starts it again."""
        logger.critical("the supervision tree gave up: %s", reason)
        self.exit_code = 1
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    # --- the tree

    def _root(self) -> ChildSpec:
        return self._supervisor(
            "root", [self._sinks(), self._sessions(), self._master_spec(), self._all_brokers()]
        )

    def _supervisor(self, name: str, children: Sequence[ChildSpec]) -> ChildSpec:
        supervision = self._settings.supervision
        intensity = Intensity(
            max_restarts=supervision.max_restarts,
            period=supervision.period_seconds,
            healthy_after=supervision.healthy_after_seconds,
            limit=supervision.backoff_limit_seconds,
        )
        arguments = {"children": children, "strategy": "one_for_one", "intensity": intensity}
        return ChildSpec(Address(name), Supervisor, arguments)

    def _sinks(self) -> ChildSpec:
        children = [ChildSpec(self.cache_writer, CacheWriter, {"cache": self._cache}, drain=True)]
        if self._store is not None:
            store = self._settings.store
            arguments = {
                "store": self._store,
                "hub": self.hub,
                "batch_rows": store.batch_rows,
                "batch_seconds": store.batch_seconds,
                "max_waiting": store.max_waiting,
            }
            children.append(
                ChildSpec(
                    self.persister,
                    BatchPersister,
                    arguments,
                    shutdown=15.0,
                    ping_limit=SLOW_CHILD_SECONDS,
                    drain=True,
                )
            )
        return self._supervisor("sinks", children)

    def _sessions(self) -> ChildSpec:
        subscriptions = self._settings.subscriptions
        manager = {
            "upstreams": [
                Upstream(address, self._adapters[broker])
                for broker, addresses in self.connections.items()
                for address in addresses
            ],
            "hub": self.hub,
            "table": lambda: self._catalogue.table,
            "ask_sessions": self._ask_sessions,
            "universe": subscriptions.symbols,
            "upstream_mode": subscriptions.mode,
            "grace_seconds": subscriptions.grace_seconds,
        }
        hub = {
            "deliver": self._deliver,
            "manager": self.manager,
            "normalizers": list(self.normalizers.values()),
        }
        children = [
            ChildSpec(self.manager, SubscriptionManager, manager),
            ChildSpec(self.hub, SessionHub, hub, drain=True),
        ]
        return self._supervisor("sessions", children)

    def _master_spec(self) -> ChildSpec:
        names = self._settings.instruments.sources or self._brokers
        arguments = {
            "sources": [self._adapters[name] for name in names],
            "catalogue": self._catalogue,
            "path": self._data / "instruments.msgpack",
            "readers": [*self.normalizers.values(), self.manager],
            "hub": self.hub,
        }
        return ChildSpec(self.master, InstrumentMaster, arguments, ping_limit=SLOW_CHILD_SECONDS)

    def _all_brokers(self) -> ChildSpec:
        return self._supervisor("brokers", [self._broker(name) for name in self._brokers])

    def _broker(self, name: str) -> ChildSpec:
        adapter, feed = self._adapters[name], self._settings.feed
        sinks = [self.cache_writer] if self._store is None else [self.cache_writer, self.persister]
        normalizer = {
            "adapter": adapter,
            "table": lambda: self._catalogue.table,
            "hub": self.hub,
            "sinks": sinks,
            "connections": {address.name: address for address in self.connections[name]},
            "calendar": self._calendar,
            "stale_seconds": feed.stale_seconds,
            "delayed_seconds": feed.delayed_seconds,
        }
        children = [ChildSpec(self.normalizers[name], Normalizer, normalizer)]
        for number, address in enumerate(self.connections[name]):
            connection = {
                "adapter": adapter,
                "line": Line(),
                "normalizer": self.normalizers[name],
                "manager": self.manager,
                "hub": self.hub,
                "spare": number > 0,
            }
            children.append(ChildSpec(address, BrokerConnection, connection))
        return self._supervisor(name, children)

    # --- the bridges between threads and loop

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        """In the hub's thread: one callback for the whole batch."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._web.deliver, deliveries)

    def _ask_sessions(self) -> None:
        """In the SubscriptionManager's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._web.report_sessions)

    def _gateway(self) -> Gateway:
        return Gateway(
            table=lambda: self._catalogue.table,
            subscriptions=self.manager,
            hub=self.hub,
            instruments=self.master,
            cache=self._cache,
            status=self._describe,
            health=self._health,
            ready=self._ready,
        )

    async def _describe(self) -> Mapping[str, Any]:
        status = await self._status().whole()
        status["counters"]["web"] = self._web.describe()
        return status

    async def _health(self) -> tuple[bool, Mapping[str, Any]]:
        return await self._status().health()

    def _status(self) -> Status:
        assert self._tree is not None, "the server listens only once the tree has started"
        return Status(self._tree, self._clock, self._started, self._settings.store.max_waiting)

    def _ready(self) -> bool:
        return len(self._catalogue.table) > 0
