"""The file that keeps pins over a restart."""

from __future__ import annotations

import pathlib

import msgspec

from mdactors.errors import StoreError
from mdactors.market.pins import Pins
from mdactors.replacing import replacing
from mdactors.text_file import NotUtf8, read_text

_pins = msgspec.json.Decoder(Pins).decode


class PinFile:
    """A small file of JSON, replaced whole or not at all; blocks until it is on the disk."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def load(self) -> Pins:
        """What was saved last; nothing where nothing was.

        Raises:
            StoreError: the file cannot be read, or it is damaged.
        """
        try:
            return _pins(read_text(self._path))
        except FileNotFoundError:
            return Pins()
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, NotUtf8):
            raise StoreError(f"{self._path}: the file is damaged") from None

    def save(self, pins: Pins) -> None:
        """Replace what was saved before; what is saved outlives a power failure.

        Raises:
            StoreError: the file cannot be written.
        """
        with replacing(self._path) as file:
            file.write_bytes(msgspec.json.encode(pins, order="deterministic"))
