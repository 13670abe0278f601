"""Which kind of recording a path is: its content says so, and for a configuration its name."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

from mdactors.config import StoreSettings
from mdactors.errors import MdactorsError, SimulatorError
from mdactors.simulator.recorded_frames import Cut, FramesRecording
from mdactors.simulator.recording import Advance, Recording, RowsRecording, Window
from mdactors.simulator.routes import CutFrame
from mdactors.store.frames import MAGIC

_SQLITE = b"SQLite format 3\0"
_CONFIGURATIONS = (".yaml", ".yml")
_PACKED = b"\x1f\x8b"
_LOOKED_AT = 1 << 12


def open_recording(
    path: Path,
    *,
    broker: str = "",
    cut: Cut = CutFrame,
    window: Window = Window(),  # noqa: B008 - it never changes
    advance: Advance = lambda _share: None,
) -> Recording:
    """Open a recording: raw frames, rows (CSV, NDJSON, Parquet), a SQLite store, a journal's folder.

    A daemon's configuration means the store that it names.

    Args:
        path: where it is.
        broker: of whom frames may be; empty: of anyone.
        cut: cuts that broker's frames.
        window: which part of it.
        advance: is told how much has been read.

    Raises:
        SimulatorError: it cannot be read, is of no known kind, or holds nothing.
    """
    try:
        if path.is_dir():
            from mdactors.simulator.kept import JournalRecording

            return JournalRecording(path, window, advance)
        if path.suffix in _CONFIGURATIONS:
            return _configured(path, window)
        begin = _begin(path)
        if begin.startswith(_SQLITE):
            return _stored(path, StoreSettings(path=path.name), path.parent, window)
        if begin.startswith(MAGIC):
            return FramesRecording(path, broker, cut, window, advance)
        return RowsRecording(path, window, advance)
    except SimulatorError:
        raise
    except MdactorsError as error:
        raise SimulatorError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def _begin(path: Path) -> bytes:
    """The first bytes, unpacked."""
    try:
        with path.open("rb") as file:
            data = file.read(_LOOKED_AT)
    except OSError as error:
        raise SimulatorError(f"{path}: not a readable recording: {error.strerror}") from None
    if data.startswith(_PACKED):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(wbits=31).decompress(data)
    return data


def _configured(path: Path, window: Window) -> Recording:
    from mdactors.config import load

    settings = load(path, os.environ)
    return _stored(path, settings.store, Path(settings.data_dir), window)


def _stored(path: Path, settings: StoreSettings, folder: Path, window: Window) -> Recording:
    from mdactors.simulator.kept import StoreRecording
    from mdactors.store.opening import open_stores

    ticks, _ = open_stores(settings, folder, create=False)
    return StoreRecording(path, ticks, window)
