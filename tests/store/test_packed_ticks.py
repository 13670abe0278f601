"""Ticks that stay packed until somebody walks over them are the same ticks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.carrier import DirectCarrier
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.ticks import TickStore

START_NS = 1_790_658_000_000_000_000
SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
RECORD = 10
SEGMENT_BYTES = 4096


def ticks(first: int, count: int) -> list[Tick]:
    return [
        Tick(SHARE, Quote(SHARE.token, "ltp", float(seq), complete=True), "test", 1, seq, START_NS + seq)
        for seq in range(first, first + count)
    ]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal", segment_bytes=SEGMENT_BYTES, max_bytes=1 << 30)) as journal:
        yield journal


def written(journal: Journal, count: int) -> list[Tick]:
    """So many ticks, in records of ten."""
    appender, all_of_them = journal.appender(), ticks(1, count)
    for first in range(0, count, RECORD):
        appender.append(all_of_them[first : first + RECORD])
    return all_of_them


def test_they_can_be_walked_over_again_counted_and_cut(journal: Journal) -> None:
    sent = written(journal, 200)
    with closing(JournalReader(journal.folder)) as reader:
        packed, position = reader.read_packed(None, None, 1000)
    assert position is not None
    assert position.segment > 1
    assert len(packed) == 200
    assert list(packed) == list(packed) == sent
    assert packed[50:120] == sent[50:120]
    assert packed[199] == packed[-1] == sent[-1]


def test_they_stay_though_the_reader_goes_on_and_their_segment_is_deleted(journal: Journal) -> None:
    sent = written(journal, 200)
    with closing(JournalReader(journal.folder)) as reader:
        packed, position = reader.read_packed(None, None, 100)
        following, end = reader.read_packed(position, None, 1000)
        assert end is not None
        journal.release(end)
        assert list(packed) + list(following) == sent


def test_one_that_cannot_be_read_is_named_when_it_is_come_by(journal: Journal) -> None:
    batch = ticks(1, 3)
    batch[1].quote.volume = 1.5  # type: ignore[assignment]
    journal.appender().append(batch)
    with closing(JournalReader(journal.folder)) as reader:
        packed, _ = reader.read_packed(None, None, 10)
        for _ in range(2):
            assert [tick.seq for tick in packed] == [1, 3]
        (damage,) = reader.damage
    assert damage.startswith("segment 1: 1 ticks of the record at byte ")


def test_those_that_a_store_refuses_are_set_aside_and_the_others_are_kept(
    journal: Journal, ticks_store: TickStore
) -> None:
    batch = ticks(1, 300)
    for spoilt in (0, 150, 299):
        batch[spoilt].quote.last_price = math.inf
    appender = journal.appender()
    appender.append(batch)
    with closing(DirectCarrier(ticks_store, journal.folder)) as carrier:
        carried = carrier.carry(None, appender.sync(), 1000)
    assert (carried.ticks, carried.refused) == (300, 3)
    assert ticks_store.position(journal.id) == carried.upto
    assert ticks_store.count() == 297
