"""What can be saved of a frame whose protobuf is damaged: the entries that are still whole.

Nobody's lengths are trusted but an entry's own: an entry is where its outer length, its key and its inner
length agree. So a damaged length costs the entry that it belongs to and not those behind it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ENTRY = re.compile(
    rb"\x12([\x80-\xff]{0,3}[\x00-\x7f])"  # field 2 of the frame: an entry and its length
    rb"\x0a([\x00-\x7f])(?=[A-Z]{3,8}_[A-Z]{2,12}\|)"  # field 1 of the entry: its key and length
)
_VALUE = re.compile(rb"\x12([\x80-\xff]{0,3}[\x00-\x7f])")  # field 2 of the entry: the feed and its length
_TYPE = re.compile(rb"\x08[\x00-\x7f]")
_UPDATED = re.compile(rb"\x18([\x80-\xff]{5}[\x00-\x7f])")


class Rescued(NamedTuple):
    """The whole entries of a damaged frame, in their order, and what lay between them."""

    feeds: list[tuple[str, bytes]]
    lost: list[bytes]
    updated: int | None
    """The frame's ``currentTs``, where it stands whole behind the last entry."""


def rescue(frame: bytes) -> Rescued:
    """Find every whole entry of a frame; never raises."""
    rescued: list[tuple[str, bytes]] = []
    lost: list[bytes] = []
    end = kind.end() if (kind := _TYPE.match(frame)) else 0
    while found := _next_entry(frame, end):
        start, stop, key, raw = found
        if start > end:
            lost.append(frame[end:start])
        rescued.append((key, raw))
        end = stop
    updated = None
    if time := _UPDATED.match(frame, end):
        updated = _varint(time[1])
        end = time.end()
    if end < len(frame):
        lost.append(frame[end:])
    return Rescued(rescued, lost, updated)


def _next_entry(frame: bytes, position: int) -> tuple[int, int, str, bytes] | None:
    """The first whole entry from ``position`` on: where it starts and stops, its key and its feed."""
    while candidate := _ENTRY.search(frame, position):
        stop = candidate.end(1) + _varint(candidate[1])
        key_stop = candidate.end() + candidate[2][0]
        value = _VALUE.match(frame, key_stop)
        if value and value.end() + _varint(value[1]) == stop <= len(frame):
            try:
                key = frame[candidate.end() : key_stop].decode()
            except UnicodeDecodeError:
                pass
            else:
                return candidate.start(), stop, key, frame[value.end() : stop]
        position = candidate.start() + 1
    return None


def _varint(data: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data))
