"""What is in a journal's segments: counted, checked, and a torn tail found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from mdactors.store.journal_segment import HEADER_BYTES, Header, Record, Segment, SegmentFile, sealed_end


class Survey(msgspec.Struct):
    """What was found in one segment."""

    segment: Segment
    size: int
    """Bytes of the file."""
    readable: bool
    """Whether anything in it is: its header, or a record."""
    records: int = 0
    ticks: int = 0
    """In whole records."""
    total: int | None = None
    """From the journal's birth to the end of this segment; None where nothing in it says."""
    first: int | None = None
    """Where the first record begins."""
    last: int | None = None
    """Where the last record begins."""
    end: int = HEADER_BYTES
    """Behind the last whole record."""
    damage: list[str] = []
    """Ranges that cannot be read though something was written behind them."""
    torn: int = 0
    """Bytes behind the last whole record of the newest segment: being written, or torn by a crash."""
    header: Header | None = None
    """None where it is damaged."""


def survey(
    segment: Segment,
    newer: Sequence[Segment],
    *,
    check: bool = True,
    advance: Callable[[int], None] = lambda _size: None,
) -> Survey:
    """Look through one segment; ``check`` reads the payloads too and compares their checksums.

    ``newer`` are the segments behind it, oldest first; ``advance`` hears the bytes of each record.

    Raises:
        FileNotFoundError: the segment was deleted.
        StoreError: it cannot be opened or read.
    """
    with SegmentFile(segment) as file:
        size = file.size()
        limit = size if not newer else (sealed_end(segment.number, newer) or size)
        found = Survey(
            segment,
            size,
            file.header is not None,
            total=file.header and file.header.ticks,
            header=file.header,
        )
        look = file.next if check else file.hop
        while (record := look(found.end, limit)) is not None:
            _note(found, record)
            advance(record.end - record.offset)
        if newer:
            if found.end < limit:
                found.damage.append(damaged(segment.number, found.end, limit))
        else:
            found.torn = max(0, size - (found.end if found.readable else 0))
    if file.header is None and (found.records or newer):
        found.damage.insert(0, damaged(segment.number, 0, HEADER_BYTES))
    return found


def _note(found: Survey, record: Record) -> None:
    if record.offset > found.end:
        found.damage.append(damaged(found.segment.number, found.end, record.offset))
    if found.first is None:
        found.first = record.offset
    found.last, found.end, found.total = record.offset, record.end, record.ticks
    found.records += 1
    found.ticks += record.count
    found.readable = True


def damaged(number: int, begin: int, end: int) -> str:
    """The words for a damaged range, its end exclusive."""
    return f"segment {number}: bytes {begin} to {end} are damaged"


def gap(before: Survey, found: Survey) -> str:
    """The words for segments with ticks that are missing between these two; empty where none is.

    What is stored is deleted beginning with the oldest: while the one before is there, nothing behind it
    was deleted for that reason.
    """
    if found.header is None or before.total is None or found.header.previous <= before.segment.number:
        return ""
    lost = found.header.ticks - before.total
    if lost <= 0 or not before.segment.path.exists():
        return ""
    return missing(before.segment.number, found.header.previous, lost)


def missing(number: int, last: int, ticks: int) -> str:
    """The words for segments that are missing behind ``number``, up to ``last``, and ``ticks`` with them."""
    first = min(number + 1, last)
    which = f"segment {last} is" if first == last else f"segments {first} to {last} are"
    return f"{which} missing: {ticks} ticks"
