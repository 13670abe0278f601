"""A recording of raw frames, for a simulator of the broker that sent them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from mdactors.errors import SimulatorError, StoreError
from mdactors.market.instrument import InstrumentRow
from mdactors.simulator.listing import identify
from mdactors.simulator.recording import Advance, Recording, Window
from mdactors.simulator.routes import CutFrame
from mdactors.store.frames import Entry, FrameReader, Listing, RawFrame

Cut: TypeAlias = Callable[[bytes | str], CutFrame]
"""Cuts a frame into its parts: `Simulator.cut` of the broker."""

_NS_PER_MS = 1_000_000
_BETWEEN = 2_000


class FramesRecording(Recording):
    """A file of frames. It is read once to know what is in it, and again to play it."""

    raw = True

    def __init__(self, path: Path, broker: str, cut: Cut, window: Window, advance: Advance) -> None:
        self.path = path
        self._window = window
        self._reader = FrameReader(path)
        listed: dict[str, InstrumentRow] = {}
        unlisted: dict[str, str] = {}
        self.count, self.begins_ms, self.ends_ms = 0, 0, 0
        for entry in self._entries(advance):
            if isinstance(entry, Listing):
                if broker and entry.broker != broker:
                    raise SimulatorError(f"{path}: its frames are of {entry.broker}, not of {broker}")
                listed |= {str(each.token): each for each in entry.instruments}
                continue
            if not listed:
                names = (piece.name for piece in cut(entry.data).pieces if piece.name is not None)
                unlisted |= {str(name): str(name) for name in names}
            time_ms = entry.received_ns // _NS_PER_MS
            self.begins_ms = min(self.begins_ms, time_ms) if self.count else time_ms
            self.ends_ms = max(self.ends_ms, time_ms)
            self.count += 1
        if not self.count:
            at = "" if window == Window() else " of that time"
            raise SimulatorError(f"{path}: holds no frames{at}")
        self.instruments = listed or dict(identify(unlisted))
        self.damage = list(self._reader.damage)

    def events(self) -> Iterator[RawFrame]:
        """All frames of the window in the order in which they came."""
        for entry in self._entries(lambda _share: None):
            if isinstance(entry, RawFrame):
                yield entry

    def _entries(self, advance: Advance) -> Iterator[Entry]:
        size = max(self.path.stat().st_size, 1)
        try:
            for number, entry in enumerate(self._reader):
                if number % _BETWEEN == 0:
                    advance(self._reader.read_bytes / size)
                if isinstance(entry, Listing) or self._window.holds(entry.received_ns // _NS_PER_MS):
                    yield entry
        except StoreError as error:
            raise SimulatorError(str(error)) from None
