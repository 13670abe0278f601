"""Everything that keeps ticks, opened as the settings say."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Mapping

from mdactors.config import Settings
from mdactors.errors import StoreError
from mdactors.market.quote import Quote
from mdactors.runtime import Clock
from mdactors.store.bars import BarStore
from mdactors.store.cache import Cache
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.carrier import Carrier, DirectCarrier
from mdactors.store.carrier_process import CarrierProcess, Errand
from mdactors.store.journal import Journal
from mdactors.store.opening import check_source, open_stores
from mdactors.store.recent import Recent
from mdactors.store.ticks import TickStore


class Archive:
    """Owns journal, stores and cache for as long as the daemon runs; actors only borrow them.

    ``quotes`` names the class of each source's quotes. Without ``store.ticks`` there is neither journal nor
    store. Used with `open` and `close`, which blocks.
    """

    def __init__(self, settings: Settings, quotes: Mapping[str, type[Quote]], clock: Clock) -> None:
        self._settings = settings
        self._undo = contextlib.ExitStack()
        self.folder = pathlib.Path(settings.data_dir)
        self.journal: Journal | None = None
        self.ticks: TickStore | None = None
        self.bars: BarStore | None = None
        self._clock = clock
        self.cache: Cache = MemoryCache(
            settings.cache.today_minutes, today=settings.cache.today != "off", clock=clock
        )
        self._quotes = quotes
        self.recent = self._recent(None)

    def open(self) -> None:
        """Open all of it; `close` undoes it, also after a failure.

        Raises:
            ConfigError: the settings name no database, or say what cannot be of one.
            StoreError: one of them cannot be opened.
        """
        check_source(self._settings.instruments)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"data_dir: cannot make {self.folder}: {error.strerror}") from error
        if self._settings.cache.kind == "redis":
            from mdactors.store.cache_redis import RedisCache

            self.cache = RedisCache(self._settings.cache, self._clock)
        self._undo.callback(self.cache.close)
        if self._settings.store.ticks:
            self._open_stores()

    def _open_stores(self) -> None:
        journal = self._settings.journal
        self.journal = Journal(
            self._journal_folder, segment_bytes=journal.segment_bytes, max_bytes=journal.max_bytes
        )
        self._undo.callback(self.journal.close)
        self.ticks, self.bars = open_stores(self._settings.store, self.folder)
        self._undo.callback(self.ticks.close)
        self.recent = self._recent(self.ticks)

    def _recent(self, store: TickStore | None) -> Recent:
        return Recent(store, self._journal_folder, self._quotes, self._clock)

    def carrier(self) -> Carrier:
        """What brings ticks from the journal to the store; who gets it closes it."""
        assert self.ticks is not None, "ticks are stored"
        store, log = self._settings.store, self._settings.log
        if store.carrier == "thread":
            return DirectCarrier(self.ticks, self._journal_folder)
        return CarrierProcess(Errand(store, str(self.folder), str(self._journal_folder), log))

    @property
    def _journal_folder(self) -> pathlib.Path:
        return self.folder / self._settings.journal.path

    def close(self) -> None:
        """Close them in reverse order."""
        self._undo.close()
