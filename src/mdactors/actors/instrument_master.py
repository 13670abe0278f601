"""The actor that knows every instrument."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.times_of_day import TimesOfDay
from mdactors.errors import BrokerError, MdactorsError, StoreError
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sectors
from mdactors.messages import InstrumentsLoaded, RefreshInstruments
from mdactors.runtime import Actor, Address, Backoff, Context, Message, Timer, handles
from mdactors.store.catalogue_process import Loaded, Progress

APART_SHOWN = 20
LOOK_SECONDS = 2.0
"""How often it is looked whether somebody else wrote the table or imported a list of shares."""
END_SECONDS = 3.0
"""So long what loads may take to end once it is given up."""


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
    """It may be one of the times of day at which they are loaded."""


class Look(Message, frozen=True):
    """Time to look at the files."""


class LoadEnded(Message, frozen=True):
    """A load is over, one way or the other."""

    loader: threading.Thread
    """In which it ran."""
    result: Loaded | Exception


class InstrumentMaster(Actor):
    """Owns the instrument table; the only writer of the `Catalogue`.

    At its start it takes the table kept on disk, then has a process load every source's instruments; a
    source that cannot be reached is tried again and its rows before stay. Loads at ``refresh_at``, too, and
    each time the sectors with it. A table that another program wrote is taken within seconds, and so is a
    list of shares that was imported.
    Receives `RefreshInstruments` (asked). Tells `InstrumentsLoaded` to everybody in ``readers``. A thread
    waits for the process, so that the actor answers meanwhile; one load at a time.

    Args:
        context: from the supervisor.
        load: see `Load`; called in that thread.
        load_sectors: reads the sectors with the imported lists.
        lists_stamp: what `load_sectors` reads has changed when this has.
        catalogue: to be kept up to date.
        path: the table's file.
        refresh_at: the times of day, in India's time.
        readers: who is told of a new table.
        board: of the alarms.
    """

    def __init__(
        self,
        context: Context,
        *,
        load: Load,
        load_sectors: Callable[[], Sectors],
        lists_stamp: Callable[[], object],
        catalogue: Catalogue,
        path: pathlib.Path,
        refresh_at: Sequence[str],
        readers: Sequence[Address],
        board: AlarmBoard,
    ) -> None:
        super().__init__(context)
        self._load = load
        self._load_sectors = load_sectors
        self._lists_stamp = lists_stamp
        self._catalogue = catalogue
        self._path = path
        self._refresh_at = TimesOfDay(refresh_at, self.clock) if refresh_at else None
        self._readers = readers
        self._backoff = Backoff(first=5.0, limit=600.0)
        self._retry: Timer | None = None
        self._alarms = board.of(self)
        self._loader: threading.Thread | None = None
        self._started = 0.0
        self._again = False
        """Whether somebody wished for a load while one was under way."""
        self._asked: list[Future[dict[str, int]]] = []
        """The answers that are due when the next load is over ..."""
        self._answering: list[Future[dict[str, int]]] = []
        """... and those that are when the present one is."""
        self._seen_lists: object = None
        self._seen_table: object = None
        self._sources: dict[str, int] = {}
        self._loading: dict[str, int] = {}
        self._fetched_ns = 0

    def on_start(self) -> None:
        """Publish what is on disk, then load; runs in the actor's thread."""
        if len(self._catalogue.table) == 0:
            self._take_file()
        self._plan()
        self._begin()
        self.after(LOOK_SECONDS, Look())

    def on_stop(self) -> None:
        """Have what loads end, too."""
        self._refuse("the daemon stops")
        if self._loader is not None:
            self._loader.join(END_SECONDS)

    def on_failure(self, *_error: object) -> None:
        """Nobody waits for an answer that never comes; what loads sees by itself that it is over."""
        self._refuse("loading the instruments failed")

    def _refuse(self, reason: str) -> None:
        waiting, self._asked, self._answering = [*self._answering, *self._asked], [], []
        for answer in waiting:
            answer.set_exception(StoreError(reason))

    # --- when to load

    def _plan(self) -> None:
        """Be woken at the next time of day at which instruments are loaded."""
        if self._refresh_at:
            self.after(self._refresh_at.seconds(), DayPlanned())

    @handles(DayPlanned)
    def load_as_planned(self, _message: DayPlanned) -> None:
        """Load if it is time, and again at the next time of day."""
        if self._refresh_at and self._refresh_at.come() is not None:
            self._begin()
        self._plan()

    @handles(FetchDue)
    def fetch_due(self, _message: FetchDue) -> None:
        """Load, because it failed before."""
        self._begin()

    @handles(RefreshInstruments)
    def refresh(self, _message: RefreshInstruments) -> Future[dict[str, int]]:
        """Load now, or once more behind the load that is under way.

        Returns:
            How many instruments of each type there are, once they are loaded; or a BrokerError: a source
            could not be read and its rows before stay; or a StoreError: the table before stays.
        """
        answer: Future[dict[str, int]] = Future()
        self._asked.append(answer)
        self._begin()
        return answer

    @handles(Look)
    def look(self, _message: Look) -> None:
        """Take what was written by somebody else."""
        self.after(LOOK_SECONDS, Look())
        if self._loader is not None:
            return
        if self._lists_stamp() != self._seen_lists:
            # Not only to be read: the file that is searched has each share's sector.
            self.logger.info("the lists of shares have changed")
            self._begin()
        elif _stamp(self._path) != self._seen_table:
            self._take_file()

    # --- one load

    def _begin(self) -> None:
        if self._loader is not None:
            self._again = True
            return
        self._again = False
        if self._retry is not None:
            self._retry.cancel()
        self._answering, self._asked = self._asked, []
        self._seen_lists = self._lists_stamp()
        self._started = self.clock.monotonic()
        self._loader = threading.Thread(target=self._wait, name="loading-instruments", daemon=True)
        self._loader.start()

    def _wait(self) -> None:
        """In a thread of its own: have the process load, and tell the actor how that ended."""
        loader = threading.current_thread()
        try:
            result: Loaded | Exception = self._load(on_progress=self._note, give_up=self._is_over)
        except Exception as error:  # noqa: BLE001 # a bug is the actor's, which dies of it
            result = error
        if not self._is_over():
            self.tell(self.address, LoadEnded(loader, result))

    def _is_over(self) -> bool:
        return self._lease.stop_asked or self.actor_stopped.is_set()

    def _note(self, progress: Progress) -> None:
        # Replaced, not changed: the actor reads it meanwhile.
        self._loading = self._loading | {progress.source: progress.rows}

    @handles(LoadEnded)
    def end_load(self, message: LoadEnded) -> None:
        """Take what was loaded and answer; on failure raise the alarm and come back."""
        if message.loader is not self._loader:
            return  # of an actor before this one
        self._loader, self._loading = None, {}
        try:
            if isinstance(message.result, Exception):
                raise message.result
            self._take(message.result)
        except MdactorsError as error:
            self._retry = self.after(self._backoff.next(), FetchDue())
            self._alarms.show("instruments", [f"not all instruments are up to date: {error}"])
            for answer in self._answering:
                answer.set_exception(error)
        else:
            for answer in self._answering:
                answer.set_result(self._catalogue.table.counts())
        self._answering = []
        if self._again:
            self._begin()

    def _take(self, loaded: Loaded) -> None:
        """Take over all that was loaded; a source that failed kept the rows it had, and is named."""
        self._catalogue.sectors = self._load_sectors()
        self._publish()
        self._sources = loaded.sources
        took = self.clock.monotonic() - self._started
        self.logger.info("%d instruments loaded in %.1f s", len(self._catalogue.table), took)
        if loaded.apart:
            shown = "; ".join(loaded.apart[:APART_SHOWN])
            self.logger.info("%d instruments are not told to be one: %s", len(loaded.apart), shown)
        for note in loaded.notes:
            self.logger.warning("%s", note)
        # Not tried again: the next list will be written by the same hand.
        self._alarms.show("instrument_rows", loaded.doubts)
        if loaded.failures:
            raise BrokerError("; ".join(loaded.failures))
        self._backoff.reset()
        self._alarms.clear("instruments")
        self._fetched_ns = self.clock.time_ns()

    def _take_file(self) -> None:
        """Take the table that lies on disk, if there is one and it is of any use."""
        if _stamp(self._path) is None:
            return
        try:
            self._publish()
        except StoreError as error:
            self.logger.warning("the instruments kept on disk are of no use: %s", error)

    def _publish(self) -> None:
        """Take the table on disk in the place of the one before."""
        # Before it is read: what is put there meanwhile is seen the next time.
        self._seen_table = _stamp(self._path)
        table = InstrumentTable.load(self._path)
        self.logger.info("%d instruments from %s", len(table), self._path)
        self._catalogue.table = table
        for reader in self._readers:
            self.tell(reader, InstrumentsLoaded(table))

    def describe(self) -> dict[str, Any]:
        """Counts for ``/api/status``."""
        return {
            **self._catalogue.table.counts(),
            "sources": self._sources,
            "loading": self._loading,
            "fetched": self._fetched_ns // 1_000_000 or None,
        }


def _stamp(path: pathlib.Path) -> object:
    """Another one for each file that was put there; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
