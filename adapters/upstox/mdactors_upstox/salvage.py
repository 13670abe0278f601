"""What can be saved of a frame whose protobuf is damaged: the entries that are still whole.

No length is trusted by itself: an entry is where its outer length, its key and its inner length agree and
its feed can be read. So a damaged length costs the entry that it belongs to and not those behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError

Feed = TypeVar("Feed")

_ENTRY = re.compile(
    rb"\x12([\x80-\xff]{0,3}[\x00-\x7f])"  # field 2 of the frame: an entry and its length
    rb"\x0a([\x00-\x7f])(?=[A-Z]{3,8}_[A-Z]{2,12}\|)"  # field 1 of the entry: its key and length
)
_VALUE = re.compile(rb"\x12([\x80-\xff]{0,3}[\x00-\x7f])")  # field 2 of the entry: the feed and its length
_TIME_SIZE = 7
_TYPE = re.compile(rb"\x08[\x00-\x7f]")
_TIME = re.compile(rb"\x18([\x80-\xff]{5}[\x00-\x7f])")


def current_time(frame: bytes) -> int | None:
    """The frame's ``currentTs``, where it stands whole at the end."""
    time = _TIME.fullmatch(frame, len(frame) - _TIME_SIZE)
    return _varint(time[1]) if time else None


def rescue(frame: bytes, read: Callable[[str, bytes], Feed]) -> tuple[dict[str, Feed], list[bytes]]:
    """Every whole entry of a frame, by its key and as ``read`` makes it, and what lay between them.

    ``read`` may raise DecodeError or ValueError: then the bytes are no entry.
    """
    entries: list[tuple[int, int, str, Feed]] = []
    position = 0
    while candidate := _ENTRY.search(frame, position):
        position = start = candidate.start()
        position += 1
        stop = candidate.end(1) + _varint(candidate[1])
        key_stop = candidate.end() + candidate[2][0]
        value = _VALUE.match(frame, key_stop)
        if value is None or not value.end() + _varint(value[1]) == stop <= len(frame):
            continue
        try:
            key = frame[candidate.end() : key_stop].decode()
            feed = read(key, frame[value.end() : stop])
        except (DecodeError, ValueError):  # a key that is no text is a ValueError too
            continue
        if entries and start < entries[-1][1]:
            entries.pop()  # too long by damage, it reaches into this one
        entries.append((start, stop, key, feed))
    lost = _between(frame, [(start, stop) for start, stop, _, _ in entries])
    return {key: feed for _, _, key, feed in entries}, lost


def _between(frame: bytes, spans: list[tuple[int, int]]) -> list[bytes]:
    """What is neither in the spans nor the frame's type before them or its time behind them."""
    kind = _TYPE.match(frame)
    end = len(frame) - (_TIME_SIZE if current_time(frame) is not None else 0)
    edges = [kind.end() if kind else 0, *(edge for span in spans for edge in span), end]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return [frame[start:stop] for start, stop in gaps if start < stop]


def _varint(data: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data))
