"""The lists of instruments as they were last downloaded."""

from __future__ import annotations

import os
import pathlib

import msgspec

from mdactors.adapter import Download
from mdactors.errors import StoreError

FOLDER = "instruments"
"""Below ``data_dir``."""


class Kept(msgspec.Struct, frozen=True):
    """A list that was of use."""

    download: Download
    rows: int
    """How many instruments it listed."""


_kept = msgspec.msgpack.Decoder(Kept).decode


class Downloads:
    """A folder with one file for each source."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def get(self, source: str) -> Kept | None:
        """What is kept of a source; None where there is nothing, or it is damaged."""
        try:
            return _kept(self._path(source).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None

    def put(self, source: str, kept: Kept) -> None:
        """Keep this one instead, whole or not at all.

        Raises:
            StoreError: it cannot be written.
        """
        path = self._path(source)
        beside = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(msgspec.msgpack.encode(kept))
            beside.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from None

    def _path(self, source: str) -> pathlib.Path:
        return self._folder / f"{source.replace('/', '-')}.list"
