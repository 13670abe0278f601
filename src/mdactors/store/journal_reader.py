"""What reads a journal, beside its writer or without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, starmap
from pathlib import Path
from typing import TypeAlias, overload

import msgspec

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.gaps import Gap
from mdactors.store.journal_segment import (
    HEADER_BYTES,
    Header,
    Record,
    Segment,
    SegmentFile,
    sealed_end,
    segments,
)
from mdactors.store.journal_survey import damaged, missing

NS_PER_MS = 1_000_000
KEPT_INSTRUMENTS = 100_000
KEPT_DAMAGE = 100
_Decode: TypeAlias = Callable[[int, Record], list[Tick]]


class _Line(msgspec.Struct, gc=False, array_like=True):
    """A `Tick` as it is read: its instrument stays packed, since most were seen before."""

    instrument: msgspec.Raw
    quote: Quote
    source: str
    epoch: int
    seq: int
    received_ns: int
    snapshot: bool = False
    repeat: bool = False
    late: bool = False


# Made at import: two threads that make the first decoder of a struct at once crash the interpreter
# (msgspec 0.22 shows the second one what it knows of the struct while the first still looks).
_lines = msgspec.msgpack.Decoder(list[_Line]).decode
_line = msgspec.msgpack.Decoder(_Line).decode
_raw = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_instrument = msgspec.msgpack.Decoder(Instrument).decode


class TickDecoder:
    """Makes ticks of a record's payload; one `Instrument` serves all its ticks."""

    def __init__(self) -> None:
        self._instruments: dict[bytes, Instrument] = {}

    def decode(self, payload: memoryview) -> list[Tick]:
        """The ticks of a whole payload.

        Raises:
            msgspec.MsgspecError: one of them is not what a tick should be.
        """
        return [self._tick(line) for line in _lines(payload)]

    def decode_singly(self, payload: memoryview) -> list[Tick]:
        """The ticks that can be read of a payload that `decode` refused."""
        ticks = []
        for raw in _raw(payload):
            try:
                ticks.append(self._tick(_line(raw)))
            except msgspec.MsgspecError:
                continue
        return ticks

    def _tick(self, line: _Line) -> Tick:
        packed = bytes(line.instrument)
        instrument = self._instruments.get(packed)
        if instrument is None:
            if len(self._instruments) >= KEPT_INSTRUMENTS:
                self._instruments.clear()
            instrument = self._instruments[packed] = _instrument(packed)
        return Tick(
            instrument, line.quote, line.source, line.epoch, line.seq, line.received_ns,
            line.snapshot, line.repeat, line.late,
        )  # fmt: skip


class PackedTicks(Sequence[Tick]):
    """The ticks of some records, decoded while one walks over them, each time anew.

    Few of them are in memory at once: those come out of the processor's cache again, which takes half the
    time. The length counts also those that turn out not to be readable.
    """

    def __init__(self, records: Sequence[tuple[int, Record]], decode: _Decode) -> None:
        self._records = records
        self._decode = decode

    def __len__(self) -> int:
        return sum(record.count for _, record in self._records)

    def __iter__(self) -> Iterator[Tick]:
        return chain.from_iterable(starmap(self._decode, self._records))

    def gaps(self, journal: str, before: int) -> list[Gap]:
        """What is missing among these records, if the journal held ``before`` ticks before them."""
        gaps: list[Gap] = []
        last: tuple[int, Record] | None = None
        for each in self._records:
            lost = each[1].ticks - each[1].count - before
            if lost > 0:
                gaps.append(Gap(journal, lost, self._received_ms(last, max), self._received_ms(each, min)))
            last, before = each, each[1].ticks
        return gaps

    def _received_ms(self, record: tuple[int, Record] | None, pick: Callable[[list[int]], int]) -> int | None:
        times = [] if record is None else [tick.received_ns // NS_PER_MS for tick in self._decode(*record)]
        return pick(times) if times else None

    def ends(self, journal: str) -> Iterator[tuple[Position, list[Tick]]]:
        """Each record: where it ends, and its ticks."""
        for segment, record in self._records:
            yield Position(journal, segment, record.end, record.ticks), self._decode(segment, record)

    @overload
    def __getitem__(self, place: int) -> Tick: ...
    @overload
    def __getitem__(self, place: slice) -> list[Tick]: ...
    def __getitem__(self, place: int | slice) -> Tick | list[Tick]:
        return list(self)[place]


class JournalReader:
    """Reads the ticks of a journal's folder; takes no lock; one thread uses it.

    Damage does not stop it: it goes on behind, and ``damage`` says what was passed over, one text a range.
    A segment that is missing is damage as well, if ticks went with it that were not read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoder = TickDecoder()
        self.damage: list[str] = []
        self._file: SegmentFile | None = None
        self._offset = 0
        self._newer: list[Segment] = []
        """The segments behind the open one, as far as they are known."""
        self._end = 0
        """Where the open segment ends as far as one can say; for good once there is a newer one."""
        self._position: Position | None = None
        """What `read` gave last: it goes on from there."""
        self._ticks: int | None = None
        """The journal's count of ticks up to where it stands; None where nothing has said it yet."""

    def read(
        self, after: Position | None, upto: Position | None, limit: int
    ) -> tuple[list[Tick], Position | None]:
        """The same as `read_packed`, but decoded."""
        packed, position = self.read_packed(after, upto, limit)
        return list(packed), position

    def read_packed(
        self, after: Position | None, upto: Position | None, limit: int
    ) -> tuple[PackedTicks, Position | None]:
        """The ticks of the next whole records behind ``after``, and the position behind them.

        Reads records until there are ``limit`` ticks, never one that ends behind ``upto`` (None: the last
        whole record). ``after`` may be None or of another journal: then from the oldest segment; also
        where its own segment was deleted. No ticks and ``after`` where there is nothing. Quotes are plain
        `Quote`s. ``damage`` says which ticks cannot be read once one has walked over them.

        Raises:
            StoreError: the folder or a segment cannot be read, or ``after`` lies behind the journal's
                newest segment.
        """
        try:
            if self._file is None or after != self._position:
                self._seek(after)
            elif not self._newer:
                self._look_behind(self._file, segments(self._folder))
            ticks, position = self._read(after, upto, limit)
        except BaseException:
            # What was read already has reached nobody: begin at ``after`` again.
            self.close()
            raise
        self._position = position
        return ticks, position

    def _read(
        self, position: Position | None, upto: Position | None, limit: int
    ) -> tuple[PackedTicks, Position | None]:
        records: list[tuple[int, Record]] = []
        count = 0
        while count < limit and (record := self._next(upto)) is not None:
            assert self._file is not None, "a record comes out of a file"
            records.append((self._file.number, record))
            count += record.count
            position = Position(self._file.journal, self._file.number, record.end, record.ticks)
        return PackedTicks(records, self._decoded), position

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _seek(self, after: Position | None) -> None:
        self.close()
        self._ticks = None
        found = segments(self._folder)
        if after is None or not found or after.journal != found[0].journal:
            self._open_first(found, 0)
            return
        left = [segment for segment in found if segment.number >= after.segment]
        if not left:
            raise StoreError(
                f"{self._folder}: the store holds segments up to {after.segment} of this journal, the newest "
                f"here is {found[-1].number}: an old copy was put back; move the folder away"
            )
        self._ticks = after.ticks
        self._open_first(left, after.segment)
        if self._file is not None and self._file.number == after.segment:
            self._offset = max(after.offset, HEADER_BYTES)

    def _open_first(self, found: list[Segment], number: int) -> bool:
        """Open the first of these that still exists, coming from segment ``number``."""
        for segment in found:
            try:
                file = SegmentFile(segment)
            except FileNotFoundError:
                continue
            if file.header is not None:
                self._arrive(file.header, number)
            self.close()
            self._file, self._offset = file, HEADER_BYTES
            self._look_behind(file, found)
            if file.header is None and file.size() > HEADER_BYTES:
                self._note(damaged(file.number, 0, HEADER_BYTES))
            return True
        return False

    def _arrive(self, header: Header, number: int) -> None:
        """Come to the segment with this header; note what is missing since segment ``number``."""
        lost = 0 if self._ticks is None else header.ticks - self._ticks
        if lost > 0 and self._is_torn_away(header, number):
            self._note(missing(number, header.previous, lost))
        self._ticks = max(self._ticks or 0, header.ticks)

    def _is_torn_away(self, header: Header, number: int) -> bool:
        """Whether what lay between was neither read nor deleted because it is stored.

        The oldest is deleted first: while the segment that was read is there, nothing behind it was stored.
        """
        return self._file is None or (header.previous > number and not self._file.deleted())

    def _next(self, upto: Position | None) -> Record | None:
        """The next whole record; None where there is none yet."""
        while (file := self._file) is not None:
            end, newer = self._end, self._newer
            if upto is not None and upto.segment <= file.number:
                end, newer = (upto.offset if upto.segment == file.number else 0), []
            record = file.next(self._offset, end)
            if record is not None:
                self._pass_over(file, record.offset)
                self._offset, self._ticks = record.end, record.ticks
                return record
            if upto is not None or newer:
                # All up to there was written: what is not whole will never be.
                self._pass_over(file, end)
            if not newer:
                return None
            if not self._open_first(newer, file.number):
                self._newer = []  # all are gone: the next read looks which there are
                return None
        return None

    def _look_behind(self, file: SegmentFile, found: list[Segment]) -> None:
        """Learn what is behind the open segment, and with it where that ends."""
        self._newer = [segment for segment in found if segment.number > file.number]
        self._end = sealed_end(file.number, self._newer) or file.size()

    def _pass_over(self, file: SegmentFile, end: int) -> None:
        """Go on at ``end``: nothing whole lies before it."""
        if end > self._offset:
            if not file.deleted():
                self._note(damaged(file.number, self._offset, end))
            self._offset = end

    def _decoded(self, segment: int, record: Record) -> list[Tick]:
        try:
            return self._decoder.decode(record.payload)
        except msgspec.MsgspecError as error:
            ticks = self._decoder.decode_singly(record.payload)
            self._note(
                f"segment {segment}: {record.count - len(ticks)} ticks of the record at byte "
                f"{record.offset} cannot be read: {error}"
            )
            return ticks

    def _note(self, damage: str) -> None:
        if damage not in self.damage and len(self.damage) < KEPT_DAMAGE:
            self.damage.append(damage)
