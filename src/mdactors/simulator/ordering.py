"""Recorded updates in the order of time, however many there are, with a fixed little memory."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

import msgspec

from mdactors.simulator.events import Event, Tick, Update

RUN = 20_000
"""So many are in memory at once."""
_LENGTH = 4

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event | Tick).decode


def in_order(updates: Iterable[Update], run: int = RUN) -> Iterator[Update]:
    """The same updates by time; those of one moment stay in their order.

    What does not fit into a run is kept in files without a name meanwhile.
    """
    rest = iter(updates)
    current = _run(rest, run)
    runs: list[IO[bytes]] = []
    try:
        while len(following := _run(rest, run)):
            runs.append(_written(current))
            current = following
        yield from heapq.merge(*map(_read, runs), current, key=_order)
    finally:
        for file in runs:
            file.close()


def _run(updates: Iterator[Update], size: int) -> list[Update]:
    return sorted(islice(updates, size), key=_order)


def _order(update: Update) -> tuple[int, int, int]:
    return update.order


def _written(updates: list[Update]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - open until all is merged
    for update in updates:
        packed = _encode(update)
        file.write(len(packed).to_bytes(_LENGTH, "little") + packed)
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[Update]:
    while length := file.read(_LENGTH):
        yield _decode(file.read(int.from_bytes(length, "little")))
