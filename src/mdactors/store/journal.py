"""The journal: the log on disk in front of the store, written by one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.store.journal_appender import Appender
from mdactors.store.journal_segment import Segment, segment_of
from mdactors.store.journal_tail import mend

SEGMENTS_AT_LEAST = 4
"""How many segments share ``max_bytes``, so that there is room again long before all is stored."""
HEADROOM_BYTES = 1 << 20
"""How much room must have returned before a full journal is written again: else small records would
still fit now and then, and the alarm would come and go with each."""


class Journal:
    """Owns a journal's folder: its lock, its id, its segments.

    Opening it cuts the torn tail that a crash left, with one WARNING line. ``damage`` names the ranges
    that cannot be read although something was written behind them: they are left as they are.
    ``segment_bytes`` is how large a segment grows, ``max_bytes`` how large all of them. Usable from any
    thread.

    Raises:
        StoreError: the folder is another process's, or cannot be used.
    """

    def __init__(self, folder: Path, *, segment_bytes: int, max_bytes: int) -> None:
        self.folder = folder
        self.segment_bytes = min(segment_bytes, max_bytes // SEGMENTS_AT_LEAST)
        self.max_bytes = max_bytes
        self.headroom = min(HEADROOM_BYTES, self.segment_bytes // 2)
        self.lock = threading.Lock()
        """Guards all that follows; never held while the disk is at work."""
        self._descriptor = _locked(folder)
        try:
            mended = mend(folder)
        except StoreError:
            os.close(self._descriptor)
            raise
        self.damage: Sequence[str] = tuple(mended.damage)
        self._end = mended.end or Position(secrets.token_hex(8), 0, 0, 0)
        self.id = self._end.journal
        self.held = mended.oldest, self._end.ticks
        """What it held when it was opened: the counts of ticks before its oldest and behind its newest."""
        self._sizes = mended.sizes
        self._total = sum(mended.sizes.values())
        self._number = self._end.segment
        # Its last writer may have died before it synced.
        self._unsynced = [segment_of(folder, self.id, self._number)] if mended.end else []
        self._appender: Appender | None = None

    def appender(self) -> Appender:
        """A new writer with a segment of its own; the one before is fenced: it cannot write any more."""
        with self.lock:
            if self._appender is not None:
                self._end = self._appender.fence()
                self._unsynced.append(segment_of(self.folder, self.id, self._end.segment))
            self._appender = Appender(self, self._end)
            return self._appender

    def release(self, position: Position) -> None:
        """Delete the segments of which everything lies before ``position``, but not the one being written.

        Where the disk or ``max_bytes`` is full and everything is before ``position``, that one goes too.

        Raises:
            StoreError: a segment cannot be deleted.
        """
        if position.journal != self.id:
            return
        if position.segment > self._number:
            return  # the store knows more than this copy of the journal: nothing here is known to be stored
        with self.lock:
            done = [number for number, size in self._sizes.items() if self._is_before(number, size, position)]
        for number in done:
            self._delete(number)
        if done:
            self.sync_folder()
        if (appender := self._appender) is not None:
            appender.make_room(position)

    def _is_before(self, number: int, size: int, position: Position) -> bool:
        if self._appender is not None and number == self._appender.position.segment:
            return False
        return number < position.segment or (number == position.segment and size <= position.offset)

    def _delete(self, number: int) -> None:
        path = segment_of(self.folder, self.id, number).path
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be deleted: {error.strerror}") from None
        with self.lock:
            self._total -= self._sizes.pop(number, 0)

    def size(self) -> int:
        """Bytes of all segments."""
        return self._total

    def close(self) -> None:
        """Give the folder back; what was not synced is the system's to write."""
        if self._appender is not None:
            self._appender.close()
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    # --- For the appender ---

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more stay within ``max_bytes``."""
        return self._total + size <= self.max_bytes

    def next_segment(self) -> Segment:
        """A segment that nobody has begun yet; the caller holds the lock."""
        self._number += 1
        return segment_of(self.folder, self.id, self._number)

    def grown(self, number: int, size: int) -> None:
        """A segment has grown; the caller holds the lock."""
        self._sizes[number] = self._sizes.get(number, 0) + size
        self._total += size

    def sealed(self, number: int) -> None:
        """A segment is finished, but for syncing; the caller holds the lock."""
        self._unsynced.append(segment_of(self.folder, self.id, number))

    def dropped(self, number: int) -> None:
        """A segment is deleted; the caller holds the lock."""
        self._total -= self._sizes.pop(number, 0)

    def sync_sealed(self) -> None:
        """Have everything on disk that segments hold that are no longer written."""
        waiting = list(self._unsynced)
        for segment in waiting:
            with contextlib.suppress(FileNotFoundError):
                _sync(segment.path)
        with self.lock:
            self._unsynced = [segment for segment in self._unsynced if segment not in waiting]

    def sync_folder(self) -> None:
        """Have the segments' names on disk.

        Raises:
            StoreError: that failed.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be synced: {error.strerror}") from None


def _locked(folder: Path) -> int:
    """The folder, made where it is missing, open and locked."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{folder}: the journal's folder cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise StoreError(f"{folder}: the journal's folder cannot be locked: {error.strerror}") from None
        raise StoreError(
            f"{folder}: the journal is in use by another mdactors; stop it or set another journal.path"
        ) from None
    return descriptor


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
