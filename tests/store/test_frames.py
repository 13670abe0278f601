"""Recordings of raw frames: what was written is read, also torn, damaged, packed, and without our code."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import InstrumentRow
from mdactors.store.frames import FrameReader, FrameWriter, Listing, RawFrame

NAMES = ["day.frames", "day.frames.gz"]
RELIANCE = InstrumentRow(
    738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ", tick_size=0.1
)
ENTRIES = [
    Listing("kite", (RELIANCE,)),
    RawFrame(1_795_147_200_123_456_789, "kite/connection-1", b"\x00"),
    RawFrame(1_795_147_200_223_456_789, "kite/connection-2", b"\x00\x01\xabfr\x1a and on"),
    RawFrame(1_795_147_200_323_456_789, "kite/connection-1", '{"type":"message","data":"ø"}'),
    RawFrame(1_795_147_200_423_456_789, "", b""),
]


def write(path: Path, entries=ENTRIES) -> Path:
    with FrameWriter(path) as writer:
        for entry in entries:
            if isinstance(entry, Listing):
                writer.describe(entry.broker, entry.instruments)
            else:
                writer.write(entry.received_ns, entry.connection, entry.data)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_is_read_again_and_again(tmp_path, name):
    reader = FrameReader(write(tmp_path / name))
    assert list(reader) == ENTRIES
    assert list(reader) == ENTRIES
    assert (reader.damage, reader.torn) == ([], 0)
    assert reader.read_bytes == (tmp_path / name).stat().st_size


def test_only_a_name_for_it_makes_a_packed_file(tmp_path):
    assert write(tmp_path / "day.frames").read_bytes().startswith(b"mdframes")
    assert write(tmp_path / "day.frames.gz").read_bytes().startswith(b"\x1f\x8b")


@pytest.mark.parametrize("name", NAMES)
def test_whether_it_is_packed_is_seen_and_not_believed(tmp_path, name):
    other = tmp_path / "renamed"
    write(tmp_path / name).rename(other)
    assert list(FrameReader(other)) == ENTRIES


def test_a_file_torn_at_any_byte_gives_what_is_whole(tmp_path):
    whole = write(tmp_path / "day.frames").read_bytes()
    torn = tmp_path / "torn.frames"
    counts = []
    for size in range(len(whole), 9, -3):
        torn.write_bytes(whole[:size])
        reader = FrameReader(torn)
        read = list(reader)
        assert read == ENTRIES[: len(read)]
        assert reader.damage == []
        counts.append(len(read))
        if size < len(whole):
            assert len(read) < len(ENTRIES)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0


def test_a_packed_file_torn_at_any_byte_is_read_as_far_as_it_goes(tmp_path):
    whole = write(tmp_path / "day.frames.gz").read_bytes()
    torn = tmp_path / "torn.frames.gz"
    for size in range(40, len(whole), 3):
        torn.write_bytes(whole[:size])
        read = list(FrameReader(torn))
        assert read == ENTRIES[: len(read)]


def test_what_was_flushed_is_read_beside_the_writer(tmp_path):
    with FrameWriter(tmp_path / "day.frames.gz") as writer:
        for number in range(100):
            writer.write(number, "c", bytes([number]) * 1000)
        writer.flush()
        assert len(list(FrameReader(tmp_path / "day.frames.gz"))) == 100
        writer.write(100, "c", b"last")
    assert len(list(FrameReader(tmp_path / "day.frames.gz"))) == 101


@pytest.mark.parametrize("at", [12, 40, 60, 75], ids=["mark", "listing", "listing's end", "frame"])
def test_damage_costs_what_it_touches_and_is_named(tmp_path, at):
    frames = [RawFrame(number, "c", bytes([number]) * 30) for number in range(20)]
    path = write(tmp_path / "day.frames", frames)
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    reader = FrameReader(path)
    read = list(reader)
    assert len(read) == 19
    assert [entry for entry in frames if entry in read] == read
    assert len(reader.damage) == 1
    assert re.fullmatch(r"bytes \d+ to \d+ are damaged", reader.damage[0])


def test_a_length_beyond_reason_is_damage_and_not_memory(tmp_path):
    frames = [RawFrame(number, "c", bytes(30)) for number in range(3)]
    path = write(tmp_path / "day.frames", frames)
    data = bytearray(path.read_bytes())
    data[18:22] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert list(FrameReader(path)) == frames[1:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no recording"),
        (b"mdframe", "is no recording"),
        (b"symbol,price\nRELIANCE,1\n", "is no recording"),
        (b"mdframes\x02\x00", "is of format 2, this mdactors reads format 1"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, content, reason):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(StoreError, match=f"other: {reason}"):
        list(FrameReader(tmp_path / "other"))


def test_a_file_that_is_not_there_or_there_already_is_one_line(tmp_path):
    with pytest.raises(StoreError, match=r"absent: cannot be read: No such file"):
        list(FrameReader(tmp_path / "absent"))
    with pytest.raises(StoreError, match=r"day\.frames: cannot be written: File exists"):
        FrameWriter(write(tmp_path / "day.frames"))


def test_a_record_of_an_unknown_kind_is_passed_over(tmp_path):
    path = tmp_path / "day.frames"
    with FrameWriter(path) as writer:
        writer._record(1, 9, b"c", b"of a later version")
        writer.write(2, "c", b"frame")
    assert list(FrameReader(path)) == [RawFrame(2, "c", b"frame")]


@pytest.mark.parametrize("name", NAMES)
def test_a_long_recording_needs_little_memory(tmp_path, name):
    with FrameWriter(tmp_path / name) as writer:
        for number in range(4000):
            writer.write(number, "connection", number.to_bytes(2) * 2500)
    tracemalloc.start()
    count = sum(1 for _ in FrameReader(tmp_path / name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4000
    assert peak < 3 << 20, "of 20 MB"


def test_the_ten_lines_of_the_page_read_it_too(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "recordings.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    path = write(tmp_path / "day.frames.gz")
    seen = []
    exec(code.replace("day.frames.gz", str(path)), {"print": lambda *said: seen.append(said)})
    assert seen == [(entry.received_ns, entry.connection, entry.data) for entry in ENTRIES[1:]]
