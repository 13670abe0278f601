"""The composition root: the only file that sees everything; the start order reads top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tornado.ioloop import PeriodicCallback

from mdactors import __version__
from mdactors.actors.instrument_master import Catalogue
from mdactors.adapter import BrokerAdapter
from mdactors.blueprint import Blueprint, seconds_of
from mdactors.config import Settings
from mdactors.config.sessions import load_calendar
from mdactors.health.actor_watch import ActorWatch
from mdactors.health.calendar_watch import CalendarWatch
from mdactors.health.feed_watch import FeedWatch
from mdactors.health.journal_watch import JournalWatch
from mdactors.health.store_watch import StoreWatch
from mdactors.health.verdict import Health, Watch
from mdactors.protocol import Delivery
from mdactors.runtime import MACHINE, Address, Clock, Tree, start_tree
from mdactors.status import Status
from mdactors.store import instruments
from mdactors.store.archive import Archive
from mdactors.store.lists import load_sectors
from mdactors.store.opening import stored_intervals
from mdactors.web.application import WebServer
from mdactors.web.gateway import Gateway

logger = logging.getLogger(__name__)
LOOK_MS = 1000
"""How often it is looked whether all is well."""


class Daemon:
    """Everything that runs, wired; `start` and `stop` belong to the event loop's thread.

    Date and time of day, those of its child processes included, are the clock's.
    """

    def __init__(
        self, settings: Settings, adapters: Mapping[str, BrokerAdapter], clock: Clock = MACHINE
    ) -> None:
        self._settings = settings
        self._clock = clock
        data_dir = pathlib.Path(settings.data_dir)
        self._catalogue = Catalogue(load_sectors(settings.sectors, data_dir))
        self._instruments = instruments.InstrumentStore(data_dir / instruments.FILE)
        quotes = {name: adapter.quote for name, adapter in adapters.items()}
        self._archive = Archive(settings, quotes, clock)
        self._calendar = load_calendar(settings.calendar)
        self._blueprint = Blueprint(settings, adapters, self._catalogue, self._calendar, self._archive, clock)
        self._board = self._blueprint.board
        self._journal_watch = JournalWatch(self._blueprint.journal_writer, clock, self._board)
        store = settings.store
        self._store_watch = StoreWatch(
            self._blueprint.backlog, clock, self._board, store.lag_limit, seconds_of(store.batch_age)
        )
        self._adapters = adapters
        self._quotes = quotes
        self._started = self._clock.monotonic()
        self._undo = contextlib.AsyncExitStack()
        self._tree: Tree | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self.exit_code = 0

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
        self._undo.callback(self._archive.close)
        self._archive.open()
        self._undo.callback(self._instruments.close)
        self._web = WebServer(self._settings.server, self._settings.admin, self._gateway())
        self._web.bind()
        root = self._blueprint.root(self._deliver, self._ask_sessions)
        self._undo.callback(self._journal_watch.end)
        self._tree = start_tree(root, self._clock, self._give_up)
        self._undo.push_async_callback(asyncio.to_thread, self._tree.stop)
        self._watch(self._tree)
        self._undo.push_async_callback(self._web.stop)
        await self._web.start()
        logger.info("mdactors %s listens on http://%s:%d", __version__, self._settings.server.host, self.port)

    def _watch(self, tree: Tree) -> None:
        """From now on see that alarms are raised whoever cannot raise them himself."""
        blueprint, board, clock = self._blueprint, self._board, self._clock
        watches: list[Watch] = [
            ActorWatch(tree, blueprint.addresses(), blueprint.vital(), clock, board),
            CalendarWatch(self._calendar, clock, board),
        ]
        if self._archive.ticks is not None:
            watches += [self._journal_watch, self._store_watch]
        feeds = FeedWatch(blueprint.feeds, clock, board)
        backlog = None if self._archive.ticks is None else blueprint.backlog
        health = Health(board, clock, tree, feeds, backlog, watches)
        self._status = Status(tree, clock, self._started, health, blueprint.feeds, board)
        beat = PeriodicCallback(health.look, LOOK_MS)
        self._undo.callback(beat.stop)
        beat.start()

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
        return self._blueprint.addresses()

    def describe_tree(self) -> dict[str, Any]:
        """The supervision tree as `Tree.describe` gives it."""
        assert self._tree is not None, "asked before start"
        return self._tree.describe()

    def healthy(self) -> bool:
        """Whether the supervision tree is."""
        return self._tree is not None and self._tree.healthy()

    async def summary(self) -> str:
        """One line for the service manager."""
        return await self._status.line(len(self._catalogue.table))

    def _give_up(self, reason: str) -> None:
        """The root supervisor gave up (in its thread): end the process, so that systemd starts it again."""
        logger.critical("the supervision tree gave up: %s", reason)
        self.exit_code = 1
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

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
        blueprint, archive = self._blueprint, self._archive
        return Gateway(
            clock=self._clock,
            table=lambda: self._catalogue.table,
            subscriptions=blueprint.manager,
            hub=blueprint.hub,
            instruments=blueprint.master,
            instrument_store=self._instruments,
            views=blueprint.views,
            feeds=blueprint.connections,
            login_address=lambda broker: self._adapters[broker].login_address(),
            sectors=lambda: self._catalogue.sectors,
            cache=archive.cache,
            history=archive.ticks,
            bars=archive.bars,
            quotes=self._quotes,
            calendar=self._calendar,
            intervals=stored_intervals(self._settings.store),
            status=self._describe,
            health=self._health,
            ready=self._ready,
        )

    async def _describe(self) -> Mapping[str, Any]:
        status = await self._status.whole()
        status["counters"]["web"] = self._web.describe()
        if self._archive.ticks is not None:
            status["counters"]["journal_watch"] = self._journal_watch.describe()
            status["counters"]["store_watch"] = self._store_watch.describe()
        return status

    async def _health(self) -> tuple[bool, Mapping[str, Any]]:
        verdict = self._status.verdict()
        return verdict.up, verdict.details

    def _ready(self) -> bool:
        return len(self._catalogue.table) > 0 and self._blueprint.cache_settled.is_set()
