"""Who writes a journal's ticks."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mdactors.errors import JournalFull, StoreError
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store.journal_segment import (
    CHECKED_FROM,
    CHECKSUM,
    CHECKSUM_AT,
    HEADER_BYTES,
    MARK,
    RECORD,
    Header,
    pack_header,
    segment_of,
)

if TYPE_CHECKING:
    from mdactors.store.journal import Journal

LARGEST_RECORD = (1 << 32) - 1

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = (OverflowError, TypeError, ValueError)
"""What the encoder says of a tick that has no MessagePack."""

_logger = logging.getLogger(__name__)


class Appender:
    """Writes a journal's newest segment, in one thread.

    A segment is begun when there is something to write, so that a full disk stops nobody from starting.
    """

    def __init__(self, journal: Journal, end: Position) -> None:
        self._journal = journal
        self.position = end
        """Behind what was appended."""
        self.fenced = False
        self._lacking = 0
        """While there is no room: how many bytes have to be free before anything is written again."""
        self._descriptor = -1
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def append(self, ticks: Sequence[Tick]) -> int:
        """Write these ticks as one record.

        Returns:
            How many were left out because no record can hold them; each such call is one ERROR line.

        Raises:
            JournalFull: there is no room; nothing of the record stays.
            StoreError: the disk failed and nothing of the record stays, or this appender was fenced.
        """
        left_out = self._encode(ticks)
        count = len(ticks) - left_out
        if not count:
            return left_out
        buffer, total = self._buffer, self.position.ticks + count
        size = len(buffer)
        self._prepare(size)
        RECORD.pack_into(buffer, 0, MARK, 0, size - RECORD.size, count, total)
        CHECKSUM.pack_into(buffer, CHECKSUM_AT, zlib.crc32(memoryview(buffer)[CHECKED_FROM:]))
        before = self.position
        self._write(self._descriptor, buffer, before.offset)
        with self._journal.lock:
            if not self.fenced:
                self.position = Position(before.journal, before.segment, before.offset + size, total)
                self._journal.grown(before.segment, size)
                self._lacking = 0
                return left_out
        raise self._fenced()

    def _encode(self, ticks: Sequence[Tick]) -> int:
        """Put the payload behind the room for its head; how many ticks had to be left out."""
        try:
            self._encoder.encode_into(ticks, self._buffer, RECORD.size)
        except _NOT_WRITABLE as error:
            return self._encode_writable(ticks, error)
        return 0

    def _encode_writable(self, ticks: Sequence[Tick], error: Exception) -> int:
        writable = [tick for tick in ticks if self._can_encode(tick)]
        left_out = len(ticks) - len(writable)
        text = "%s: left out %d of %d ticks that cannot be written: %s"
        _logger.error(text, self._journal.folder, left_out, len(ticks), error)
        self._encoder.encode_into(writable, self._buffer, RECORD.size)
        return left_out

    def _can_encode(self, tick: Tick) -> bool:
        try:
            self._encoder.encode(tick)
        except _NOT_WRITABLE:
            return False
        return True

    def _prepare(self, size: int) -> None:
        """See that there is a segment with room for ``size`` bytes."""
        if self.fenced:
            raise self._fenced()
        begins = self._descriptor < 0 or (
            self.position.offset > HEADER_BYTES and self.position.offset + size > self._journal.segment_bytes
        )
        wanted = max(size, self._lacking)
        if size > LARGEST_RECORD or not self._journal.has_room(wanted + begins * HEADER_BYTES):
            self._lack(size)
            raise JournalFull(
                f"{self._journal.folder}: holds {self._journal.size()} of {self._journal.max_bytes} bytes: "
                f"the store has to catch up, or journal.max_bytes to be raised"
            )
        if begins:
            self._begin_segment()
        if self._lacking:
            self._find_room(wanted)

    def _lack(self, size: int) -> None:
        """There is no room for ``size`` bytes; one record that never fits must not stop all others."""
        lacking = max(size, self._lacking, self._journal.headroom)
        self._lacking = min(lacking, self._journal.segment_bytes)

    def _find_room(self, size: int) -> None:
        """See that the disk has so many bytes behind the end, and give them back."""
        end = self.position.offset
        try:
            os.posix_fallocate(self._descriptor, end, size)
            os.ftruncate(self._descriptor, end)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise self._failed(error) from None

    def _begin_segment(self) -> None:
        journal, end = self._journal, self.position
        with journal.lock:
            segment = journal.next_segment()
        header = Header(journal.id, segment.number, end.ticks, end.segment, end.offset)
        descriptor = self._created(segment.path, pack_header(header))
        with journal.lock:
            if not self.fenced:
                if self._descriptor >= 0:
                    os.close(self._descriptor)
                    journal.sealed(end.segment)
                self._descriptor = descriptor
                self.position = Position(journal.id, segment.number, HEADER_BYTES, end.ticks)
                journal.grown(segment.number, HEADER_BYTES)
                return
        with contextlib.suppress(OSError):
            os.close(descriptor)
            segment.path.unlink()
        raise self._fenced()

    def _created(self, path: Path, header: bytes) -> int:
        """A new file with this header, its name on disk; nothing stays where that fails."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._failed(error) from None
        try:
            self._write(descriptor, header, 0)
            self._journal.sync_folder()
        except StoreError:
            with contextlib.suppress(OSError):
                os.close(descriptor)
                path.unlink(missing_ok=True)
            raise
        return descriptor

    def _write(self, descriptor: int, data: bytes | bytearray, offset: int) -> None:
        """Write all of it, or nothing that counts: what stays behind a failed cut is overwritten."""
        done = 0
        try:
            while done < len(data):
                # A copy for the rare rest: a view would keep the buffer from growing again.
                done += os.pwrite(descriptor, bytes(data[done:]) if done else data, offset + done)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, offset)
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> StoreError:
        text = f"{self._journal.folder}: cannot be written: {error.strerror}"
        if error.errno not in _FULL:
            return StoreError(text)
        self._lack(len(self._buffer))
        return JournalFull(text)

    def sync(self) -> Position:
        """Have everything on disk that was appended, also by those before; where that ends.

        Raises:
            StoreError: the disk failed, or this appender was fenced.
        """
        if self.fenced:
            raise self._fenced()
        try:
            self._journal.sync_sealed()
            if self._descriptor >= 0:
                os.fdatasync(self._descriptor)
        except OSError as error:
            text = f"{self._journal.folder}: cannot be synced: {error.strerror}"
            raise StoreError(text) from None
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0:
            self.close()  # the next record begins a segment of its own
            raise StoreError(
                f"{self._journal.folder}: the segment was removed: what was not stored of it is lost"
            )
        if self.fenced:
            raise self._fenced()
        return self.position

    def make_room(self, position: Position) -> None:
        """Give back the last segment, where there is no room for more and all is before ``position``."""
        if not self._lacking or position != self.position:
            return
        self.close()
        path = segment_of(self._journal.folder, self._journal.id, position.segment).path
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return  # it was given back before, and nothing could be written since
        try:
            path.unlink()
            # A reader that still has the file open would keep its blocks.
            os.ftruncate(descriptor, 0)
        except OSError as error:
            raise StoreError(f"{path}: cannot be given back: {error.strerror}") from None
        finally:
            os.close(descriptor)
        with self._journal.lock:
            self._journal.dropped(position.segment)

    def fence(self) -> Position:
        """Take the right to write; where its words end. The caller holds the journal's lock."""
        self.fenced = True
        return self.position

    def _fenced(self) -> StoreError:
        self.close()
        return StoreError(f"{self._journal.folder}: this appender was replaced by another")

    def close(self) -> None:
        """Close the file; what follows begins another segment."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
