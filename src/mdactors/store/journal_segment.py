"""The format of a journal on disk: a folder of numbered segments, each a header and records.

A segment's name says its journal and its number. Its header says how many ticks the journal held
before it, and where the segment that was written before it ends: what a fenced writer adds behind
that end is no part of the journal. A record is a mark, a checksum over all that follows, the length
of its payload, the count of its ticks, the count of ticks from the journal's birth to its end, and
the payload: the ticks as MessagePack. All numbers are little-endian.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from mdactors.errors import StoreError

VERSION = 1
MARK = b"\xabtk\x1a"
"""How a record begins: what a reader looks for behind damage."""
RECORD = struct.Struct("<4sIIIQ")
CHECKSUM = struct.Struct("<I")
CHECKSUM_AT = 4
CHECKED_FROM = 8
"""The first byte of a record that its checksum covers."""
READ_BYTES = 1 << 17
"""What fits a processor's cache is read, checked and decoded fastest."""

_MAGIC = b"mdjournl"
_HEADER = struct.Struct("<8sI16sQQQQ")
HEADER_BYTES = _HEADER.size + CHECKSUM.size
_NAME = re.compile(r"(?P<journal>[0-9a-f]{16})-(?P<number>\d{10})\.journal")


class Segment(NamedTuple):
    """One file of a journal's folder."""

    number: int
    journal: str
    path: Path


class Header(NamedTuple):
    """What a segment says of itself and of the one that was written before it."""

    journal: str
    number: int
    ticks: int
    """From the journal's birth to this segment's begin."""
    previous: int
    """The number of the segment that was written before this one; 0: none was."""
    previous_end: int
    """Where that one ends, in bytes."""


class Record(msgspec.Struct, frozen=True):
    """A whole record: ``count`` ticks in ``payload``, the journal's ``ticks`` first ones end with it."""

    offset: int
    end: int
    count: int
    ticks: int
    payload: memoryview
    """A view of what was read from the file, which stays as it is."""


def segment_of(folder: Path, journal: str, number: int) -> Segment:
    """The segment with this number, whether it exists or not."""
    return Segment(number, journal, folder / f"{journal}-{number:010d}.journal")


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder, oldest first; none where there is no folder.

    Raises:
        StoreError: the folder cannot be read, or it holds more than one journal.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{folder}: the journal's folder cannot be read: {error.strerror}") from None
    matches = (_NAME.fullmatch(name) for name in names)
    found = sorted(segment_of(folder, match["journal"], int(match["number"])) for match in matches if match)
    if len({segment.journal for segment in found}) > 1:
        raise StoreError(f"{folder}: holds segments of more than one journal; move the strange ones away")
    return found


def pack_header(header: Header) -> bytes:
    """A header as bytes."""
    packed = _HEADER.pack(_MAGIC, VERSION, header.journal.encode(), *header[1:])
    return packed + CHECKSUM.pack(zlib.crc32(packed))


def _unpack_header(data: bytes, path: Path) -> Header | None:
    """The header; None where it is damaged."""
    if len(data) < HEADER_BYTES or CHECKSUM.pack(zlib.crc32(data[: _HEADER.size])) != data[_HEADER.size :]:
        return None
    magic, version, journal, *numbers = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != VERSION:
        raise StoreError(f"{path}: is not of journal format {VERSION}; it needs another mdactors")
    return Header(journal.decode(), *numbers)


class SegmentFile:
    """One segment, open for reading by one thread; takes no lock and may read beside its writer.

    Raises:
        FileNotFoundError: the segment was deleted.
        StoreError: it cannot be opened or is not of this format.
    """

    def __init__(self, segment: Segment) -> None:
        self.number = segment.number
        self.journal = segment.journal
        self.path = segment.path
        self._buffer = b""
        self._begin = 0
        try:
            self._descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"{segment.path}: cannot be opened: {error.strerror}") from None
        try:
            self.header = _unpack_header(self._read(0, HEADER_BYTES), segment.path)
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> SegmentFile:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def size(self) -> int:
        """Bytes that are in the file now."""
        return os.fstat(self._descriptor).st_size

    def deleted(self) -> bool:
        """Whether the file has lost its name since it was opened."""
        return os.fstat(self._descriptor).st_nlink == 0

    def next(self, offset: int, limit: int) -> Record | None:
        """The first whole record at or behind ``offset`` that ends by ``limit``.

        Where it begins behind ``offset``, the bytes in between are damaged.
        """
        record = self._record(offset, limit)
        at = offset
        while record is None and (at := self._find_mark(at + 1, limit)) >= 0:
            record = self._record(at, limit)
        return record

    def hop(self, offset: int, limit: int) -> Record | None:
        """Like `next`, but a record that seems to begin at ``offset`` is neither read nor checked."""
        head = self._read(offset, RECORD.size)
        if len(head) == RECORD.size:
            mark, _, length, count, ticks = RECORD.unpack(head)
            end = offset + RECORD.size + length
            if mark == MARK and end <= limit:
                return Record(offset, end, count, ticks, memoryview(b""))
        return self.next(offset, limit)

    def _record(self, offset: int, limit: int) -> Record | None:
        """The record at ``offset``; None where there is no whole one."""
        if offset + RECORD.size > limit:
            return None
        record = self._kept_record(offset, limit)
        if record is None and self._load(offset, READ_BYTES):
            # What was kept may be older than the file: a record that was cut, and another written there.
            record = self._kept_record(offset, limit)
        return record

    def _kept_record(self, offset: int, limit: int) -> Record | None:
        begin = offset + RECORD.size
        if not self._has(offset, begin):
            return None
        at = offset - self._begin
        mark, checksum, length, count, ticks = RECORD.unpack_from(self._buffer, at)
        end = begin + length
        if mark != MARK or end > limit:
            return None
        if not self._has(offset, end):
            self._load(offset, max(READ_BYTES, end - offset))
            if not self._has(offset, end):
                return None
            at = 0
        view = memoryview(self._buffer)
        if zlib.crc32(view[at + CHECKED_FROM : end - self._begin]) != checksum:
            return None
        return Record(offset, end, count, ticks, view[at + RECORD.size : end - self._begin])

    def _find_mark(self, offset: int, limit: int) -> int:
        """Where the next mark is; -1 where there is none."""
        while offset + RECORD.size <= limit:
            if not self._has(offset, offset + len(MARK)) and not self._load(offset, READ_BYTES):
                break
            found = self._buffer.find(MARK, offset - self._begin)
            if found >= 0:
                return found + self._begin
            following = self._begin + len(self._buffer) - len(MARK) + 1
            if following <= offset:
                break
            offset = following
        return -1

    def _has(self, begin: int, end: int) -> bool:
        return self._begin <= begin and end <= self._begin + len(self._buffer)

    def _load(self, offset: int, length: int) -> bool:
        """Fill the buffer from ``offset``; False at the end of the file."""
        self._buffer = self._read(offset, length)
        self._begin = offset
        return bool(self._buffer)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise StoreError(
                f"{self.path}: bytes {offset} to {offset + length} cannot be read: {error.strerror}"
            ) from None


def sealed_end(number: int, newer: Sequence[Segment]) -> int | None:
    """Where segment ``number`` ends by the word of those ``newer``, oldest first; None: nobody says.

    A segment that the next writer did not write after was never written to: its writer was fenced while
    it made it.
    """
    for header in _headers(newer):
        if header.previous == number:
            return header.previous_end
        if header.previous < number:
            return HEADER_BYTES
    return None


def _headers(newer: Sequence[Segment]) -> Iterator[Header]:
    for segment in newer:
        try:
            with SegmentFile(segment) as file:
                if file.header is not None:
                    yield file.header
        except FileNotFoundError:
            continue
