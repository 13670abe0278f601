"""A recording as a simulator plays it: its instruments, its time, and its events in their order."""

from __future__ import annotations

import abc
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import msgspec

from mdactors.errors import SimulatorError
from mdactors.market.columns import flat
from mdactors.market.instrument import InstrumentRow
from mdactors.simulator.events import Recorded, Update
from mdactors.simulator.listing import identify
from mdactors.simulator.ordering import in_order
from mdactors.simulator.rows import Row, exported_instrument, name_of, reader

Advance: TypeAlias = Callable[[float], None]
"""Is told how much of a file has been read, from 0 to 1."""

_NEVER_MS = 1 << 62
_ROWS = 2_000
"""So many are read between two words on how far it is."""

_line: Callable[[str], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode


class Window(msgspec.Struct, frozen=True):
    """Which part of a recording is meant, both ends inclusive."""

    from_ms: int = 0
    to_ms: int = _NEVER_MS

    def holds(self, time_ms: int) -> bool:
        """Whether a time lies within."""
        return self.from_ms <= time_ms <= self.to_ms


class Recording(abc.ABC):
    """What was recorded, from wherever it is read; each walk through `events` begins anew.

    Raises:
        SimulatorError: it cannot be read, or holds nothing.
    """

    path: Path
    raw: bool = False
    """Whether its events are a broker's frames and not updates."""
    instruments: Mapping[str, InstrumentRow]
    """By the names that the events use."""
    begins_ms: int
    """The time of the first event."""
    ends_ms: int
    """And of the last."""
    count: int | None
    """Of the events; None where only reading all of them would tell."""
    damage: Sequence[str] = ()
    """What of it cannot be read, one text a range."""

    @abc.abstractmethod
    def events(self) -> Iterator[Recorded]:
        """All of it in the order of time."""

    @property
    def firsts(self) -> Mapping[str, Update]:
        """The first update of each instrument, where one is known beforehand."""
        return {}


class RowsRecording(Recording):
    """A file of rows: CSV, NDJSON or Parquet. It is read once to know what is in it, and again to play it."""

    def __init__(self, path: Path, window: Window, advance: Advance) -> None:
        self.path = path
        self._window = window
        self._firsts: dict[str, Update] = {}
        names: dict[str, str] = {}
        exported: dict[str, InstrumentRow] = {}
        self.count, self.begins_ms, self.ends_ms = 0, _NEVER_MS, 0
        self._ordered, newest = True, (0, 0, 0)
        for row, updates in self._rows(advance):
            name, hint = name_of(row)
            if name not in names:
                whole = exported_instrument(row)
                if whole is not None:
                    exported[name] = whole
            names[name] = hint
            for update in updates:
                if not window.holds(update.time_ms):
                    continue
                self.count += 1
                self._ordered = self._ordered and update.order >= newest
                newest = update.order
                self.begins_ms = min(self.begins_ms, update.time_ms)
                self.ends_ms = max(self.ends_ms, update.time_ms)
                first = self._firsts.get(name)
                if first is None or update.order < first.order:
                    self._firsts[name] = update
        if not self._firsts:
            raise SimulatorError(f"{path}: holds no rows{_within(window)}")
        known = {name: hint for name, hint in names.items() if name in self._firsts}
        self.instruments = {
            **dict(identify({name: hint for name, hint in known.items() if name not in exported})),
            **{name: exported[name] for name in known if name in exported},
        }

    @property
    def firsts(self) -> Mapping[str, Update]:
        """The first update of each instrument."""
        return self._firsts

    def events(self) -> Iterator[Update]:
        """All rows of the window as updates, in the order of time."""
        holds = self._window.holds
        updates = (
            update
            for _, updates in self._rows(lambda _share: None)
            for update in updates
            if holds(update.time_ms)
        )
        yield from updates if self._ordered else in_order(updates)

    def _rows(self, advance: Advance) -> Iterator[tuple[Row, list[Update]]]:
        """Each row and what it says."""
        read: Callable[[Row], Iterator[Update]] | None = None
        try:
            with self.path.open("rb") as file:
                size = max(self.path.stat().st_size, 1)
                for number, row in enumerate(_rows(file, self.path)):
                    if read is None:
                        read = reader(row, self.path)
                    yield row, list(read(row))
                    if number % _ROWS == 0:
                        advance(file.tell() / size)
                if read is None:
                    raise SimulatorError(f"{self.path}: holds no rows")
        except _UNREADABLE as error:
            raise SimulatorError(f"{self.path}: not a readable recording: {_reason(error)}") from error


_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    zlib.error,
    csv.Error,
    msgspec.MsgspecError,
)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"a row lacks {error}"
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def _within(window: Window) -> str:
    return "" if window == Window() else " of that time"


def _rows(file: IO[bytes], path: Path) -> Iterator[Row]:
    """The rows of a file of any of the three kinds."""
    begin = file.read(4)
    file.seek(0)
    if begin == b"PAR1":
        yield from _parquet(file)
        return
    raw: Any = gzip.GzipFile(fileobj=file) if begin[:2] == b"\x1f\x8b" else file
    with io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        first = text.readline()
        if first.lstrip().startswith("{"):
            yield flat(_line(first))
            yield from (flat(_line(line)) for line in text if line.strip())
            return
        if first.lstrip().startswith("["):
            raise ValueError("it is one JSON array: write NDJSON, one object a line")
        yield from _csv(first, text, path)


def _csv(first: str, text: IO[str], path: Path) -> Iterator[Row]:
    names = next(csv.reader([first]), [])
    reader(names, path)  # before any row: an empty file of a known kind just holds none
    yield from csv.DictReader(text, fieldnames=names)


def _parquet(file: IO[bytes]) -> Iterator[Row]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow, which is not installed: pip install pyarrow") from None
    try:
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=_ROWS):
            yield from batch.to_pylist()
    except ArrowInvalid as error:
        raise ValueError(str(error).splitlines()[0]) from None
