"""What a crash left of a journal: the torn tail cut, damage before it named."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.store.journal_segment import Segment, SegmentFile, segments
from mdactors.store.journal_survey import Survey, survey

CHECKED_BYTES = 256 << 20
"""How much of the newest segments is read and checked at opening; what is older is when it is read."""

_logger = logging.getLogger(__name__)


class Mended(msgspec.Struct):
    """A journal's folder as the next writer finds it."""

    end: Position | None
    """Behind the newest whole record; None where there is no journal."""
    sizes: dict[int, int]
    """Bytes of each segment, by its number."""
    damage: list[str]
    oldest: int = 0
    """How many ticks the journal held before what is left of it; too few where its begin is damaged."""


def mend(folder: Path) -> Mended:
    """Cut the torn tail of the newest segment, with one line in the log; only the journal's owner may.

    Raises:
        StoreError: the folder or a segment in it cannot be read or changed.
    """
    found = segments(folder)
    try:
        newest = _mend_newest(folder, found)
        sizes = {segment.number: segment.path.stat().st_size for segment in found}
        if newest is None:
            return Mended(None, sizes, [])
        damage = [*_older_damage(found), *newest.damage]
        return Mended(_end(newest, found), sizes, damage, _oldest(found[0]))
    except OSError as error:
        raise StoreError(f"{folder}: the journal cannot be opened: {error.strerror}") from None


def _mend_newest(folder: Path, found: list[Segment]) -> Survey | None:
    """Cut the newest segment's tail; takes segments that hold nothing whole off ``found`` and the disk."""
    while found:
        newest = survey(found[-1], ())
        if newest.torn:
            _logger.warning(
                "%s: cut %d bytes of an unfinished record off its end", newest.segment.path, newest.torn
            )
        if newest.readable:
            if newest.torn:
                _cut(newest.segment.path, newest.end)
            return newest
        found.pop().path.unlink()
        _sync(folder)
    return None


def _cut(path: Path, end: int) -> None:
    os.truncate(path, end)
    _sync(path)


def _sync(path: Path) -> None:
    """Have a file, or a folder's names, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _older_damage(found: list[Segment]) -> list[str]:
    damage: list[str] = []
    budget = CHECKED_BYTES
    for place in range(len(found) - 2, -1, -1):
        budget -= found[place].path.stat().st_size
        if budget < 0:
            break
        damage[:0] = survey(found[place], found[place + 1 :]).damage
    return damage


def _end(newest: Survey, found: list[Segment]) -> Position:
    total, before = newest.total, len(found) - 1
    while total is None and before > 0:
        before -= 1
        total = survey(found[before], found[before + 1 :], check=False).total
    return Position(newest.segment.journal, newest.segment.number, newest.end, total or 0)


def _oldest(segment: Segment) -> int:
    with SegmentFile(segment) as file:
        return 0 if file.header is None else file.header.ticks
