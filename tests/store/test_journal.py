"""What is appended to a journal is read again, by whom it may and as far as it may."""

from __future__ import annotations

import itertools
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

import mdactors_kite.codec
import mdactors_upstox.codec
from mdactors.errors import JournalFull, StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import HEADER_BYTES, Header, pack_header, segments

START_NS = 1_790_658_000_000_000_000
RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
VECTORS = Path(__file__).parents[1] / "adapters"


def ticks(first: int, count: int) -> list[Tick]:
    return [
        Tick(RELIANCE, Quote(RELIANCE.token, "ltp", float(seq)), "test", 1, seq, START_NS + seq)
        for seq in range(first, first + count)
    ]


def broker_ticks() -> list[Tick]:
    """A tick of every reference frame of both brokers."""
    vectors = {
        broker: json.loads((VECTORS / broker / "vectors.json").read_text(encoding="utf-8"))
        for broker in ("kite", "upstox")
    }
    vectors["upstox"] = list(vectors["upstox"].values())
    decoders = {"kite": mdactors_kite.codec.decode, "upstox": mdactors_upstox.codec.decode}
    return [
        Tick(RELIANCE, quote, broker, 7, seq, START_NS + seq, seq % 2 == 0, seq % 3 == 0, seq % 5 == 0)
        for broker, decode in decoders.items()
        for seq, vector in enumerate(vectors[broker], 1)
        for quote in decode(bytes.fromhex(vector["hex"])).quotes
    ]


Open = Callable[..., Journal]


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Open]:
    """``open_journal(**limits)``: the journal below ``tmp_path``; opening it again closes it first."""
    opened: list[Journal] = []

    def start(segment_bytes: int = 1 << 20, max_bytes: int = 1 << 30) -> Journal:
        while opened:
            opened.pop().close()
        opened.append(Journal(tmp_path / "journal", segment_bytes=segment_bytes, max_bytes=max_bytes))
        return opened[-1]

    yield start
    while opened:
        opened.pop().close()


@contextmanager
def reading(folder: Path) -> Iterator[JournalReader]:
    reader = JournalReader(folder)
    yield reader
    reader.close()


def seqs(found: list[Tick]) -> list[int]:
    return [tick.seq for tick in found]


def read_all(folder: Path, after: Position | None = None, upto: Position | None = None) -> list[int]:
    """The numbers of all ticks; nothing may be damaged."""
    with reading(folder) as reader:
        found: list[int] = []
        while True:
            batch, after = reader.read(after, upto, 7)
            if not batch:
                assert reader.damage == []
                return found
            found += seqs(batch)


# --- round trip ----------------------------------------------------------------------------------------


def test_every_field_of_both_brokers_quotes_is_read_again(open_journal: Open) -> None:
    journal = open_journal()
    written = broker_ticks()
    assert {tick.source for tick in written} == {"kite", "upstox"}
    assert any(tick.quote.sensitivities for tick in written)
    journal.appender().append(written)
    with reading(journal.folder) as reader:
        found, _ = reader.read(None, None, 1000)
    assert {type(tick.quote) for tick in found} == {Quote}
    assert [msgspec.structs.astuple(tick)[2:] for tick in found] == [
        msgspec.structs.astuple(tick)[2:] for tick in written
    ]
    assert [msgspec.structs.astuple(tick.quote) for tick in found] == [
        msgspec.structs.astuple(tick.quote) for tick in written
    ]
    assert [tick.instrument for tick in found] == [tick.instrument for tick in written]


def test_the_ticks_of_an_instrument_share_it(open_journal: Open) -> None:
    journal = open_journal()
    appender = journal.appender()
    appender.append(ticks(1, 3))
    appender.append(ticks(4, 3))
    with reading(journal.folder) as reader:
        found, _ = reader.read(None, None, 1000)
    assert len({id(tick.instrument) for tick in found}) == 1


def test_a_batch_of_100000_ticks_is_one_record(open_journal: Open) -> None:
    journal = open_journal()
    appender = journal.appender()
    appender.append(ticks(1, 100_000))
    appender.append(ticks(100_001, 1))
    with reading(journal.folder) as reader:
        found, position = reader.read(None, None, 1)
        assert len(found) == 100_000
        more, _ = reader.read(position, None, 1)
    assert seqs(more) == [100_001]


def test_a_tick_that_no_record_can_hold_is_left_out_and_said(
    open_journal: Open, caplog: pytest.LogCaptureFixture
) -> None:
    journal = open_journal()
    batch = ticks(1, 3)
    batch[1].quote.volume = 2**70
    assert journal.appender().append(batch) == 1
    assert read_all(journal.folder) == [1, 3]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "left out 1 of 3 ticks" in caplog.text


def test_a_tick_that_is_not_what_it_should_be_is_named_and_the_others_are_read(open_journal: Open) -> None:
    journal = open_journal()
    batch = ticks(1, 3)
    batch[1].quote.volume = 1.5  # type: ignore[assignment]
    journal.appender().append(batch)
    with reading(journal.folder) as reader:
        found, position = reader.read(None, None, 1000)
        assert seqs(found) == [1, 3]
        assert position is not None
        assert position.ticks == 3
        (damage,) = reader.damage
    assert damage.startswith(f"segment 1: 1 ticks of the record at byte {HEADER_BYTES} cannot be read")


# --- positions -----------------------------------------------------------------------------------------


def test_positions_count_ticks_over_segments_and_openings(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    for first in range(1, 500, 10):
        appender.append(ticks(first, 10))
    assert appender.sync().ticks == 500
    assert len(segments(journal.folder)) > 5
    again = open_journal(segment_bytes=4096)
    assert again.id == journal.id
    appender = again.appender()
    assert appender.sync().ticks == 500
    appender.append(ticks(501, 3))
    position = appender.sync()
    assert position.ticks == 503
    with reading(journal.folder) as reader:
        after, count = None, 0
        while True:
            found, after = reader.read(after, position, 30)
            if not found:
                break
            count += len(found)
            assert after is not None
            assert after.ticks == count == found[-1].seq
    assert after == position


def test_nothing_behind_the_synced_position_is_read(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    synced = []
    for first in range(1, 200, 10):
        appender.append(ticks(first, 10))
        synced.append(appender.sync())
    for position in synced:
        assert read_all(journal.folder, None, position) == list(range(1, position.ticks + 1))
        with reading(journal.folder) as reader:
            assert reader.read(position, position, 10) == ([], position)
            assert reader.read(synced[-1], position, 10) == ([], synced[-1])


def test_each_position_goes_on_where_it_stands(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    for first in range(1, 300, 10):
        appender.append(ticks(first, 10))
        position = appender.sync()
        assert read_all(journal.folder, position) == []
    with reading(journal.folder) as reader:
        after: Position | None = None
        for _ in range(29):
            _, after = reader.read(after, None, 1)
            assert after is not None
            assert read_all(journal.folder, after) == list(range(after.ticks + 1, 301))


def test_a_reader_follows_the_writer_from_segment_to_segment(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    with reading(journal.folder) as bounded, reading(journal.folder) as free:
        assert free.read(None, None, 100) == ([], None)
        places: list[Position | None] = [None, None]
        for first in range(1, 300, 10):
            appender.append(ticks(first, 10))
            found, places[0] = free.read(places[0], None, 100)
            assert seqs(found) == list(range(first, first + 10))
            found, places[1] = bounded.read(places[1], appender.sync(), 100)
            assert seqs(found) == list(range(first, first + 10))
        assert free.read(places[0], None, 100) == ([], places[0])
        assert free.damage == bounded.damage == []


def test_about_as_many_ticks_as_asked_for_are_read(open_journal: Open) -> None:
    journal = open_journal()
    appender = journal.appender()
    for first in range(1, 100, 10):
        appender.append(ticks(first, 10))
    with reading(journal.folder) as reader:
        found, after = reader.read(None, None, 25)
        assert seqs(found) == list(range(1, 31))
        assert seqs(reader.read(after, None, 1000)[0]) == list(range(31, 101))
        assert seqs(reader.read(None, None, 1)[0]) == list(range(1, 11))


def test_a_position_of_another_journal_begins_at_the_oldest(open_journal: Open) -> None:
    journal = open_journal()
    journal.appender().append(ticks(1, 5))
    assert read_all(journal.folder, Position("another", 99, 1234, 5000)) == [1, 2, 3, 4, 5]


def test_a_store_that_is_ahead_of_the_journal_is_an_error_that_says_so(open_journal: Open) -> None:
    journal = open_journal()
    journal.appender().append(ticks(1, 5))
    with reading(journal.folder) as reader, pytest.raises(StoreError, match="old copy was put back"):
        reader.read(Position(journal.id, 9, 1234, 5000), None, 10)


def test_a_read_that_fails_half_way_is_repeated_whole(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    for first in range(1, 100, 10):
        appender.append(ticks(first, 10))
    last = segments(journal.folder)[-1].path
    whole = last.read_bytes()
    header = bytearray(whole[: HEADER_BYTES - 4])
    header[8] = 99  # the format's version
    last.write_bytes(header + zlib.crc32(header).to_bytes(4, "little") + whole[HEADER_BYTES:])
    with reading(journal.folder) as reader:
        with pytest.raises(StoreError, match="is not of journal format 1"):
            reader.read(None, None, 1000)
        last.write_bytes(whole)
        assert seqs(reader.read(None, None, 1000)[0]) == list(range(1, 101))


# --- segments ------------------------------------------------------------------------------------------


def test_segments_grow_to_their_size_and_no_more(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    for first in range(1, 500, 10):
        appender.append(ticks(first, 10))
    sizes = [segment.path.stat().st_size for segment in segments(journal.folder)]
    assert max(sizes) <= 4096
    assert min(sizes[:-1]) > 2048
    assert journal.size() == sum(sizes)
    appender.append(ticks(501, 200))
    assert segments(journal.folder)[-1].path.stat().st_size > 4096
    assert read_all(journal.folder) == list(range(1, 701))


def test_what_is_stored_is_deleted_by_whole_segments(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    positions = []
    for first in range(1, 500, 10):
        appender.append(ticks(first, 10))
        positions.append(appender.sync())
    for position in positions:
        journal.release(position)
        left = segments(journal.folder)
        assert left[0].number in {position.segment, position.segment + 1}
        assert journal.size() == sum(segment.path.stat().st_size for segment in left)
        assert read_all(journal.folder, position) == list(range(position.ticks + 1, 501))
        with reading(journal.folder) as reader:
            oldest = reader.read(None, None, 1)[0][0].seq
            # A position whose segment is gone begins with the oldest.
            found, _ = reader.read(positions[0], None, 1)
            assert seqs(found)[0] == max(oldest, 11)
    assert len(segments(journal.folder)) == 1
    assert open_journal().id == journal.id


def test_a_release_of_another_journal_deletes_nothing(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    for first in range(1, 500, 10):
        appender.append(ticks(first, 10))
    journal.release(Position("another", 99, 0, 0))
    assert read_all(journal.folder) == list(range(1, 501))


def test_a_reader_goes_on_although_its_segment_is_deleted_under_it(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4096)
    appender = journal.appender()
    for first in range(1, 300, 10):
        appender.append(ticks(first, 10))
    with reading(journal.folder) as reader:
        found, after = reader.read(None, None, 10)
        journal.release(appender.sync())
        while True:
            batch, after = reader.read(after, None, 50)
            if not batch:
                break
            found += batch
        assert seqs(found)[0] == 1
        assert seqs(found)[-1] == 300
        assert reader.damage == []


# --- openings, fences, the lock -------------------------------------------------------------------------


def test_each_appender_writes_a_segment_of_its_own(open_journal: Open) -> None:
    journal = open_journal()
    first = journal.appender()
    first.append(ticks(1, 5))
    second = journal.appender()
    second.append(ticks(6, 5))
    with pytest.raises(StoreError, match="replaced"):
        first.append(ticks(100, 5))
    with pytest.raises(StoreError, match="replaced"):
        first.sync()
    assert len(segments(journal.folder)) == 2
    assert read_all(journal.folder, None, second.sync()) == list(range(1, 11))
    third = open_journal().appender()
    third.append(ticks(11, 1))
    assert len(segments(journal.folder)) == 3
    assert read_all(journal.folder) == list(range(1, 12))


def test_what_a_hung_writer_delivers_after_it_was_fenced_is_no_part_of_the_journal(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal()
    hung = journal.appender()
    hung.append(ticks(1, 5))
    write = os.pwrite
    successors = []

    def late(descriptor: int, data: bytes, offset: int) -> int:
        """The disk hangs until a successor has written."""
        if not successors:
            successors.append(journal.appender())
            successors[0].append(ticks(6, 5))
        return write(descriptor, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", late)
        with pytest.raises(StoreError, match="replaced"):
            hung.append(ticks(100, 5))
    (old, _new) = segments(journal.folder)
    (successor,) = successors
    position = successor.sync()
    assert position.ticks == 10
    assert old.path.stat().st_size > HEADER_BYTES + 400, "the late record is in the file"
    assert read_all(journal.folder) == read_all(journal.folder, None, position) == list(range(1, 11))
    assert open_journal().damage == ()
    assert read_all(journal.folder) == list(range(1, 11))


def test_a_writer_that_is_fenced_while_it_begins_a_segment_leaves_none(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal()
    journal.appender().append(ticks(1, 5))
    hung = journal.appender()
    write = os.pwrite
    successors = []

    def late(descriptor: int, data: bytes, offset: int) -> int:
        if not successors:
            successors.append(journal.appender())
            successors[0].append(ticks(6, 5))
            assert len(segments(journal.folder)) == 3
            assert read_all(journal.folder) == list(range(1, 11))
        return write(descriptor, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", late)
        with pytest.raises(StoreError, match="replaced"):
            hung.append(ticks(100, 5))
    assert len(segments(journal.folder)) == 2
    assert read_all(journal.folder) == list(range(1, 11))


def test_a_segment_that_was_begun_by_a_fenced_writer_is_passed_over(open_journal: Open) -> None:
    journal = open_journal()
    appender = journal.appender()
    appender.append(ticks(1, 5))
    first, record = segments(journal.folder)[0], b""
    record = first.path.read_bytes()[HEADER_BYTES:]
    with journal.lock:
        begun = journal.next_segment()
    successor = journal.appender()
    successor.append(ticks(6, 5))
    header = pack_header(Header(journal.id, begun.number, 5, 1, HEADER_BYTES + len(record)))
    begun.path.write_bytes(header + record)
    assert read_all(journal.folder) == list(range(1, 11))


def test_a_second_opener_is_told_which_folder_is_in_use(open_journal: Open) -> None:
    journal = open_journal()
    code = (
        "import sys, pathlib; from mdactors.store.journal import Journal\n"
        "Journal(pathlib.Path(sys.argv[1]), segment_bytes=4096, max_bytes=65536)"
    )
    other = subprocess.run([sys.executable, "-c", code, journal.folder], capture_output=True, text=True)
    assert f"StoreError: {journal.folder}: the journal is in use by another mdactors" in other.stderr
    journal.appender().append(ticks(1, 1))
    open_journal().appender().append(ticks(2, 1))
    assert read_all(journal.folder) == [1, 2]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(StoreError, match=rf"^{tmp_path}/file: .*cannot be used"):
        Journal(tmp_path / "file", segment_bytes=4096, max_bytes=65536)


def test_a_deleted_journal_gets_a_new_id(open_journal: Open) -> None:
    journal = open_journal()
    journal.appender().append(ticks(1, 1))
    again = open_journal()
    assert again.id == journal.id
    again.close()
    shutil.rmtree(journal.folder)
    anew = open_journal()
    assert anew.id != journal.id
    assert anew.appender().sync().ticks == 0


def test_what_lies_in_a_journal_when_it_is_opened_is_counted_from_its_oldest_segment_on(
    open_journal: Open,
) -> None:
    journal = open_journal(segment_bytes=4096)
    assert journal.held == (0, 0)
    appender = journal.appender()
    for seq in range(1, 101):
        appender.append(ticks(seq, 1))
    stored = appender.sync()
    for seq in range(101, 131):
        appender.append(ticks(seq, 1))
    journal.release(stored)
    oldest, *_ = read_all(journal.folder)
    assert 1 < oldest <= 101
    assert open_journal(segment_bytes=4096).held == (oldest - 1, 130)
    first = segments(journal.folder)[0].path
    data = bytearray(first.read_bytes())
    data[20] ^= 1
    first.write_bytes(data)
    assert open_journal(segment_bytes=4096).held == (0, 130), "too few are not counted for sure"


def test_two_journals_in_one_folder_are_refused(open_journal: Open) -> None:
    journal = open_journal()
    journal.appender().append(ticks(1, 1))
    (segment,) = segments(journal.folder)
    shutil.copy(segment.path, segment.path.with_name(f"{'0' * 16}-0000000007.journal"))
    with pytest.raises(StoreError, match="more than one journal"):
        open_journal()
    segment.path.with_name(f"{'0' * 16}-0000000007.journal").unlink()


# --- no room -------------------------------------------------------------------------------------------


def fill(journal: Journal) -> int:
    """Append until there is no room; the number of the last tick that was written."""
    appender = journal.appender()
    for first in itertools.count(1, 10):
        try:
            appender.append(ticks(first, 10))
        except JournalFull:
            return first - 1
    raise AssertionError("it has no limit")


def test_a_journal_at_its_limit_is_full_and_never_larger(open_journal: Open) -> None:
    journal = open_journal(segment_bytes=1 << 20, max_bytes=65_536)
    last = fill(journal)
    sizes = [segment.path.stat().st_size for segment in segments(journal.folder)]
    assert 65_536 - 2000 < sum(sizes) == journal.size() <= 65_536
    assert read_all(journal.folder) == list(range(1, last + 1))
    assert len(sizes) > 1, "one large segment could not be released while it is written"


def test_a_full_journal_has_room_once_a_part_is_stored(open_journal: Open) -> None:
    journal = open_journal(max_bytes=65_536)
    last = fill(journal)
    appender = journal.appender()
    with reading(journal.folder) as reader:
        _, stored = reader.read(None, None, last // 2)
    assert stored is not None
    journal.release(stored)
    appender.append(ticks(last + 1, 10))
    assert read_all(journal.folder, stored) == list(range(stored.ticks + 1, last + 11))


def test_a_full_journal_of_which_all_is_stored_gives_everything_back(open_journal: Open) -> None:
    journal = open_journal(max_bytes=65_536)
    fill(journal)
    appender = journal.appender()
    with pytest.raises(JournalFull):
        appender.append(ticks(1, 500))
    with reading(journal.folder) as reader:
        end = appender.sync()
        _, stored = reader.read(None, end, 100_000)
        assert stored == end
        journal.release(end)
        assert segments(journal.folder) == []
        assert journal.size() == 0
        assert reader.read(stored, appender.sync(), 10) == ([], stored)
        appender.append(ticks(7, 3))
        found, _ = reader.read(stored, appender.sync(), 10)
        assert seqs(found) == [7, 8, 9]
        assert reader.damage == []
    assert appender.sync().ticks == end.ticks + 3


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_record_for_which_the_disk_has_no_room_leaves_nothing_behind(open_journal: Open) -> None:
    journal = open_journal()
    appender = journal.appender()
    appender.append(ticks(1, 10))
    (segment,) = segments(journal.folder)
    before = segment.path.stat().st_size
    with largest_file(before + 500):
        with pytest.raises(JournalFull, match=f"{journal.folder}: cannot be written: File too large"):
            appender.append(ticks(11, 50))
        assert segment.path.stat().st_size == before
        assert read_all(journal.folder) == list(range(1, 11))
    appender.append(ticks(61, 10))
    assert appender.sync().ticks == 20
    assert read_all(journal.folder) == [*range(1, 11), *range(61, 71)]


def test_a_full_journal_waits_for_more_room_than_the_next_record_needs(open_journal: Open) -> None:
    journal = open_journal()
    appender = journal.appender()
    appender.append(ticks(1, 10))
    size = journal.size()
    with largest_file(size + 2000):
        with pytest.raises(JournalFull):
            appender.append(ticks(11, 50))
        with pytest.raises(JournalFull):
            appender.append(ticks(61, 1))
        assert segments(journal.folder)[0].path.stat().st_size == size
    appender.append(ticks(62, 1))
    assert journal.size() == segments(journal.folder)[0].path.stat().st_size < size + 2000


def test_a_record_that_never_fits_stops_no_other(open_journal: Open) -> None:
    journal = open_journal(max_bytes=65_536)
    appender = journal.appender()
    appender.append(ticks(1, 10))
    with pytest.raises(JournalFull):
        appender.append(ticks(11, 5000))
    appender.append(ticks(5011, 10))
    assert read_all(journal.folder) == [*range(1, 11), *range(5011, 5021)]


def test_a_full_disk_stops_no_start(open_journal: Open) -> None:
    journal = open_journal()
    with largest_file(10):
        appender = journal.appender()
        assert appender.sync() == Position(journal.id, 0, 0, 0)
        with pytest.raises(JournalFull):
            appender.append(ticks(1, 1))
        assert segments(journal.folder) == []
    appender.append(ticks(2, 1))
    assert read_all(journal.folder, None, appender.sync()) == [2]


ON_A_SMALL_DISK = """
import itertools, os, pathlib, sys
from mdactors.errors import JournalFull
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader

share = Instrument(257, "A", "NSE", "NSE_EQ", "STOCK", "A")

def batch(first):
    quote = Quote(257, "ltp", 1.0, raw=bytes(400))
    return [Tick(share, quote, "t", 1, n, n) for n in range(first, first + 20)]

def seqs():
    found, at = reader.read(None, appender.sync(), 1_000_000)
    return [tick.seq for tick in found], at

folder = pathlib.Path(sys.argv[1]) / "journal"
journal = Journal(folder, segment_bytes=1 << 26, max_bytes=1 << 33)
appender, reader = journal.appender(), JournalReader(folder)
for first in itertools.count(1, 20):
    try:
        appender.append(batch(first))
    except JournalFull as error:
        assert str(error).endswith("No space left on device"), error
        break
found, end = seqs()
assert found == list(range(1, first)), "all that fitted, and nothing of what did not"
journal.release(end)  # all is stored: the journal gives back the whole disk, the open reader's file too
appender.append(batch(7))
found, _ = reader.read(end, appender.sync(), 1000)
assert [tick.seq for tick in found] == list(range(7, 27))
assert not reader.damage
print("first", first)
"""


def test_a_disk_that_is_really_full_is_written_again_once_all_is_stored(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'
    in_namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, tmp_path]
    try:
        subprocess.run([*in_namespace, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system of one's own here: {error}")
    script = [sys.executable, "-c", ON_A_SMALL_DISK, tmp_path]
    run = subprocess.run([*in_namespace, *script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[1]) > 1000
