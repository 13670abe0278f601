"""A recording of raw frames: what brokers' websockets said, byte for byte, and when it came.

The layout, and how to read it without us, is in ``docs/recordings.md``. A file whose name ends with ``.gz``
is written packed; whether one is, its first bytes say.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import msgspec

from mdactors.errors import StoreError
from mdactors.market.instrument import InstrumentRow

MAGIC = b"mdframes"
VERSION = 1
LONGEST = 64 << 20
"""Bytes of a record; what says that it is longer is damaged."""

_MARK = b"\xabfr\x1a"
_HEAD = struct.Struct("<8sH")
_RECORD = struct.Struct("<4sIIqBB")
_CHECKED_FROM = 8
_BINARY, _TEXT, _LISTING = range(3)
_PACKED = b"\x1f\x8b"
_GZIP = 31
"""zlib's word for gzip's own head and foot."""
_LEVEL = 3
"""Half of the time of the usual one, for a tenth more bytes."""
_READ_BYTES = 1 << 18
_KEPT_DAMAGE = 20


class RawFrame(msgspec.Struct, frozen=True, gc=False):
    """One websocket message, as bytes where it was binary, and the connection that it came by."""

    received_ns: int
    connection: str
    data: bytes | str


class Listing(msgspec.Struct, frozen=True):
    """What the frames behind it speak of: whose they are, and the instruments in them."""

    broker: str
    instruments: tuple[InstrumentRow, ...] = ()


Entry: TypeAlias = RawFrame | Listing
_Record: TypeAlias = tuple[int, int, bytes, bytes]
"""Time, kind, name and body."""


class _Listing(msgspec.Struct):
    broker: str = ""
    instruments: list[dict[str, Any]] = []


_read_listing = msgspec.json.Decoder(_Listing).decode


class FrameWriter:
    """Writes a new recording; one thread uses it.

    Raises:
        StoreError: the file exists, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._packer = zlib.compressobj(_LEVEL, wbits=_GZIP) if path.suffix == ".gz" else None
        try:
            self._file: IO[bytes] = path.open("xb")
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
        self._put(_HEAD.pack(MAGIC, VERSION))

    def __enter__(self) -> FrameWriter:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def write(self, received_ns: int, connection: str, data: bytes | str) -> None:
        """Append one frame."""
        kind, body = (_TEXT, data.encode()) if isinstance(data, str) else (_BINARY, data)
        self._record(received_ns, kind, connection.encode(), body)

    def describe(self, broker: str, instruments: Iterable[InstrumentRow], at_ns: int = 0) -> None:
        """Say whose the frames behind are, and which instruments are in them; may be said again."""
        rows = [_words(each) for each in instruments]
        body = msgspec.json.encode(_Listing(broker, rows))
        self._record(at_ns, _LISTING, b"", body)

    def flush(self) -> None:
        """Hand everything to the system: a crash of this program costs nothing of it.

        Raises:
            StoreError: the disk is full or away.
        """
        if self._packer is not None:
            self._write(self._packer.flush(zlib.Z_SYNC_FLUSH))
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """End the file."""
        if self._file.closed:
            return
        try:
            if self._packer is not None:
                self._file.write(self._packer.flush())
            self._file.close()
        except OSError as error:
            raise self._failed(error) from None

    def _record(self, at_ns: int, kind: int, name: bytes, body: bytes) -> None:
        content = name + body
        head = _RECORD.pack(_MARK, 0, len(content), at_ns, kind, len(name))
        checksum = zlib.crc32(content, zlib.crc32(head[_CHECKED_FROM:]))
        self._put(head[:4] + checksum.to_bytes(4, "little") + head[_CHECKED_FROM:] + content)

    def _put(self, data: bytes) -> None:
        self._write(data if self._packer is None else self._packer.compress(data))

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(f"{self._path}: cannot be written: {error.strerror}")


def _words(instrument: InstrumentRow) -> dict[str, Any]:
    """What is known of an instrument, by name: a stranger can read it, and fields may be added."""
    kept = {}
    for field in msgspec.structs.fields(InstrumentRow):
        value = getattr(instrument, field.name)
        if field.required or value != field.default:
            kept[field.name] = value
    return kept


class FrameReader:
    """Reads a recording from its begin, with a fixed little memory; each iteration begins anew.

    A torn end is passed over: its writer was killed, or still writes. Damage before the end costs the
    records that it touches, and ``damage`` names the ranges.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        self.torn = 0
        """Bytes behind the last whole record, as of the last iteration."""
        self.read_bytes = 0
        """How much of the file has been read, for who shows progress."""

    def __iter__(self) -> Iterator[Entry]:
        """Read one entry after another.

        Raises:
            StoreError: the file cannot be read, or is no recording of this version.
        """
        self.damage.clear()
        try:
            with self.path.open("rb") as file:
                yield from self._entries(_Window(self._chunks(file)))
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _chunks(self, file: IO[bytes]) -> Iterator[bytes]:
        self.read_bytes = 0
        chunk = file.read(_READ_BYTES)
        if not chunk.startswith(_PACKED):
            while chunk:
                self.read_bytes += len(chunk)
                yield chunk
                chunk = file.read(_READ_BYTES)
            return
        unpacker = zlib.decompressobj(wbits=_GZIP)
        while chunk:
            self.read_bytes += len(chunk)
            try:
                yield from _unpacked(unpacker, chunk)
            except zlib.error as error:
                self._note(f"packed bytes up to {self.read_bytes} and all behind: {error}")
                return
            rest = unpacker.unused_data
            if unpacker.eof:  # another writer may have gone on behind
                unpacker = zlib.decompressobj(wbits=_GZIP)
            chunk = rest or file.read(_READ_BYTES)
            self.read_bytes -= len(rest)

    def _entries(self, window: _Window) -> Iterator[Entry]:
        head = window.take(_HEAD.size)
        if len(head) < _HEAD.size or not head.startswith(MAGIC):
            raise StoreError(f"{self.path}: is no recording of frames")
        version = _HEAD.unpack(head)[1]
        if version != VERSION:
            raise StoreError(f"{self.path}: is of format {version}, this mdactors reads format {VERSION}")
        while (record := window.record()) is not None:
            if window.passed_over is not None:
                self._note("bytes {} to {} are damaged".format(*window.passed_over))
                window.passed_over = None
            entry = self._entry(*record)
            if entry is not None:
                yield entry
        self.torn = window.torn

    def _entry(self, at_ns: int, kind: int, name: bytes, body: bytes) -> Entry | None:
        try:
            if kind == _BINARY:
                return RawFrame(at_ns, name.decode(), body)
            if kind == _TEXT:
                return RawFrame(at_ns, name.decode(), body.decode())
            if kind == _LISTING:
                return _listing(body)
        except (UnicodeDecodeError, msgspec.MsgspecError) as error:
            self._note(f"a record of {len(body)} bytes: {error}")
        return None  # of a kind that a later version may have: nothing that this one needs

    def _note(self, damage: str) -> None:
        if len(self.damage) < _KEPT_DAMAGE:
            self.damage.append(damage)


def _listing(body: bytes) -> Listing:
    said = _read_listing(body)
    fields = msgspec.structs.fields(InstrumentRow)
    rows = [[words.get(field.name, field.default) for field in fields] for words in said.instruments]
    return Listing(said.broker, tuple(msgspec.convert(rows, list[InstrumentRow])))


def _unpacked(unpacker: Any, chunk: bytes) -> Iterator[bytes]:
    """What a packed chunk holds, never much of it at once."""
    while chunk:
        yield unpacker.decompress(chunk, _READ_BYTES)
        chunk = unpacker.unconsumed_tail


class _Window:
    """The part of a stream of bytes that is in memory."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.passed_over: tuple[int, int] | None = None
        """Where the damage before the last record begins and ends."""
        self.torn = 0
        """Bytes behind the last whole record, once there is no further one."""
        self._chunks = chunks
        self._buffer = b""
        self._at = 0
        self._begin = 0
        """Where in the stream the buffer begins."""

    def take(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        self._reach(count)
        taken = self._buffer[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def record(self) -> _Record | None:
        """The next whole record; None where there is no further one."""
        start = self._begin + self._at
        record = self._record()
        while record is None and self._find_mark():
            self.passed_over = (start, self._begin + self._at)
            record = self._record()
        if record is None:
            self.passed_over = None
            self.torn = self._begin + len(self._buffer) - start
        return record

    def _record(self) -> _Record | None:
        if not self._reach(_RECORD.size):
            return None
        mark, checksum, length, at_ns, kind, named = _RECORD.unpack_from(self._buffer, self._at)
        size = _RECORD.size + length
        if mark != _MARK or length > LONGEST or named > length or not self._reach(size):
            return None
        first = self._at
        content = memoryview(self._buffer)[first + _CHECKED_FROM : first + size]
        if zlib.crc32(content) != checksum:
            return None
        begin = first + _RECORD.size
        self._at = first + size
        name = self._buffer[begin : begin + named]
        return at_ns, kind, name, self._buffer[begin + named : first + size]

    def _find_mark(self) -> bool:
        """Go on to the next mark behind this place; whether there is one."""
        self._at = min(self._at + 1, len(self._buffer))
        while (found := self._buffer.find(_MARK, self._at)) < 0:
            self._at = max(len(self._buffer) - len(_MARK) + 1, self._at)
            if not self._reach(len(self._buffer) - self._at + 1):
                return False
        self._at = found
        return True

    def _reach(self, count: int) -> bool:
        """Have so many bytes in the buffer behind the place; whether there are."""
        if len(self._buffer) - self._at >= count:
            return True
        parts, have = [self._buffer[self._at :]], len(self._buffer) - self._at
        self._begin += self._at
        self._at = 0
        while have < count and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            have += len(chunk)
        self._buffer = b"".join(parts)
        return have >= count
