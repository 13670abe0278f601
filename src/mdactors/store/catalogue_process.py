"""Loading instruments in a process of its own: parsing would swell the daemon and hold up live ticks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import msgspec

from mdactors.adapter import Secret
from mdactors.config import (
    CacheSettings,
    CalendarSettings,
    InstrumentSettings,
    LogSettings,
    SectorSettings,
    Settings,
    StoreSettings,
)
from mdactors.errors import BrokerError, StoreError
from mdactors.runtime.clock import Timeline
from mdactors.store.child import Child

LOAD_SECONDS = 110.0
"""Loading takes so long at most, waiting for another process that loads included."""
LOOK_SECONDS = 0.2
"""How often whoever waits is asked whether to give up."""


class Order(msgspec.Struct, frozen=True, tag=True):
    """The one word to the process: load these."""

    brokers: dict[str, dict[str, Any]]
    """Every adapter's section, see `plain_sections`."""
    folder: str
    """The daemon's ``data_dir``."""
    instruments: InstrumentSettings
    sectors: SectorSettings
    store: StoreSettings
    cache: CacheSettings
    log: LogSettings
    files: dict[str, str] = {}
    """Source -> a file that is read instead of the network; where there are any, only these are loaded
    anew."""
    timeline: Timeline | None = None
    """The daemon's clock."""
    calendar: CalendarSettings = CalendarSettings()

    @classmethod
    def of(
        cls,
        settings: Settings,
        brokers: dict[str, dict[str, Any]],
        files: Mapping[str, str] | None = None,
        timeline: Timeline | None = None,
    ) -> Order:
        """What the settings say; ``brokers`` are the adapters' sections as plain values."""
        return cls(
            brokers,
            settings.data_dir,
            settings.instruments,
            settings.sectors,
            settings.store,
            settings.cache,
            settings.log,
            dict(files or {}),
            timeline,
            settings.calendar,
        )


class Progress(msgspec.Struct, frozen=True, tag=True):
    """The process's word while it loads: so many rows of a source are read."""

    source: str
    rows: int
    expected: int
    """How many there were last time; 0 where that is not known."""


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The process's last word: the files are there."""

    counts: dict[str, int]
    """Instruments of each type."""
    sources: dict[str, int]
    """Rows of each source."""
    failures: list[str]
    """What went wrong: these sources' rows are the ones before, these copies are old."""
    apart: list[str]
    """Instruments of which it could not be told that they are those of another broker, and why."""
    notes: list[str] = []
    """What else a person may want to know: what of the lists is left out, whose terms were adjusted …"""
    doubts: list[str] = []
    """Of which list more cannot be read than may be overlooked."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The process's last word instead of `Loaded`: nothing was changed."""

    text: str


Word: TypeAlias = Progress | Loaded | Failed
_WORDS: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


def encode(word: Order | Word) -> bytes:
    """A word as it travels, secrets in the clear: only ever through a pipe."""
    return msgspec.msgpack.encode(word, enc_hook=Secret.reveal)


def load(
    order: Order,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    give_up: Callable[[], bool] = lambda: False,
) -> Loaded:
    """Have a child process load instruments. Blocks for seconds; the child ends with the pipe to it.

    Raises:
        BrokerError: no source could be read; nothing was changed.
        StoreError: the process did not start, ended too early, took too long, or was given up.
    """
    child = Child("mdactors.catalogue")
    try:
        child.connection.send_bytes(encode(order))
        return _last_word(child.connection, on_progress, give_up)
    except (EOFError, OSError):
        raise StoreError(f"the process that loads instruments ended with code {child.end()}") from None
    finally:
        child.end()


def _last_word(
    connection: Connection, on_progress: Callable[[Progress], None], give_up: Callable[[], bool]
) -> Loaded:
    deadline = time.monotonic() + LOAD_SECONDS
    while not give_up():
        if time.monotonic() > deadline:
            raise StoreError(f"the process that loads instruments took longer than {LOAD_SECONDS:.0f} s")
        if not connection.poll(LOOK_SECONDS):
            continue
        match _WORDS.decode(connection.recv_bytes()):
            case Progress() as progress:
                on_progress(progress)
            case Loaded() as loaded:
                return loaded
            case Failed(text):
                raise BrokerError(text)
    raise StoreError("loading the instruments was given up")
