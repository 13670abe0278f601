"""The lists of instruments as they were last downloaded."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import pathlib
from collections.abc import Iterator

import msgspec

from mdactors.adapter import Download
from mdactors.errors import StoreError
from mdactors.market.parts import Count
from mdactors.replacing import replacing

logger = logging.getLogger(__name__)

FOLDER = "instruments"
"""Below ``data_dir``."""


class Kept(msgspec.Struct, frozen=True):
    """A list that was of use."""

    download: Download
    rows: int
    """How many instruments it listed."""
    counts: list[Count] = []
    """The same by its parts."""
    whole: Download | None = None
    """The last one that was whole, where parts of it are missing since."""
    missing: dict[str, str] = {}
    """Those parts -> the day from which on each has been missing, an ISO date."""


_kept = msgspec.msgpack.Decoder(Kept).decode


class Downloads:
    """A folder with one file for each source."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """For this block the only process that loads into this folder; waits for the one that does.

        Raises:
            StoreError: there can be no such folder.
        """
        with contextlib.ExitStack() as opened:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise StoreError(f"{self._folder}: cannot be used: {error.strerror}") from None
            yield

    def get(self, source: str) -> Kept | None:
        """What is kept of a source; None where there is nothing, or, with a WARNING line, it is damaged."""
        path = self._path(source)
        try:
            return _kept(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("%s: of no use: %s", path, error)
            return None

    def put(self, source: str, kept: Kept) -> None:
        """Keep this one instead, whole or not at all; only within `locked`.

        Raises:
            StoreError: it cannot be written.
        """
        with replacing(self._path(source)) as file:
            file.write_bytes(msgspec.msgpack.encode(kept))

    def _path(self, source: str) -> pathlib.Path:
        return self._folder / f"{source.replace('/', '-')}.list"
