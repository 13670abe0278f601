"""Ticks of late, out of a real journal and a real store while both are written."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.quote import Depth, Level, Quote
from mdactors.market.tick import Tick
from mdactors.runtime import Clock, SetClock
from mdactors.store import recent as recent_module
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.recent import SKEW_NS, Recent
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import StoredTick
from mdactors.store.ticks_sqlite import SqliteTicks

INSTRUMENTS = [
    Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018"),
    Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021"),
]
NOON = 1_790_663_400_000_000_000  # 2026-09-29 12:00 IST
MS = 1_000_000
FOREVER = 2**62


class BookedQuote(Quote, gc=False):
    """A quote of a source that says books."""

    def depth(self) -> Depth | None:
        return Depth((Level(float(self.book.decode()), 1),), ()) if self.book else None


class World:
    """A journal, a store, and what a persister does between them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.journal = Journal(folder / "journal", segment_bytes=4096, max_bytes=1 << 30)
        self.appender = self.journal.appender()
        self.database = SqliteDatabase(folder / "ticks.db")
        self.store = SqliteTicks(self.database)
        self.reader = JournalReader(folder / "journal")
        self.stored = self.store.position(self.journal.id)
        self.recent = Recent(self.store, folder / "journal", {"kite": BookedQuote}, clock)
        self.without_store = Recent(None, folder / "journal", {}, clock)
        self._seqs: dict[tuple[str, int], int] = {}

    def ticks(self, count: int, at_ns: Callable[[int], int]) -> list[Tick]:
        """The next ticks of two sources and two instruments, in the order in which they are published."""
        return [self._tick(n, at_ns(n)) for n in range(count)]

    def _tick(self, n: int, at_ns: int) -> Tick:
        source, instrument = ("kite", "upstox")[n % 2], INSTRUMENTS[n // 2 % 2]
        key = (source, instrument.token)
        seq = self._seqs[key] = self._seqs.get(key, 0) + 1
        return Tick(instrument, Quote("R", "full", 100.0 + seq, book=b"99.5"), source, 7 + n % 2, seq, at_ns)

    def append(self, ticks: list[Tick]) -> None:
        for begin in range(0, len(ticks), 10):
            self.appender.append(ticks[begin : begin + 10])
        self.appender.sync()

    def persist(self, limit: int) -> None:
        """Store about so many and let go of their segments."""
        ticks, upto = self.reader.read(self.stored, None, limit)
        if ticks:
            assert upto is not None
            self.store.write(ticks, self.stored, upto)
            self.stored = upto
            self.journal.release(upto)

    def close(self) -> None:
        self.reader.close()
        self.journal.close()
        self.store.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[World]:
    monkeypatch.setattr(recent_module, "PAGE", 50)  # so that a test's few ticks are many pages
    with closing(World(tmp_path, clock)) as made:
        yield made


def numbers(ticks: list[Tick]) -> dict[tuple[str, int], list[int]]:
    """The numbers of each source's instruments, in the order of the ticks."""
    found: dict[tuple[str, int], list[int]] = {}
    for tick in ticks:
        found.setdefault((tick.source, tick.instrument.token), []).append(tick.seq)
    return found


def read(recent: Recent, from_ns: int = 0, to_ns: int = FOREVER) -> list[Tick]:
    return [tick for page in recent.between(from_ns, to_ns) for tick in page]


@pytest.mark.parametrize("stored", [0, 30, 90, 400])
def test_the_newest_of_each_instrument_before_a_time_is_found_however_much_is_stored(
    world: World, stored: int
) -> None:
    ticks = world.ticks(400, lambda n: NOON + n * 100 * MS)
    world.append(ticks)
    if stored:
        world.persist(stored)
    before = ticks[101].received_ns
    newest = world.recent.newest(NOON, before)
    assert [(tick.source, tick.seq, tick.received_ns) for tick in newest] == [
        (tick.source, tick.seq, tick.received_ns) for tick in ticks[99:101]
    ]
    assert world.recent.newest(before, before) == []


@pytest.mark.parametrize("stored", [0, 1, 10, 200, 390, 400])
def test_each_tick_comes_once_and_in_order_however_much_is_stored(world: World, stored: int) -> None:
    ticks = world.ticks(400, lambda n: NOON + n * 100 * MS)
    world.append(ticks)
    for _ in range(0, stored, 10):
        world.persist(10)
    assert numbers(read(world.recent)) == numbers(ticks)


def test_both_ends_are_inclusive(world: World) -> None:
    ticks = world.ticks(400, lambda n: NOON + n * 100 * MS)
    world.append(ticks)
    world.persist(200)
    for first, last in ((3, 390), (150, 250), (250, 260), (7, 7), (300, 299)):
        found = read(world.recent, ticks[first].received_ns, NOON + last * 100 * MS)
        assert numbers(found) == numbers(ticks[first : last + 1])


def test_brokers_whose_frames_waited_differently_lose_nothing(world: World) -> None:
    random.seed(5)
    late = {"kite": 0, "upstox": SKEW_NS - MS}
    ticks = world.ticks(800, lambda n: NOON + n * 20 * MS - late[("kite", "upstox")[n % 2]])
    world.append(ticks)
    for stored in range(0, 800, 100):
        assert numbers(read(world.recent)) == numbers(ticks), f"{stored} stored"
        world.persist(100)


def test_under_a_faster_clock_frames_may_have_waited_as_long_in_real_time(world: World) -> None:
    random.seed(5)
    late = {"kite": 0, "upstox": 60 * SKEW_NS - MS}
    ticks = world.ticks(800, lambda n: NOON + n * 1200 * MS - late[("kite", "upstox")[n % 2]])
    world.append(ticks)
    recent = Recent(world.store, world.journal.folder, {}, SetClock.starting(NOON, 60))
    for stored in range(0, 800, 100):
        assert numbers(read(recent)) == numbers(ticks), f"{stored} stored"
        world.persist(100)


class StoredMeanwhile(SqliteTicks):
    """A store into which somebody writes after each page of it is read."""

    meanwhile: Callable[[], None]

    def received(self, *args: Any, **kwargs: Any) -> list[StoredTick]:
        rows = super().received(*args, **kwargs)
        self.meanwhile()
        return rows


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_what_is_stored_between_two_pages_comes_in_its_order(world: World, page: int, clock: Clock) -> None:
    # Rows that are stored late may belong before the page that was read, and others behind it.
    late = {"kite": 0, "upstox": SKEW_NS - MS}
    ticks = world.ticks(1200, lambda n: NOON + n * 5 * MS - late[("kite", "upstox")[n % 2]])
    world.append(ticks)
    world.persist(200)
    store = StoredMeanwhile(world.database)
    pages = itertools.count(1)
    store.meanwhile = lambda: world.persist(1000) if next(pages) == page else None
    recent = Recent(store, world.journal.folder, {}, clock)
    assert numbers(read(recent)) == numbers(ticks)


def test_a_tick_carries_its_sources_book_from_both_places(world: World) -> None:
    ticks = world.ticks(20, lambda n: NOON + n * MS)
    world.append(ticks)
    world.persist(10)
    found = [tick for tick in read(world.recent) if tick.source == "kite"]
    assert [tick.quote.depth() for tick in found] == [Depth((Level(99.5, 1),), ())] * 10


def test_without_a_store_the_journal_is_read(world: World) -> None:
    ticks = world.ticks(100, lambda n: NOON + n * MS)
    world.append(ticks)
    assert numbers(read(world.without_store)) == numbers(ticks)


def test_without_a_journal_there_is_nothing(tmp_path: Path, clock: Clock) -> None:
    assert read(Recent(None, tmp_path / "none", {}, clock)) == []


def test_what_is_stored_and_let_go_of_while_it_is_read_comes_once(world: World) -> None:
    ticks = world.ticks(1500, lambda n: NOON + n * MS)
    world.append(ticks)
    world.persist(10)
    found: list[Tick] = []
    for number, page in enumerate(world.recent.between(0, FOREVER)):
        found += page
        if number % 3 == 2:
            world.persist(400)
    assert numbers(found) == numbers(ticks)


def test_it_reads_the_same_while_others_write_store_and_let_go(world: World, clock: Clock) -> None:
    stop = threading.Event()
    published: list[Tick] = []
    rng = random.Random(7)

    def publish_and_persist() -> None:
        while not stop.is_set() and len(published) < 5_000:
            ticks = world.ticks(rng.randrange(1, 40), lambda _n: clock.time_ns())
            world.append(ticks)
            published.extend(ticks)
            if rng.random() < 0.3:
                world.persist(rng.choice([10, 200, 1000]))

    writer = threading.Thread(target=publish_and_persist)
    writer.start()
    try:
        rounds: list[tuple[int, list[Tick]]] = []
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            before = len(published)
            rounds.append((before, read(world.recent)))
    finally:
        stop.set()
        writer.join()
    assert len(rounds) >= 2
    for before, found in rounds:
        for key, seqs in numbers(found).items():
            assert seqs == list(range(1, len(seqs) + 1)), key
        least = numbers(published[:before])
        assert all(len(numbers(found)[key]) >= len(seqs) for key, seqs in least.items())
