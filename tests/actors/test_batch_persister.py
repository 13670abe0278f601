"""Every tick of a real journal reaches a real store exactly once; a store that is away is a state."""

from __future__ import annotations

import logging
import math
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.today import todays_clock

from mdactors.actors import batch_persister, waiting_bars
from mdactors.actors.backlog import Backlog
from mdactors.actors.batch_persister import BatchPersister
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.position import BarPosition, Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, BarsWait, JournalSynced, PositionWanted, TicksStored
from mdactors.runtime import Address, ChildSpec, Clock, Describe, FakeClock, Kill, Tree
from mdactors.store import ticks_sqlite
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.carrier import DirectCarrier
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader, PackedTicks
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
SECOND = 1_000_000_000
THURSDAY_1500 = 1_760_002_200 * SECOND
"""2025-10-09 15:00 in India."""
BATCH_ROWS, BATCH_SECONDS, LAG_LIMIT = 10, 5.0, 50


def tick(seq: int, price: float = 1.0) -> Tick:
    quote = Quote(RELIANCE.token, "ltp", price)
    return Tick(RELIANCE, quote, "test", 1, seq, THURSDAY_1500 + seq * 1_000_000)


def bar(minute: int, close: float = 1.0) -> Bar:
    return Bar(RELIANCE, "1m", minute * 60_000, 1.0, 9.0, 1.0, close, 5)


class Unclear(SqliteTicks):
    """Loses the connection once, after the commit has reached the disk."""

    lost = False

    def write(self, *arguments: Any) -> int:
        refused = super().write(*arguments)
        if not self.lost:
            self.lost = True
            raise StoreError("the connection was lost while committing")
        return refused


class Absent(SqliteTicks):
    """Never answers."""

    def position(self, journal: str) -> Position | None:
        raise StoreError("nobody listens there")


class Slow(SqliteTicks):
    """Takes a second for a part of more than so many ticks."""

    clock: FakeClock
    quick: int
    parts: list[int]

    def write(self, ticks: PackedTicks, *positions: Any) -> int:
        self.parts.append(len(ticks))
        self.clock.advance(1.0 if len(ticks) > self.quick else 0.0)
        return super().write(ticks, *positions)


class Rig:
    """A journal that the test writes, a store, and the persister between them."""

    def __init__(self, folder: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> None:
        self.folder = folder / "journal"
        self.path = folder / "ticks.db"
        self.run_tree = run_tree
        self.hub = listen("hub")
        self.writer = listen("journal_writer")
        self.journal = Journal(self.folder, segment_bytes=65_536, max_bytes=2**30)
        self.appender = self.journal.appender()
        self.clock = FakeClock(THURSDAY_1500)
        self.board, self.backlog = self.hub.board(self.clock), Backlog(self.clock)
        self.appended = 0
        self.synced: Position | None = None

    def start(
        self, *, kind: type[SqliteTicks] = SqliteTicks, clock: Clock | None = None, **changed: Any
    ) -> None:
        database = SqliteDatabase(self.path)
        self.store = kind(database)
        self.bars = SqliteBars(database, ["1m"])
        self.waiting = WaitingBars(self.bars, self.journal.id)
        self.address = Address("batch_persister")
        arguments = {
            "store": self.store, "bars": self.waiting, "journal_id": self.journal.id,
            "carrier": lambda: DirectCarrier(self.store, self.folder),
            "journal_writer": self.writer.address, "backlog": self.backlog, "board": self.board,
            "calendar": Calendar(),
            "batch_rows": BATCH_ROWS, "batch_seconds": BATCH_SECONDS, "flush_at": "", "lag_limit": LAG_LIMIT,
            **changed,
        }  # fmt: skip
        # Unless it is never pinged, a jump of the clock looks like silence.
        spec = ChildSpec(self.address, BatchPersister, arguments, drain=True, ping_limit=None)
        self.tree: Tree = self.run_tree([spec], clock or self.clock)

    def stop(self) -> None:
        self.tree.stop()
        self.store.close()

    def append(self, count: int, batch: int = 3) -> None:
        """More ticks into the journal, on disk, but nobody is told."""
        end = self.appended + count
        while self.appended < end:
            size = min(batch, end - self.appended)
            self.appender.append([tick(seq) for seq in range(self.appended + 1, self.appended + 1 + size)])
            self.appended += size
        self.backlog.note_written(self.appended)
        self.synced = self.appender.sync()

    def tell(self, count: int, batch: int = 3) -> None:
        """More ticks, as the journal writer would tell of them."""
        self.append(count, batch)
        assert self.synced is not None
        self.address.tell(JournalSynced(self.synced))

    def keep(self, bars: Sequence[Bar], upto: BarPosition | None = None) -> None:
        """More bars, as the builder would add them and tell of it."""
        self.waiting.add(bars, upto)
        self.address.tell(BarsWait())
        self.counters()

    def counters(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def seqs(self) -> list[int]:
        return [row.seq for row in self.store.read(RELIANCE.token, 0, 2**62, 10**6)]

    def seqs_of_file(self) -> list[int]:
        """The same while no store is open."""
        with closing(sqlite3.connect(self.path)) as other:
            return [seq for (seq,) in other.execute("SELECT seq FROM ticks ORDER BY seq")]

    def whole(self) -> bool:
        """Every tick of the journal is stored, once."""
        return self.seqs() == list(range(1, self.appended + 1))

    def alarms(self, name: str) -> list[bool]:
        return [alarm.active for alarm in self.hub.of(AlarmChanged) if alarm.id == name]

    @contextmanager
    def store_away(self) -> Iterator[None]:
        """Another process holds the file."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield


@pytest.fixture
def idle(
    tmp_path: Path,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Rig]:
    """A rig whose persister has yet to be started."""
    monkeypatch.setattr("mdactors.store.sqlite.LOCK_SECONDS", 0.01)
    rig = Rig(tmp_path, listen, run_tree)
    yield rig
    if hasattr(rig, "tree"):
        rig.stop()
    rig.appender.close()
    rig.journal.close()


@pytest.fixture
def rig(idle: Rig) -> Rig:
    """A rig at work."""
    idle.start()
    return idle


# --- When it writes


def test_a_full_batch_is_written_at_once_and_the_journal_writer_is_told(
    rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        rig.tell(12)
        wait_until(lambda: rig.writer.of(TicksStored))
    assert rig.whole()
    assert rig.writer.of(PositionWanted)
    assert rig.writer.of(TicksStored) == [TicksStored(rig.synced)]
    assert any(message.startswith("Persisted 12 ticks in ") for message in caplog.messages)
    counters = rig.counters()
    assert (counters["waiting"], counters["persisted"], counters["refused"]) == (0, 12, 0)
    assert counters["position"]["ticks"] == 12
    assert (counters["away"], rig.board.active()) == (False, ())


def test_a_small_batch_is_written_when_its_oldest_has_waited_long_enough(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.tell(3)
    wait_until(lambda: rig.counters()["waiting"] == 3)
    rig.clock.advance(4.9)
    rig.tell(1)
    wait_until(lambda: rig.counters()["waiting"] == 4)
    assert rig.store.count() == 0
    rig.clock.advance(0.2)
    wait_until(lambda: rig.store.count() == 4)
    rig.tell(3)
    wait_until(lambda: rig.counters()["waiting"] == 3)
    rig.clock.advance(5.1)
    wait_until(rig.whole)


def test_what_is_synced_is_written_at_the_end_and_nothing_more(rig: Rig) -> None:
    rig.tell(3)
    rig.append(2)
    rig.tree.stop()
    assert rig.seqs() == [1, 2, 3]


def test_at_the_end_of_a_trading_day_everything_is_written(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.start(flush_at="16:00", batch_seconds=1e9)
    idle.tell(3)
    wait_until(lambda: idle.counters()["waiting"] == 3)
    idle.clock.advance(3599)
    assert idle.counters()["waiting"] == 3
    idle.clock.advance(1.5)
    wait_until(idle.whole)
    idle.tell(3)
    for _ in range(24 * 6):
        idle.clock.advance(600)
        idle.counters()
    wait_until(idle.whole)


def test_under_a_faster_clock_the_flush_comes_when_it_shows_the_time(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.clock = FakeClock(THURSDAY_1500, speed=60)
    idle.start(flush_at="16:00", batch_seconds=1e9)
    idle.tell(3)
    idle.clock.advance(59)
    assert idle.counters()["waiting"] == 3
    idle.clock.advance(1.1)
    wait_until(idle.whole)


def test_a_saturday_has_no_flush(idle: Rig, wait_until: Callable[..., None]) -> None:
    idle.clock = FakeClock(THURSDAY_1500 + 2 * ist.DAY_SECONDS * SECOND)
    idle.start(flush_at="16:00", batch_seconds=1e9)
    idle.tell(3)
    for _ in range(24):
        idle.clock.advance(3600)
        assert idle.counters()["waiting"] == 3
    assert idle.store.count() == 0


def test_the_next_time_is_ahead_by_at_most_a_day() -> None:
    assert ist.next_time("16:00", THURSDAY_1500) == THURSDAY_1500 + 3600 * SECOND
    assert ist.next_time("15:00", THURSDAY_1500) == THURSDAY_1500 + ist.DAY_SECONDS * SECOND
    assert ist.next_time("00:05", THURSDAY_1500 + 1) == THURSDAY_1500 + (9 * 3600 + 300) * SECOND


def test_a_backlog_of_a_hundred_thousand_is_drained_and_questions_are_answered_meanwhile(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.append(100_000, batch=500)
    idle.start(clock=todays_clock(), batch_seconds=1e9, batch_rows=1000)
    idle.tell(1)
    seen = set()
    wait_until(lambda: seen.add(waiting := idle.counters()["waiting"]) or waiting == 0, 120)
    assert len(seen) > 3
    assert idle.store.count() == 100_001
    assert idle.whole()


# --- Exactly once


def test_who_died_after_the_commit_is_not_repeated_and_the_journal_writer_hears_of_it(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.append(20)
    with closing(JournalReader(idle.folder)) as reader:
        ticks, upto = reader.read(None, idle.synced, 10)
    dead = SqliteTicks(SqliteDatabase(idle.path))
    assert upto is not None
    dead.write(ticks, None, upto)
    dead.close()
    idle.start()
    wait_until(lambda: idle.writer.of(TicksStored) == [TicksStored(upto)])
    idle.tell(5)
    wait_until(idle.whole)


def test_a_journal_that_was_deleted_and_begun_anew_is_stored_behind_the_old_one(
    idle: Rig, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    dead = SqliteTicks(SqliteDatabase(idle.path))
    dead.write([tick(0)], None, Position("0123456789abcdef", 7, 7777, 5_000_000))
    dead.close()
    idle.start()
    idle.tell(12)
    wait_until(lambda: idle.seqs() == list(range(13)))


def test_a_commit_of_which_nothing_was_heard_is_not_repeated(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.start(kind=Unclear)
    idle.tell(12)
    wait_until(lambda: idle.alarms("store") == [True])
    assert idle.counters()["away"]
    idle.clock.advance(1)
    wait_until(lambda: idle.alarms("store") == [True, False])
    assert idle.whole()
    wait_until(lambda: idle.writer.of(TicksStored) == [TicksStored(idle.synced)])
    idle.tell(12)
    wait_until(idle.whole)


def test_where_somebody_else_stored_more_it_goes_on_from_there(
    rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    rig.tell(12)
    wait_until(lambda: rig.store.count() == 12)
    rig.append(9)
    with closing(JournalReader(rig.folder)) as reader:
        stored = rig.store.position(rig.journal.id)
        ticks, upto = reader.read(stored, rig.synced, 6)
    assert upto is not None
    rig.store.write(ticks, stored, upto)
    rig.tell(12)
    wait_until(lambda: rig.counters()["away"])
    rig.clock.advance(1)
    wait_until(rig.whole)
    assert rig.alarms("store") == []
    assert any("goes on from where the store is" in message for message in caplog.messages)


def test_a_killed_persister_goes_on_where_the_store_is(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.tell(12)
    wait_until(lambda: rig.store.count() == 12)
    rig.address.tell(Kill("a bug"))
    rig.tell(12)
    wait_until(rig.whole)
    wait_until(lambda: len(rig.writer.of(PositionWanted)) == 2)


@pytest.mark.parametrize("seed", range(3))
def test_ends_and_starts_at_any_point_neither_lose_nor_double(idle: Rig, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(6):
        idle.start(kind=rng.choice([SqliteTicks, Unclear]), batch_rows=rng.choice([1, 10, 1000]))
        for _ in range(rng.randrange(5)):
            idle.tell(rng.randrange(1, 40), batch=rng.randrange(1, 9))
            if rng.random() < 0.3:
                idle.address.tell(Kill("a bug"))
            if rng.random() < 0.3:
                idle.clock.advance(rng.choice([1.0, 6.0]))
            if rng.random() < 0.3:
                idle.appender.close()
                idle.appender = idle.journal.appender()
        idle.stop()
        seqs = idle.seqs_of_file()
        assert seqs == list(range(1, len(seqs) + 1))
    idle.start()
    idle.tell(1)
    idle.stop()
    assert idle.seqs_of_file() == list(range(1, idle.appended + 1))


# --- What is away, damaged, refused, late


def test_a_store_that_is_away_is_one_alarm_and_nothing_is_lost_when_it_returns(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    with rig.store_away():
        rig.tell(12)
        wait_until(lambda: rig.alarms("store") == [True])
        for _ in range(8):
            rig.tell(3)
            rig.clock.advance(10)
            wait_until(lambda: rig.counters()["away"])
        assert rig.counters()["waiting"] == 36
        assert rig.counters()["position"] is None
        assert [alarm.id for alarm in rig.board.active()] == ["store"]
    rig.clock.advance(10)
    wait_until(rig.whole)
    wait_until(lambda: rig.alarms("store") == [True, False])
    assert rig.counters()["waiting"] == 0
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_a_store_that_is_away_at_the_end_leaves_the_ticks_to_the_journal(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    with rig.store_away():
        rig.tell(3)
        wait_until(lambda: rig.counters()["waiting"] == 3)
        rig.stop()
    rig.start()
    rig.tell(1)
    rig.tree.stop()
    assert rig.whole()


def test_before_the_store_has_ever_answered_all_that_the_journal_held_may_wait(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.append(1000)
    idle.backlog.begin(400, 1000)
    idle.start(kind=Absent)
    idle.tell(7)
    wait_until(lambda: idle.counters()["away"])
    assert (idle.backlog.waiting, idle.backlog.is_known) == (607, False)
    assert idle.counters()["waiting"] == 607


def test_a_tick_that_the_store_refuses_is_counted_and_holds_up_nothing(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.appender.append([tick(1001, math.inf)])
    rig.tell(12)
    wait_until(lambda: rig.counters()["refused"] == 1)
    assert rig.whole()
    assert rig.counters()["persisted"] == 12
    rig.tell(12)
    wait_until(rig.whole)


def test_damage_in_the_journal_is_an_alarm_and_the_rest_is_stored(
    idle: Rig, wait_until: Callable[..., None]
) -> None:
    idle.append(300)
    (segment,) = idle.folder.glob("*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    idle.start()
    idle.tell(3)
    wait_until(lambda: idle.alarms("journal-damage") == [True])
    wait_until(lambda: idle.counters()["waiting"] == 0)
    assert idle.store.count() == 300
    alarm, missing = idle.board.active()
    assert (missing.id, missing.text.split()[0]) == ("store-missing", "3")
    assert "segment 1" in alarm.text


def test_what_maintenance_finds_is_an_alarm_until_it_finds_no_more(
    rig: Rig, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks_sqlite, "LONG_LOG_BYTES", 1000)
    with closing(sqlite3.connect(rig.path)) as other:
        rig.tell(12)
        wait_until(lambda: rig.store.count() == 12)
        rows = other.execute("SELECT seq FROM ticks")
        rows.fetchone()
        rig.tell(12)
        wait_until(lambda: rig.store.count() == 24)
        rig.clock.advance(301)
        wait_until(lambda: rig.alarms("store-maintenance") == [True])
        rows.close()
    rig.clock.advance(301)
    wait_until(lambda: rig.alarms("store-maintenance") == [True, False])


def test_maintenance_that_fails_is_tried_again_soon(
    rig: Rig, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.tell(12)
    wait_until(rig.whole)

    def fails(_now_ns: int) -> list[str]:
        raise StoreError("a lock was not to be had")

    with monkeypatch.context() as failing:
        failing.setattr(rig.store, "maintain", fails)
        rig.clock.advance(301)
        wait_until(lambda: rig.alarms("store-maintenance") == [True])
    rig.clock.advance(31)
    wait_until(lambda: rig.alarms("store-maintenance") == [True, False])


def test_a_store_that_is_away_is_noticed_though_nothing_is_to_be_written(
    idle: Rig, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle.start(batch_seconds=900.0)
    idle.tell(3)
    wait_until(lambda: idle.counters()["waiting"] == 3)
    with monkeypatch.context() as away:
        away.setattr(idle.store, "position", Absent.position.__get__(idle.store))
        idle.clock.advance(31)
        wait_until(lambda: idle.alarms("store") == [True])
    idle.clock.advance(11)
    wait_until(lambda: idle.alarms("store") == [True, False])


# --- Bars


def stored_closes(rig: Rig) -> list[float]:
    return [each.close for each in rig.bars.read(RELIANCE.key, "1m", 0, 2**42, 100)]


def test_bars_are_written_on_the_same_occasions_with_their_corrections(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.keep([bar(1), bar(2)])
    rig.keep([bar(1, close=2.0)])
    wait_until(lambda: rig.counters()["bars_waiting"] == 2)
    assert stored_closes(rig) == []
    rig.clock.advance(5.1)
    wait_until(lambda: stored_closes(rig) == [2.0, 1.0])
    rig.keep([bar(2, close=3.0)])
    rig.tell(12)
    wait_until(lambda: rig.counters()["bars_waiting"] == 1)
    rig.clock.advance(5.1)
    wait_until(lambda: stored_closes(rig) == [2.0, 3.0])
    rig.keep([bar(3)])
    rig.tree.stop()
    assert stored_closes(rig) == [2.0, 3.0, 1.0]


def test_how_far_bars_are_made_is_stored_with_them_and_also_without_any(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    first, second = BarPosition(10, 8, 0), BarPosition(20, 18, 0)
    rig.keep([bar(1)], first)
    rig.clock.advance(5.1)
    wait_until(lambda: rig.bars.position(rig.journal.id) == first)
    rig.keep([], second)
    rig.clock.advance(5.1)
    wait_until(lambda: rig.bars.position(rig.journal.id) == second)


def test_bars_wait_for_a_store_that_is_away_the_newest_of_them(
    rig: Rig, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_bars, "MOST_BARS", {"1s": 3, "1m": 3})
    with rig.store_away():
        rig.tell(12)
        wait_until(lambda: rig.counters()["away"])
        rig.keep([bar(minute, minute) for minute in range(1, 6)])
        rig.keep([bar(3, 33.0)])
        wait_until(lambda: rig.counters()["bars_dropped"] == 2)
        assert rig.counters()["bars_waiting"] == 3
        lost = rig.board.get("bars-dropped")
        assert lost is not None
        assert "mdactors candles rebuild" in lost.text
    rig.clock.advance(10)
    wait_until(lambda: stored_closes(rig) == [33.0, 4.0, 5.0])
    assert rig.counters()["bars_waiting"] == 0


def test_an_old_copy_of_the_journal_that_was_put_back_is_an_alarm_and_nothing_is_skipped_unsaid(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.tell(12)
    wait_until(rig.whole)
    ahead = msgspec.structs.replace(rig.synced, segment=rig.synced.segment + 5, ticks=rig.synced.ticks + 50)
    rig.store.write([], rig.synced, ahead)
    rig.address.tell(Kill())
    wait_until(lambda: rig.tree.describe()["children"][0]["restarts"] == 1)
    rig.tell(12)
    wait_until(lambda: rig.counters()["waiting"] > 0)
    rig.clock.advance(10)
    wait_until(lambda: any("old copy" in alarm.text for alarm in rig.board.active()))


def test_more_bars_than_one_write_takes_are_all_written_also_at_the_end(
    rig: Rig, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_persister, "PART_TICKS", 2)
    rig.keep([bar(minute) for minute in range(7)])
    wait_until(lambda: rig.counters()["bars_waiting"] == 7)
    rig.clock.advance(5)
    wait_until(lambda: rig.counters()["bars_waiting"] == 0)
    rig.keep([bar(minute) for minute in range(7, 12)])
    wait_until(lambda: rig.counters()["bars_waiting"] == 5)
    rig.tree.stop()
    assert len(stored_closes(rig)) == 12


@pytest.mark.parametrize(
    ("quick", "parts"), [(5, [32, 16, 8, 4, 8, 4]), (0, [32, 16, 8, 4, 8, 4])], ids=["few", "never"]
)
def test_a_slow_store_gets_smaller_parts_but_never_tiny_ones(
    idle: Rig, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch, quick: int, parts: list[int]
) -> None:
    monkeypatch.setattr(batch_persister, "PART_TICKS", 32)
    monkeypatch.setattr(batch_persister, "LEAST_PART", 8)
    for name, value in {"clock": idle.clock, "quick": quick, "parts": []}.items():
        monkeypatch.setattr(Slow, name, value, raising=False)
    idle.start(kind=Slow, lag_limit=0)
    idle.tell(120, batch=1)
    wait_until(idle.whole)
    assert Slow.parts[:6] == parts
