"""Who lives in the supervision tree, and what each of them is given."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Mapping, Sequence

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.backlog import Backlog
from mdactors.actors.batch_persister import BatchPersister
from mdactors.actors.broker_connection import BrokerConnection
from mdactors.actors.cache_writer import CacheWriter
from mdactors.actors.candle_builder import CandleBuilder
from mdactors.actors.day_reader import DayReader
from mdactors.actors.feed_report import FeedReport
from mdactors.actors.instrument_master import Catalogue, InstrumentMaster
from mdactors.actors.journal_intake import JournalIntake
from mdactors.actors.journal_writer import JournalWriter
from mdactors.actors.line import Line
from mdactors.actors.market_views import MarketViews
from mdactors.actors.normalizer import Normalizer
from mdactors.actors.placement import Upstream
from mdactors.actors.session_hub import SessionHub
from mdactors.actors.subscription_manager import SubscriptionManager
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.adapter import BrokerAdapter
from mdactors.config import Settings
from mdactors.health.feed_watch import Feed
from mdactors.market import instruments
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Interval
from mdactors.market.universe import Universe
from mdactors.plugins import plain_sections
from mdactors.protocol import Delivery
from mdactors.runtime import Address, ChildSpec, Clock, Intensity, MailboxPolicy, Supervisor
from mdactors.store import catalogue_process, lists
from mdactors.store.archive import Archive
from mdactors.store.pin_file import PinFile

FRAMES_WAITING = MailboxPolicy(capacity=1000, when_full="wait")
BATCHES_WAITING = MailboxPolicy(capacity=10_000, when_full="drop_oldest")
SLOW_CHILD_SECONDS = 120.0
"""The ping limit of those who download or write for long."""
STORING_SECONDS = 15.0
"""How long the last batches may take at the end; what is not stored then is in the journal."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Blueprint:
    """Names every actor, specifies the tree from the root down, and owns what outlives actors."""

    def __init__(
        self,
        settings: Settings,
        adapters: Mapping[str, BrokerAdapter],
        catalogue: Catalogue,
        calendar: Calendar,
        archive: Archive,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._adapters = adapters
        self._catalogue = catalogue
        self._calendar = calendar
        self._archive = archive
        self._clock = clock
        self.cache_settled = threading.Event()
        """Set once today's ticks of before the start are back in the cache, or will not be soon."""
        self.hub = Address("session_hub", BATCHES_WAITING)
        self.manager = Address("subscription_manager")
        self.journal_writer = JournalIntake("journal_writer")
        self.persister = Address("batch_persister", BATCHES_WAITING)
        self.cache_writer = Address("cache_writer", BATCHES_WAITING)
        self.candles = Address("candle_builder", BATCHES_WAITING)
        self.views = Address("market_views", BATCHES_WAITING)
        self.master = Address("instrument_master")
        self.normalizers = {name: Address(f"{name}/normalizer", FRAMES_WAITING) for name in settings.brokers}
        self.day_readers = {name: Address(f"{name}/day_reader") for name in settings.brokers}
        self.connections = {
            name: [Address(f"{name}/connection-{n}") for n in range(1, adapters[name].limits.connections + 1)]
            for name in settings.brokers
        }
        self.board = AlarmBoard(clock, self.hub.tell)
        self.backlog = Backlog(clock)
        self.feeds = {
            name: Feed(FeedReport(), {each.name.partition("/")[2]: Line() for each in connections})
            for name, connections in self.connections.items()
        }

    def addresses(self) -> list[Address]:
        """Every actor's address, supervisors apart."""
        connections = [address for each in self.connections.values() for address in each]
        own = [self.hub, self.manager, self.cache_writer, self.candles, self.views, self.master]
        if self._archive.ticks is not None:
            own += [self.journal_writer, self.persister]
        return [*own, *self.day_readers.values(), *self.normalizers.values(), *connections]

    def vital(self) -> frozenset[str]:
        """The names of those without whom ticks do not reach clients or store, supervisors included."""
        actors = [self.hub, self.manager, self.journal_writer, self.persister, *self.normalizers.values()]
        return frozenset({"root", "sinks", "sessions", "brokers", *self._settings.brokers}) | {
            each.name for each in actors
        }

    def root(
        self, deliver: Callable[[Sequence[Delivery]], None], ask_sessions: Callable[[], None]
    ) -> ChildSpec:
        """The whole tree.

        Args:
            deliver: takes a batch of the hub's to the event loop; returns at once.
            ask_sessions: has the event loop report every session; returns at once.
        """
        brokers = self._supervisor("brokers", [self._broker(name) for name in self._settings.brokers])
        children = [self._sinks(), self._sessions(deliver, ask_sessions), self._instruments(), brokers]
        return self._supervisor("root", children)

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
        """Stopped in reverse: the persister goes last, when all that came is synced."""
        keeping: list[ChildSpec] = []
        if self._archive.ticks is not None:
            keeping = [self._persister(), self._journal_writer()]
        views = [self._cache_writer(), self._candle_builder(), self._views()]
        return self._supervisor("sinks", [*keeping, *views])

    def _journal_writer(self) -> ChildSpec:
        """Never replaced because it hangs: on its disk a successor would hang as well."""
        journal = self._archive.journal
        assert journal is not None, "ticks are stored through it"
        self.backlog.begin(*journal.held)
        arguments = {
            "journal": journal,
            "intake": self.journal_writer,
            "persister": self.persister,
            "backlog": self.backlog,
            "board": self.board,
            "sync_seconds": self._settings.journal.sync_seconds,
        }
        return ChildSpec(
            self.journal_writer,
            JournalWriter,
            arguments,
            shutdown=STORING_SECONDS,
            ping_limit=None,
            drain=True,
        )

    def _persister(self) -> ChildSpec:
        store, archive = self._settings.store, self._archive
        assert archive.journal is not None, "ticks are stored through the journal"
        arguments = {
            "store": archive.ticks,
            "bars": self._waiting_bars,
            "carrier": archive.carrier,
            "journal_id": archive.journal.id,
            "journal_writer": self.journal_writer,
            "backlog": self.backlog,
            "board": self.board,
            "calendar": self._calendar,
            "batch_rows": store.batch_rows,
            "batch_seconds": seconds_of(store.batch_age),
            "flush_at": store.flush_at,
            "lag_limit": store.lag_limit,
        }
        return ChildSpec(
            self.persister,
            BatchPersister,
            arguments,
            shutdown=STORING_SECONDS,
            ping_limit=SLOW_CHILD_SECONDS,
            drain=True,
        )

    def _cache_writer(self) -> ChildSpec:
        arguments = {
            "cache": self._archive.cache,
            "recent": self._archive.recent.between,
            "hub": self.hub,
            "board": self.board,
            "instruments": lambda: self._catalogue.table,
            "warm_minutes": self._settings.cache.warm_minutes,
            "settled": self.cache_settled.set,
        }
        return ChildSpec(self.cache_writer, CacheWriter, arguments, ping_limit=SLOW_CHILD_SECONDS, drain=True)

    @functools.cached_property
    def _waiting_bars(self) -> WaitingBars | None:
        """Between the builder and the persister; none where nothing is stored."""
        journal, bars = self._archive.journal, self._archive.bars
        return None if journal is None or bars is None else WaitingBars(bars, journal.id)

    def _candle_builder(self) -> ChildSpec:
        arguments = {
            "calendar": self._calendar,
            "hub": self.hub,
            "persister": self.persister,
            "bars": self._waiting_bars,
            "recent": self._archive.recent,
            "board": self.board,
            "intervals": list[Interval](["1s", "1m"]),
            "grace_seconds": self._settings.candles.grace_seconds,
            "prefer": self._settings.candles.prefer,
        }
        return ChildSpec(self.candles, CandleBuilder, arguments, ping_limit=SLOW_CHILD_SECONDS, drain=True)

    def _views(self) -> ChildSpec:
        arguments = {
            "hub": self.hub,
            "calendar": self._calendar,
            "table": lambda: self._catalogue.table,
            "sectors": lambda: self._catalogue.sectors,
        }
        return ChildSpec(self.views, MarketViews, arguments)

    def _sessions(
        self, deliver: Callable[[Sequence[Delivery]], None], ask_sessions: Callable[[], None]
    ) -> ChildSpec:
        subscriptions = self._settings.subscriptions
        manager = {
            "upstreams": [
                Upstream(address, self._adapters[broker])
                for broker, addresses in self.connections.items()
                for address in addresses
            ],
            "hub": self.hub,
            "table": lambda: self._catalogue.table,
            "ask_sessions": ask_sessions,
            "sectors": lambda: self._catalogue.sectors,
            "universe": lambda: Universe(
                subscriptions.selectors(),
                subscriptions.mode,
                self._settings.instruments.series,
                [self._adapters[broker].name for broker in self._settings.brokers],
            ),
            "pin_file": PinFile(self._archive.folder / "pins.json"),
            "upstream_mode": subscriptions.mode,
            "grace_seconds": subscriptions.grace_seconds,
            "board": self.board,
        }
        hub = {
            "deliver": deliver,
            "manager": self.manager,
            "normalizers": list(self.normalizers.values()),
            "views": self.views,
            "board": self.board,
        }
        children = [
            ChildSpec(self.manager, SubscriptionManager, manager),
            ChildSpec(self.hub, SessionHub, hub, drain=True),
        ]
        return self._supervisor("sessions", children)

    def _instruments(self) -> ChildSpec:
        order = catalogue_process.Order.of(
            self._settings, plain_sections(self._adapters), timeline=self._clock.timeline()
        )
        shares = self._settings.sectors, self._archive.folder
        arguments = {
            "load": functools.partial(catalogue_process.load, order),
            "load_sectors": functools.partial(lists.load_sectors, *shares),
            "lists_stamp": functools.partial(lists.stamp, *shares),
            "catalogue": self._catalogue,
            "path": self._archive.folder / instruments.FILE,
            "refresh_at": self._settings.instruments.refresh_at,
            "readers": [*self.normalizers.values(), self.hub, self.manager, self.views],
            "board": self.board,
        }
        return ChildSpec(self.master, InstrumentMaster, arguments)

    def _broker(self, name: str) -> ChildSpec:
        adapter, feed = self._adapters[name], self._settings.feed
        sinks = [self.cache_writer, self.candles, self.views]
        if self._archive.ticks is not None:
            sinks.append(self.journal_writer)
        lines = list(self.feeds[name].connections.values())
        normalizer = {
            "adapter": adapter,
            "table": lambda: self._catalogue.table,
            "hub": self.hub,
            "sinks": sinks,
            "connections": {address.name: address for address in self.connections[name]},
            "calendar": self._calendar,
            "lines": lines,
            "report": self.feeds[name].report,
            "board": self.board,
            "day_reader": self.day_readers[name],
            "stale_seconds": feed.stale_seconds,
            "delayed_seconds": feed.delayed_seconds,
        }
        reader = {
            "adapter": adapter,
            "store": self._archive.ticks,
            "normalizer": self.normalizers[name],
            "report": self.feeds[name].report,
        }
        children = [
            ChildSpec(self.day_readers[name], DayReader, reader, ping_limit=SLOW_CHILD_SECONDS),
            ChildSpec(self.normalizers[name], Normalizer, normalizer),
        ]
        for number, (address, line) in enumerate(zip(self.connections[name], lines, strict=True)):
            connection = {
                "adapter": adapter,
                "line": line,
                "normalizer": self.normalizers[name],
                "manager": self.manager,
                "hub": self.hub,
                "spare": number > 0,
            }
            children.append(ChildSpec(address, BrokerConnection, connection))
        return self._supervisor(name, children)


def seconds_of(age: str) -> float:
    """A length of time as the settings write it: 500ms, 5s, 15m, 1h."""
    number, unit = re.fullmatch("([0-9]+)(ms|s|m|h)", age).groups()  # type: ignore[union-attr]  # the settings' pattern
    return int(number) * _UNITS[unit]
