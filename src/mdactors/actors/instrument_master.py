"""The actor that knows every instrument."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mdactors.actors.alarms import Alarms
from mdactors.errors import BrokerError, MdactorsError, StoreError
from mdactors.market import ist
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sectors
from mdactors.messages import InstrumentsLoaded, RefreshInstruments
from mdactors.runtime import Actor, Address, Backoff, Context, Message, Timer, handles
from mdactors.store.catalogue_process import Loaded, Progress

APART_SHOWN = 20


class Catalogue:
    """The newest instrument table and sectors, for readers in any thread: never changed, only replaced."""

    def __init__(self, sectors: Sectors) -> None:
        self.table = InstrumentTable.build({})
        self.sectors = sectors


class Load(Protocol):
    """What loads the instruments, blocking: see `catalogue_process.load`."""

    def __call__(self, *, on_progress: Callable[[Progress], None], give_up: Callable[[], bool]) -> Loaded:
        """Write the table's file anew."""


class FetchDue(Message, frozen=True):
    """Time to load the instruments (again)."""


class DayPlanned(Message, frozen=True):
    """One of the times of day at which they are loaded."""


class InstrumentMaster(Actor):
    """Owns the instrument table; the only writer of the `Catalogue`.

    At its start it takes the table kept on disk, then has a process load every source's instruments; a
    source that cannot be reached is tried again and its rows before stay. Loads at ``refresh_at``, too, and
    each time the sectors with it.
    Receives `RefreshInstruments` (asked). Tells `InstrumentsLoaded` to everybody in ``readers``. Loading
    blocks its own thread for seconds, which its child spec's ping limit allows.
    """

    def __init__(
        self,
        context: Context,
        *,
        load: Load,
        load_sectors: Callable[[], Sectors],
        catalogue: Catalogue,
        path: pathlib.Path,
        refresh_at: Sequence[str],
        readers: Sequence[Address],
        hub: Address,
    ) -> None:
        super().__init__(context)
        self._load = load
        self._load_sectors = load_sectors
        self._catalogue = catalogue
        self._path = path
        self._refresh_at = refresh_at
        self._readers = readers
        self._backoff = Backoff(first=5.0, limit=600.0)
        self._retry: Timer | None = None
        self._alarms = Alarms(self.clock, self.logger, lambda alarm: self.tell(hub, alarm))
        self._sources: dict[str, int] = {}
        self._fetched_ns = 0

    def on_start(self) -> None:
        """Publish what is on disk, then load; runs in the actor's thread."""
        if len(self._catalogue.table) == 0 and self._path.exists():
            try:
                self._publish()
            except StoreError as error:
                self.logger.warning("the instruments kept on disk are of no use: %s", error)
        self._plan()
        self.tell(self.address, FetchDue())

    def _plan(self) -> None:
        """Be woken at the next time of day at which instruments are loaded."""
        if self._refresh_at:
            now = self.clock.time_ns()
            due = min(ist.next_time(time, now) for time in self._refresh_at)
            self.after((due - now) / ist.SECOND_NS, DayPlanned())

    @handles(DayPlanned)
    def load_as_planned(self, _message: DayPlanned) -> None:
        """Load, and again at the next time of day."""
        self._plan()
        self.fetch_due(FetchDue())

    @handles(FetchDue)
    def fetch_due(self, _message: FetchDue) -> None:
        """Load; on failure keep the table, raise the alarm and come back."""
        if self._retry is not None:
            self._retry.cancel()
        try:
            self._fetch()
        except MdactorsError as error:
            self._alarms.show("instruments", [f"instruments cannot be fetched: {error}"])
            self._retry = self.after(self._backoff.next(), FetchDue())

    @handles(RefreshInstruments)
    def refresh(self, _message: RefreshInstruments) -> Mapping[str, int]:
        """Load now.

        Returns:
            How many instruments of each type there are.

        Raises:
            BrokerError: a source could not be read; its rows before stay.
            StoreError: nothing could be loaded; the table before stays.
        """
        self._fetch()
        return self._catalogue.table.counts()

    def _fetch(self) -> None:
        """Have every source loaded; one that fails keeps the rows it had, and is named at the end."""
        started = self.clock.monotonic()
        loaded = self._load(on_progress=self._note, give_up=lambda: self._lease.stop_asked or self.fenced)
        self._catalogue.sectors = self._load_sectors()
        self._publish()
        took = self.clock.monotonic() - started
        self.logger.info("%d instruments loaded in %.1f s", len(self._catalogue.table), took)
        if loaded.apart:
            shown = "; ".join(loaded.apart[:APART_SHOWN])
            self.logger.info("%d shares are not told to be one: %s", len(loaded.apart), shown)
        if loaded.failures:
            raise BrokerError("; ".join(loaded.failures))
        self._backoff.reset()
        self._alarms.clear_all()
        self._fetched_ns = self.clock.time_ns()

    def _note(self, progress: Progress) -> None:
        self._sources[progress.source] = progress.rows

    def _publish(self) -> None:
        """Take the table on disk in the place of the one before."""
        table = InstrumentTable.load(self._path)
        self.logger.info("%d instruments from %s", len(table), self._path)
        self._catalogue.table = table
        for reader in self._readers:
            self.tell(reader, InstrumentsLoaded(table))

    def describe(self) -> dict[str, Any]:
        """Counts and alarms for ``/api/status``."""
        return {
            **self._catalogue.table.counts(),
            "sources": dict(self._sources),
            "fetched": self._fetched_ns // 1_000_000,
            "alarms": self._alarms.active(),
        }
