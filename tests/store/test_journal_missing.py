"""A segment that somebody deleted is named with its ticks; one that is not needed any more never is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mdactors.cli import main
from mdactors.errors import JournalFull
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.journal import Journal
from mdactors.store.journal_appender import Appender
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import HEADER_BYTES, segments

SHARE = Instrument(257, "A", "NSE", "NSE_EQ", "STOCK", "A")
Capture = pytest.CaptureFixture[str]


class Written:
    """A journal of segments of 3 ticks each, written by one writer after the other."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder, segment_bytes=1 << 20, max_bytes=1 << 30)
        self.folder = folder
        self.ends: dict[int, Position] = {}
        """Behind each segment."""
        self.appender: Appender | None = None

    def segment(self, *counts: int) -> Position:
        """A segment with records of so many ticks; where it ends."""
        self.appender = self.journal.appender()
        for count in counts:
            first = self.appender.position.ticks + 1
            self.appender.append(
                [Tick(SHARE, Quote(257, "ltp", 1.0), "t", 1, n, n) for n in range(first, first + count)]
            )
        end = self.appender.sync()
        self.ends[end.segment] = end
        return end

    def delete(self, *numbers: int) -> None:
        for segment in segments(self.folder):
            if segment.number in numbers:
                segment.path.unlink()


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """Six segments of 3 ticks."""
    written = Written(tmp_path / "journal")
    for _ in range(6):
        written.segment(1, 2)
    yield written
    written.journal.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read(
    folder: Path, after: Position | None = None, upto: Position | None = None, limit: int = 100
) -> tuple[list[int], list[str]]:
    """The numbers of the ticks, and the damage."""
    reader, found = JournalReader(folder), []
    while True:
        batch, after = reader.read(after, upto, limit)
        if not batch:
            reader.close()
            return found, reader.damage
        found += [tick.seq for tick in batch]


# --- What is missing


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_deleted_segment_is_named_with_its_ticks(written: Written, limit: int) -> None:
    written.delete(5)
    for upto in (None, written.ends[6]):
        found, damage = read(written.folder, None, upto, limit)
        assert found == [*range(1, 13), 16, 17, 18]
        assert damage == ["segment 5 is missing: 3 ticks"]


def test_neighbours_and_several_that_are_missing_are_named(written: Written) -> None:
    written.delete(2, 4, 5)
    _, damage = read(written.folder)
    assert damage == ["segment 2 is missing: 3 ticks", "segments 4 to 5 are missing: 6 ticks"]


def test_the_rest_of_the_segment_where_the_store_stands_may_be_missing(written: Written) -> None:
    reader = JournalReader(written.folder)
    _, inside = reader.read(written.ends[3], None, 1)
    reader.close()
    assert inside is not None
    written.delete(1, 2, 3, 4)
    assert read(written.folder, inside) == ([*range(13, 19)], ["segment 4 is missing: 2 ticks"])


def test_a_segment_that_is_deleted_before_the_next_one_is_begun_is_named(written: Written) -> None:
    reader = JournalReader(written.folder)
    _, place = reader.read(None, written.ends[4], 100)
    written.delete(5, 6)
    assert reader.read(place, written.ends[6], 100) == ([], place)
    end = written.segment(4)
    found, _ = reader.read(place, end, 100)
    assert [tick.seq for tick in found] == [19, 20, 21, 22]
    assert reader.damage == ["segments 5 to 6 are missing: 6 ticks"]
    reader.close()


def test_what_went_since_an_older_copy_of_the_store_was_made_is_named(written: Written) -> None:
    written.journal.release(written.ends[4])
    damage = ["segments 3 to 4 are missing: 6 ticks"]
    assert read(written.folder, written.ends[2]) == ([*range(13, 19)], damage)


def test_it_is_named_once_also_when_the_same_is_read_again(written: Written) -> None:
    written.delete(5)
    reader = JournalReader(written.folder)
    for _ in range(3):
        reader.read(written.ends[4], None, 100)
    written.journal.release(written.ends[4])
    reader.read(written.ends[4], None, 100)
    assert reader.damage == ["segment 5 is missing: 3 ticks"]
    reader.close()


def test_damage_beside_it_is_named_as_well(written: Written) -> None:
    written.delete(5)
    path = segments(written.folder)[3].path
    size = path.stat().st_size
    os.truncate(path, size - 1)
    _, damage = read(written.folder)
    assert [text.partition(":")[0] for text in damage] == ["segment 4", "segment 5 is missing"]


# --- What is not missing


def test_what_the_store_has_is_not_missing(written: Written) -> None:
    for number, end in written.ends.items():
        written.journal.release(end)
        assert read(written.folder, end) == ([*range(3 * number + 1, 19)], [])


def test_a_reader_that_the_store_overtakes_names_nothing(written: Written) -> None:
    reader = JournalReader(written.folder)
    _, place = reader.read(None, None, 1)
    written.journal.release(written.ends[4])
    found, _ = reader.read(place, None, 100)
    assert [tick.seq for tick in found] == [2, 3, *range(13, 19)]
    assert reader.damage == []
    reader.close()


def test_without_a_position_nothing_is_missing_before_the_oldest(written: Written) -> None:
    written.journal.release(written.ends[3])
    other = Position("0" * 16, 1, HEADER_BYTES, 1)
    assert read(written.folder) == read(written.folder, other) == ([*range(10, 19)], [])


def test_segments_without_records_may_be_there_or_not(written: Written) -> None:
    with written.journal.lock:
        written.journal.next_segment()  # begun by a writer that was fenced: nobody wrote it
    written.segment(1)
    with largest_file(HEADER_BYTES + 10), pytest.raises(JournalFull):
        written.segment(1)
    empty = segments(written.folder)[-1]
    assert empty.path.stat().st_size == HEADER_BYTES
    written.segment(2)
    whole = ([*range(1, 22)], [])
    assert read(written.folder) == read(written.folder, limit=1) == whole
    written.delete(empty.number)
    assert read(written.folder) == read(written.folder, limit=1) == whole


def test_damage_alone_is_not_called_missing(written: Written) -> None:
    fourth, fifth = (segments(written.folder)[place].path for place in (3, 4))
    os.truncate(fourth, fourth.stat().st_size - 1)
    data = bytearray(fifth.read_bytes())
    data[20] ^= 1
    fifth.write_bytes(data)
    _, damage = read(written.folder)
    assert [text.partition(":")[0] for text in damage] == ["segment 4", "segment 5"]


# --- mdactors journal verify


def verify(written: Written, capsys: Capture) -> tuple[int, list[str]]:
    code = main(["journal", "verify", str(written.folder)])
    return code, capsys.readouterr().out.splitlines()


def test_verify_names_what_is_missing_and_fails(written: Written, capsys: Capture) -> None:
    written.delete(3, 4)
    summary = "1 damaged ranges; 12 ticks can be read"
    assert verify(written, capsys) == (1, ["segments 3 to 4 are missing: 6 ticks", summary])


def test_verify_misses_nothing_that_is_stored(written: Written, capsys: Capture) -> None:
    written.journal.release(written.ends[3])
    written.segment(2)
    assert verify(written, capsys) == (0, ["OK: 11 ticks"])


def test_verify_misses_nothing_that_is_stored_while_it_looks(
    written: Written, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlinked: list[int] = []
    begin = os.open

    def overtaken(path: object, *rest: int) -> int:
        """The daemon stores the third and the fourth when the third is opened."""
        if str(path).endswith("3.journal") and not unlinked:
            unlinked.append(3)
            written.journal.release(written.ends[4])
        return begin(path, *rest)  # type: ignore[call-overload]  # as it came

    monkeypatch.setattr(os, "open", overtaken)
    assert verify(written, capsys) == (0, ["OK: 12 ticks"])
    assert unlinked
