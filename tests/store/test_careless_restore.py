"""After a careless restore the store knows which ticks it has not got, and doubles none that it has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.carrier import DirectCarrier
from mdactors.store.gaps import Gap
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import segments
from mdactors.store.ticks import TickStore

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NOON = 1_790_663_400_000
SEGMENT = 100
"""Ticks in each segment, ten a record."""


def received(seq: int) -> int:
    return NOON + seq


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote("R", "ltp", 1.0), "kite", 7, seq, received(seq) * 1_000_000)


class Rig:
    """A journal of which segments go once they are stored, and a database that somebody plays with."""

    def __init__(self, folder: Path, open_store: Callable[[], TickStore]) -> None:
        self.folder = folder / "journal"
        self.journal = Journal(self.folder, segment_bytes=1 << 20, max_bytes=1 << 30)
        self.store = open_store()
        self.appended = 0
        self.end: Position | None = None

    def receive(self, count: int = SEGMENT) -> Position:
        """More ticks in a segment of their own."""
        appender = self.journal.appender()
        for _ in range(count // 10):
            first = self.appended + 1
            appender.append([tick(seq) for seq in range(first, first + 10)])
            self.appended += 10
        self.end = appender.sync()
        return self.end

    def carry(self, limit: int = 1000) -> int:
        """Store all there is as the persister does; how many ticks were said to be missing."""
        missing = 0
        with closing(DirectCarrier(self.store, self.folder)) as carrier:
            at = self.store.position(self.journal.id)
            while (carried := carrier.carry(at, None, limit)).upto != at:
                at = carried.upto
                missing += carried.missing
        return missing

    def release(self) -> None:
        """Delete what is stored, as the journal writer does."""
        at = self.store.position(self.journal.id)
        assert at is not None
        self.journal.release(at)

    def seqs(self) -> list[int]:
        return [row.seq for row in self.store.read(RELIANCE.token, 0, 2**62, 10**6)]

    def gap(self, ticks: int, after: int | None, before: int) -> Gap:
        """One that lies between two ticks."""
        return Gap(self.journal.id, ticks, None if after is None else received(after), received(before))


@pytest.fixture
def rig(tmp_path: Path, database: Any) -> Iterator[Rig]:
    rig = Rig(tmp_path, lambda: database.open()[0])
    yield rig
    rig.journal.close()


def forget_all(database: Any) -> None:
    """Leave an empty database behind, as one that was made anew is."""
    for statement in ("ticks", "journal_positions", "journal_gaps"):
        execute(database, f"DELETE FROM {statement}")


def execute(database: Any, statement: str) -> None:
    if hasattr(database, "path"):
        with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
            other.execute(statement)
    else:
        database.query(statement)


def test_where_nothing_was_lost_nothing_is_said(rig: Rig) -> None:
    for _ in range(4):
        rig.receive()
        assert rig.carry() == 0
        rig.release()
    assert rig.seqs() == list(range(1, 401))
    assert rig.store.gaps.all() == []


@pytest.mark.parametrize("limit", [1, 1000])
def test_an_empty_database_knows_what_the_journal_had_let_go_of(rig: Rig, database: Any, limit: int) -> None:
    for _ in range(3):
        rig.receive()
    rig.carry()
    rig.release()
    rig.receive()
    forget_all(database)
    assert rig.carry(limit) == 300 - SEGMENT  # the newest segment stays, stored or not
    assert rig.seqs() == list(range(201, 401))
    assert rig.store.gaps.all() == [rig.gap(200, None, 201)]


def test_an_older_copy_knows_what_came_since_and_when(rig: Rig, database: Any) -> None:
    rig.receive()
    rig.carry()
    old = rig.store.position(rig.journal.id)
    assert old is not None
    for _ in range(3):
        rig.receive()
    rig.carry()
    rig.release()
    execute(database, "DELETE FROM ticks WHERE seq > 100")
    place = f'segment = {old.segment}, "offset" = {old.offset}, ticks = {old.ticks}'
    execute(database, f"UPDATE journal_positions SET {place}")
    assert rig.carry() == 200
    assert rig.seqs() == [*range(1, 101), *range(301, 401)]
    assert rig.store.gaps.all() == [rig.gap(200, 100, 301)]


def test_an_older_copy_that_the_journal_still_reaches_lacks_nothing(rig: Rig, database: Any) -> None:
    rig.receive()
    rig.carry(10)
    old = rig.store.position(rig.journal.id)
    assert old is not None
    execute(database, "DELETE FROM ticks WHERE seq > 50")
    execute(database, f'UPDATE journal_positions SET ticks = 50, "offset" = {offset_of(rig, 50)}')
    assert rig.carry() == 0
    assert rig.seqs() == list(range(1, 101))
    assert rig.store.gaps.all() == []


def offset_of(rig: Rig, ticks: int) -> int:
    """Where the record ends that ends with this tick."""
    with closing(JournalReader(rig.folder)) as reader:
        _, at = reader.read(None, None, ticks)
    assert at is not None
    return at.offset


def test_another_database_that_never_saw_this_journal_knows_it_as_well(rig: Rig, database: Any) -> None:
    for _ in range(3):
        rig.receive()
    rig.carry()
    rig.release()
    forget_all(database)
    other = Position("0123456789abcdef", 7, 7777, 5_000_000)
    old = Tick(RELIANCE, Quote("R", "ltp", 1.0), "kite", 6, 1, (NOON - 86_400_000) * 1_000_000)
    rig.store.write([old], None, other)
    assert rig.carry() == 200
    assert rig.store.gaps.all() == [
        Gap(rig.journal.id, 200, NOON - 86_400_000, received(201))
    ]  # fmt: skip


def test_segments_that_somebody_deleted_are_known_with_their_time(rig: Rig) -> None:
    for _ in range(5):
        rig.receive()
    for segment in segments(rig.folder):
        if segment.number in (2, 4):
            segment.path.unlink()
    assert rig.carry() == 200
    assert rig.seqs() == [*range(1, 101), *range(201, 301), *range(401, 501)]
    assert rig.store.gaps.all() == [rig.gap(100, 100, 201), rig.gap(100, 300, 401)]


def test_what_is_missing_is_known_until_somebody_forgets_it(rig: Rig, database: Any) -> None:
    rig.receive()
    segments(rig.folder)[0].path.unlink()
    rig.receive()
    assert rig.carry() == 100
    again, _ = database.open()
    assert again.gaps.all() == [rig.gap(100, None, 101)]
    assert again.gaps.forget() == 1
    assert rig.store.gaps.all() == []
    assert again.gaps.forget() == 0


def test_a_part_that_fails_is_not_missing_twice(rig: Rig, database: Any) -> None:
    rig.receive()
    segments(rig.folder)[0].path.unlink()
    rig.receive()
    assert rig.store.count() == 0
    execute(database, "ALTER TABLE ticks RENAME COLUMN iv TO volatility")
    for _ in range(2):
        with pytest.raises(StoreError, match="iv"):
            rig.carry()
    assert rig.store.gaps.all() == []
    execute(database, "ALTER TABLE ticks RENAME COLUMN volatility TO iv")
    rig.carry()
    assert rig.store.gaps.all() == [rig.gap(100, None, 101)]


def test_a_database_that_is_made_anew_under_a_store_that_runs_is_used(schema: Any, tmp_path: Path) -> None:
    rig = Rig(tmp_path, lambda: schema.open()[0])
    rig.receive()
    rig.carry()
    rig.release()
    rig.receive()
    schema.query(f"DROP SCHEMA {schema.schema} CASCADE")
    with pytest.raises(StoreError, match="does not exist"):
        rig.store.position(rig.journal.id)
    assert rig.carry() == 0
    assert rig.seqs() == list(range(1, 201))
    rig.journal.close()


# --- A position that is gone while the ticks are there


@pytest.mark.parametrize("stored", [10, 100, 150, 190, 200])
def test_a_position_that_is_gone_is_found_again_by_the_ticks(
    rig: Rig, database: Any, caplog: pytest.LogCaptureFixture, stored: int
) -> None:
    rig.receive()
    rig.receive()
    with closing(DirectCarrier(rig.store, rig.folder)) as carrier:
        at: Position | None = None
        for _ in range(stored // 10):
            at = carrier.carry(at, None, 1).upto
    execute(database, "DELETE FROM journal_positions")
    rig.receive()
    assert rig.carry() == 0
    assert rig.seqs() == list(range(1, 301))
    assert rig.store.gaps.all() == []
    assert "lost its position" in caplog.text


def test_of_a_journal_that_goes_on_behind_it_a_store_without_position_says_what_is_missing(
    rig: Rig, database: Any
) -> None:
    for _ in range(3):
        rig.receive()
    rig.carry()
    rig.release()
    execute(database, "DELETE FROM journal_positions")
    execute(database, "DELETE FROM ticks WHERE seq > 100")
    assert rig.carry() == 200
    assert rig.seqs() == [*range(1, 101), *range(201, 301)]
    assert rig.store.gaps.all() == [rig.gap(200, 100, 201)]
