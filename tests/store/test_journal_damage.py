"""Whatever happened to a journal's bytes, what is whole is read and the rest is named or cut."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import HEADER_BYTES, RECORD, Segment, segments

SHARE = Instrument(257, "A", "NSE", "NSE_EQ", "STOCK", "A")
Bytes = dict[str, bytes]


def tick(seq: int) -> Tick:
    return Tick(SHARE, Quote(257, "ltp", float(seq)), "t", 1, seq, seq)


def open_journal(folder: Path, segment_bytes: int = 1 << 20) -> Journal:
    return Journal(folder, segment_bytes=segment_bytes, max_bytes=1 << 30)


def write(folder: Path, first: int, count: int, segment_bytes: int = 1 << 20) -> None:
    """Records of one, two, three, one … ticks, by a writer of their own."""
    journal = open_journal(folder, segment_bytes)
    appender = journal.appender()
    end = first + count
    while first < end:
        size = min(1 + first % 3, end - first)
        appender.append([tick(seq) for seq in range(first, first + size)])
        first += size
    journal.close()


def read(folder: Path, limit: int = 5) -> tuple[list[int], list[str]]:
    """The numbers of all ticks that can be read, in their order, and the damage."""
    reader, after, found = JournalReader(folder), None, []
    while True:
        batch, after = reader.read(after, None, limit)
        if not batch:
            reader.close()
            return found, reader.damage
        found += [each.seq for each in batch]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where it is kept in memory if it can be: these tests sync thousands of files."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        yield Path(name) / "journal"


def newest(folder: Path) -> Segment:
    return segments(folder)[-1]


def record_ends(path: Path) -> list[int]:
    """Where the header and each record of a whole segment end."""
    data, ends = path.read_bytes(), [HEADER_BYTES]
    while ends[-1] < len(data):
        ends.append(ends[-1] + RECORD.size + RECORD.unpack_from(data, ends[-1])[2])
    return ends


def ticks_until(path: Path, end: int) -> int:
    """How many ticks the journal has up to the record that ends here."""
    before = max(each for each in record_ends(path) if each < end)
    return int(RECORD.unpack_from(path.read_bytes(), before)[4])


def test_a_journal_cut_at_any_byte_gives_whole_records_and_goes_on_behind_them(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, 1, 4)
    write(folder, 5, 7)
    path = newest(folder).path
    whole = path.read_bytes()
    ends = record_ends(path)
    totals = {end: ticks_until(path, end) for end in ends[1:]} | {HEADER_BYTES: 4}
    saved = folder.with_name("saved")
    shutil.copytree(folder, saved)
    for size in range(len(whole) + 1):
        shutil.rmtree(folder)
        shutil.copytree(saved, folder)
        path.write_bytes(whole[:size])
        end = max((end for end in ends if end <= size), default=0)
        kept = totals.get(end, 4)
        assert read(folder) == (list(range(1, kept + 1)), [])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            journal = open_journal(folder)
        assert journal.damage == ()
        cut = [record.getMessage() for record in caplog.records]
        assert cut == (
            [f"{path}: cut {size - end} bytes of an unfinished record off its end"] * (size != end)
        )
        appender = journal.appender()
        appender.append([tick(100)])
        assert appender.sync().ticks == kept + 1
        journal.close()
        assert read(folder) == ([*range(1, kept + 1), 100], [])


def test_any_damaged_byte_of_an_older_segment_costs_its_record_and_is_named(folder: Path) -> None:
    write(folder, 1, 4)
    write(folder, 5, 4)
    path = segments(folder)[0].path
    whole = path.read_bytes()
    ends = record_ends(path)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        begin, end = (0, HEADER_BYTES) if at < HEADER_BYTES else next(
            (begin, end) for begin, end in pairwise(ends) if begin <= at < end
        )  # fmt: skip
        lost = {seq for seq in range(1, 5) if begin and begin < end_of_tick(ends, seq) <= end}
        damage = [f"segment 1: bytes {begin} to {end} are damaged"]
        assert read(folder) == ([seq for seq in range(1, 9) if seq not in lost], damage)
        journal = open_journal(folder)
        assert list(journal.damage) == damage
        assert journal.appender().sync().ticks == 8
        journal.close()
    assert path.stat().st_size == len(whole), "nothing was cut"


def end_of_tick(ends: list[int], seq: int) -> int:
    """Where the record with this tick ends, in a segment that `write` began with 1: (1, 2), (3), (4)."""
    return ends[{1: 1, 2: 1, 3: 2, 4: 3}[seq]]


def test_damage_before_the_tail_of_the_newest_segment_is_not_cut(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, 1, 7)
    path = newest(folder).path
    data, ends = bytearray(path.read_bytes()), record_ends(path)
    data[ends[1] + RECORD.size + 3] ^= 4
    path.write_bytes(data + b"torn")
    journal = open_journal(folder)
    assert list(journal.damage) == [f"segment 1: bytes {ends[1]} to {ends[2]} are damaged"]
    assert path.read_bytes() == data
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: cut 4 bytes of an unfinished record off its end"
    ]
    appender = journal.appender()
    assert appender.sync().ticks == 7
    appender.append([tick(8)])
    journal.close()
    assert read(folder) == ([1, 2, 4, 5, 6, 7, 8], list(journal.damage))


def test_damage_at_the_end_of_what_is_synced_is_named_at_once(folder: Path) -> None:
    journal = open_journal(folder)
    appender = journal.appender()
    appender.append([tick(1)])
    appender.append([tick(2)])
    synced = appender.sync()
    path = newest(folder).path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    reader = JournalReader(folder)
    found, after = reader.read(None, synced, 10)
    assert [each.seq for each in found] == [1]
    begin = record_ends(path)[1]
    assert reader.damage == [f"segment 1: bytes {begin} to {synced.offset} are damaged"]
    assert reader.read(after, synced, 10) == ([], after)
    appender.append([tick(3)])
    found, after = reader.read(after, appender.sync(), 10)
    assert [each.seq for each in found] == [3]
    assert after == appender.position
    assert len(reader.damage) == 1
    reader.close()
    journal.close()


def test_an_unfinished_record_is_not_read_before_it_is_whole(folder: Path) -> None:
    write(folder, 1, 3)
    path = newest(folder).path
    whole, ends = path.read_bytes(), record_ends(path)
    reader, after, found = JournalReader(folder), None, []
    for size in range(HEADER_BYTES, len(whole) + 1):
        path.write_bytes(whole[:size])
        batch, after = reader.read(after, None, 10)
        found += [each.seq for each in batch]
        assert after is None or after.offset == max(end for end in ends if end <= size)
    assert found == [1, 2, 3]
    assert reader.damage == []
    reader.close()


def test_zeros_that_a_loss_of_power_left_are_cut(folder: Path) -> None:
    write(folder, 1, 3)
    path = newest(folder).path
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(5000))
    assert read(folder) == ([1, 2, 3], [])
    open_journal(folder).close()
    assert path.read_bytes() == whole


def test_a_segment_of_which_nothing_was_written_is_taken_away(folder: Path) -> None:
    write(folder, 1, 3)
    (only,) = segments(folder)
    empty = only.path.with_name(only.path.name.replace("01.journal", "02.journal"))
    empty.write_bytes(bytes(HEADER_BYTES))
    journal = open_journal(folder)
    assert segments(folder) == [only]
    assert journal.appender().sync().ticks == 3
    journal.close()
    only.path.write_bytes(b"")
    journal = open_journal(folder)
    assert (journal.id == only.journal, journal.appender().sync().ticks) == (False, 0)
    journal.close()


def test_the_end_of_a_sealed_segment_that_power_took_is_named(folder: Path) -> None:
    write(folder, 1, 4)
    write(folder, 5, 3)
    path = segments(folder)[0].path
    whole, ends = path.read_bytes(), record_ends(path)
    path.write_bytes(whole[: ends[-1] - 5])
    damage = [f"segment 1: bytes {ends[-2]} to {ends[-1]} are damaged"]
    assert read(folder) == ([1, 2, 3, 5, 6, 7], damage)


def test_a_record_larger_than_what_is_read_at_once_is_found_behind_damage(folder: Path) -> None:
    journal = open_journal(folder, segment_bytes=1 << 24)
    appender = journal.appender()
    appender.append([tick(1)])
    appender.append([tick(seq) for seq in range(2, 8000)])
    appender.append([tick(seq) for seq in range(8000, 16_000)])
    journal.close()
    path = newest(folder).path
    ends, data = record_ends(path), bytearray(path.read_bytes())
    assert ends[2] - ends[1] > 1 << 18
    data[ends[1] + 100_000] ^= 1
    path.write_bytes(data)
    found, damage = read(folder)
    assert found == [1, *range(8000, 16_000)]
    assert damage == [f"segment 1: bytes {ends[1]} to {ends[2]} are damaged"]


def test_the_bytes_of_a_tick_may_look_like_a_record(folder: Path) -> None:
    write(folder, 1, 1)
    record = newest(folder).path.read_bytes()[HEADER_BYTES:]
    journal = open_journal(folder)
    appender = journal.appender()
    like = tick(2)
    like.quote.raw = record * 3
    appender.append([like])
    appender.append([tick(3)])
    journal.close()
    assert read(folder) == ([1, 2, 3], [])


Damage = tuple[str, int, int]
DAMAGES = st.lists(
    st.tuples(st.sampled_from(("flip", "zero", "cut", "insert")), st.integers(0), st.integers(0)),
    min_size=1,
    max_size=4,
)


def hurt(paths: list[Path], damage: Damage) -> None:
    kind, where, how = damage
    path = paths[where % len(paths)]
    data = bytearray(path.read_bytes())
    at = (where // len(paths)) % (len(data) + 1)
    match kind:
        case "flip" if at < len(data):
            data[at] ^= 1 << how % 8
        case "zero":
            data[at : at + how % 200] = bytes(len(data[at : at + how % 200]))
        case "cut":
            del data[at:]
        case "insert":
            data[at:at] = random.Random(how).randbytes(1 + how % 40)
    path.write_bytes(data)


@settings(max_examples=60)
@given(damages=DAMAGES, limit=st.integers(1, 50))
def test_whatever_is_damaged_a_reader_comes_to_the_end_and_tells_no_tick_twice(
    damages: list[Damage], limit: int
) -> None:
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        folder = Path(name)
        for first in (1, 21, 41):
            write(folder, first, 20, segment_bytes=700)
        for damage in damages:
            hurt([segment.path for segment in segments(folder)], damage)
        found, _ = read(folder, limit)
        assert found == sorted(set(found) & set(range(1, 61)))
        journal = open_journal(folder)
        appender = journal.appender()
        appender.append([tick(100)])
        end = appender.sync()
        journal.close()
        again, damage_named = read(folder, limit)
        assert again == [*found, 100]
        assert found == list(range(1, 61)) or damage_named or end.ticks == len(found) + 1
        assert end == Position(end.journal, newest(folder).number, end.offset, end.ticks)
