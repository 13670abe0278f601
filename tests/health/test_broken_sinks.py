"""A sink that is broken: what waits and what is wrong are seen at every look, and the verdict follows."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bench._servers import Postgres

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.backlog import Backlog
from mdactors.actors.batch_persister import BatchPersister
from mdactors.actors.journal_intake import JournalIntake
from mdactors.actors.journal_writer import JournalWriter
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.adapter import Secret
from mdactors.config import StoreSettings
from mdactors.health.actor_watch import ActorWatch
from mdactors.health.feed_watch import FeedWatch
from mdactors.health.journal_watch import JournalWatch
from mdactors.health.store_watch import StoreWatch
from mdactors.health.verdict import Health, Verdict
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, TicksPublished
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Intensity, Supervisor, start_tree
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.carrier import DirectCarrier
from mdactors.store.journal import Journal
from mdactors.store.opening import open_stores
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import TickStore
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
BATCH_SECONDS = 5.0
Wait = Callable[..., None]


class Raises(SqliteTicks):
    """Has a bug while it is told to."""

    broken = False

    def write(self, *arguments: Any) -> int:
        if self.broken:
            raise ArithmeticError("a bug in the store")
        return super().write(*arguments)


class Rig:
    """Journal, store and the two actors between, with who looks after them; time moves by hand."""

    def __init__(self, folder: Path, store: TickStore, bars: Any) -> None:
        self.clock = FakeClock()
        self.said: list[AlarmChanged] = []
        self.board = AlarmBoard(self.clock, self.said.append)
        self.backlog = Backlog(self.clock)
        self.store = store
        self.journal = Journal(folder / "journal", segment_bytes=1 << 20, max_bytes=1 << 30)
        self.intake, self.persister = JournalIntake("journal_writer"), Address("batch_persister")
        self.seq = 0
        self.hanging: set[Address] = set()
        shared = {"backlog": self.backlog, "board": self.board}
        writer = {
            "journal": self.journal, "intake": self.intake, "persister": self.persister,
            "sync_seconds": 0.2, **shared,
        }  # fmt: skip
        persister = {
            "store": store, "bars": WaitingBars(bars, "j"), "journal_id": self.journal.id,
            "carrier": lambda: DirectCarrier(store, self.journal.folder), "calendar": Calendar(),
            "journal_writer": self.intake, "batch_rows": 10, "batch_seconds": BATCH_SECONDS,
            "flush_at": "", "lag_limit": 1000, **shared,
        }  # fmt: skip
        children = [
            ChildSpec(self.persister, BatchPersister, persister, drain=True, ping_limit=None),
            ChildSpec(self.intake, JournalWriter, writer, drain=True, ping_limit=None),
        ]
        self.root = Address("sinks")
        arguments = {"children": children, "intensity": Intensity(max_restarts=1000, jitter=0.0)}
        spec = ChildSpec(self.root, Supervisor, arguments, ping_limit=None)
        self.tree = start_tree(spec, self.clock, lambda _reason: None)
        vital = {"batch_persister", "journal_writer"}
        watches = [
            ActorWatch(self.tree, [self.intake, self.persister], vital, self.clock, self.board),
            JournalWatch(self.intake, self.clock, self.board),
            StoreWatch(self.backlog, self.clock, self.board, 1000, BATCH_SECONDS),
        ]
        feeds = FeedWatch({}, self.clock, self.board)
        self.health = Health(self.board, self.clock, self.tree, feeds, self.backlog, watches)

    def tell(self, count: int) -> None:
        """So many ticks more come."""
        for _ in range(count):
            self.seq += 1
            quote = Quote(RELIANCE.token, "ltp", 1.0)
            tick = Tick(RELIANCE, quote, "t", 1, self.seq, self.clock.time_ns())
            self.intake.tell(TicksPublished([tick]))

    def pass_seconds(self, seconds: int, *, ticks: int = 0) -> list[Verdict]:
        """The verdict after each second, in which so many ticks come."""
        verdicts = []
        for _ in range(seconds):
            self.tell(ticks)
            for address in (self.intake, self.persister):
                self.let_work(address)
            self.clock.advance(1.0)
            for address in (self.root, self.intake, self.persister):
                self.let_work(address)
            verdicts.append(self.health.verdict())
        return verdicts

    def let_work(self, address: Address) -> None:
        """Wait until an actor has handled what it was told, unless it hangs, or waits for its restart."""
        answer = address.ask(Describe())
        while not (answer.done() or address in self.hanging or self.waits_for_restart(address)):
            time.sleep(0.001)

    def waits_for_restart(self, address: Address) -> bool:
        children = {node["name"]: node["state"] for node in self.tree.describe()["children"]}
        return children.get(address.name) in ("backoff", "down")

    def alarms(self) -> set[str]:
        return {alarm.id for alarm in self.board.active()}

    def stored(self) -> int:
        return self.store.count()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """``start(store, bars)``: a rig at work."""
    rigs: list[Rig] = []

    def begin(store: TickStore, bars: Any) -> Rig:
        rigs.append(Rig(tmp_path, store, bars))
        return rigs[-1]

    yield begin
    for rig in rigs:
        rig.tree.stop()
        rig.journal.close()
        rig.store.close()


@pytest.fixture
def sqlite(tmp_path: Path, start: Callable[..., Rig]) -> tuple[Rig, Raises]:
    database = SqliteDatabase(tmp_path / "ticks.db")
    store = Raises(database)
    return start(store, SqliteBars(database, ["1m"])), store


def settle(rig: Rig, wait_until: Wait) -> None:
    """Let ten ticks be stored: all is well."""
    rig.tell(10)

    def stored() -> bool:
        rig.pass_seconds(1)
        return rig.stored() == rig.seq

    wait_until(stored)
    assert rig.health.verdict().up


def test_a_locked_table_is_seen_at_every_look_though_the_persister_waits_for_it(
    postgres_server: Postgres, tmp_path: Path, start: Callable[..., Rig], wait_until: Wait
) -> None:
    settings = StoreSettings(kind="postgres", url=Secret(postgres_server.dsn), schema="locked")
    rig = start(*open_stores(settings, tmp_path))
    settle(rig, wait_until)
    before = rig.stored()
    with closing(psycopg.connect(postgres_server.dsn)) as other:
        other.execute("LOCK TABLE locked.ticks IN EXCLUSIVE MODE")
        rig.tell(20)
        rig.hanging.add(rig.persister)
        wait_until(lambda: rig.pass_seconds(1) and waits_for_a_lock(other))
        verdicts = rig.pass_seconds(100, ticks=1)
        assert rig.stored() == before
    rig.hanging.clear()
    sizes = [verdict.details["bufferSize"] for verdict in verdicts]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 20
    assert sizes[-1] >= 115
    assert all("actor-batch_persister" in verdict.details["alarms"] for verdict in verdicts[11:])
    ups = [verdict.up for verdict in verdicts]
    assert ups[:50] == [True] * 50
    assert ups[75:] == [False] * 25
    assert ups == sorted(ups, reverse=True), "no flapping"
    wait_until(lambda: rig.pass_seconds(1)[-1].up and not rig.alarms() and rig.stored() == rig.seq)
    assert rig.health.verdict().details["bufferSize"] == 0


def waits_for_a_lock(other: psycopg.Connection[Any]) -> bool:
    found = other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return found is not None and found[0] > 0


def test_a_persister_that_fails_at_every_batch_is_an_alarm_with_the_reason_and_down_after_a_minute(
    sqlite: tuple[Rig, Raises], wait_until: Wait
) -> None:
    rig, store = sqlite
    settle(rig, wait_until)
    store.broken = True
    verdicts = rig.pass_seconds(100, ticks=10)
    text = "batch_persister ends again and again, the last time by ArithmeticError: a bug in the store"
    alarm = rig.board.get("actor-batch_persister")
    assert alarm is not None
    assert alarm.text == text
    assert all(text in verdict.reasons for verdict in verdicts[70:])
    assert not verdicts[-1].up
    assert verdicts[-1].details["bufferSize"] >= 990
    store.broken = False
    wait_until(lambda: rig.pass_seconds(1)[-1].up and not rig.alarms() and rig.stored() == rig.seq)


def test_a_full_disk_is_down_at_once_with_what_was_dropped_and_up_when_it_writes_again(
    sqlite: tuple[Rig, Raises], wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, _ = sqlite
    settle(rig, wait_until)

    def no_space(_descriptor: int, _data: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        rig.tell(7)
        wait_until(lambda: rig.intake.unwritten.count == 7)
        verdict = rig.health.verdict()
        assert not verdict.up
        assert "No space left on device" in verdict.reasons[0]
        assert rig.pass_seconds(3)[-1].details["alarms"] == ["journal"]
    rig.tell(1)
    wait_until(lambda: rig.health.verdict().up)


def test_ticks_at_which_the_journals_writer_failed_count_as_lost_and_are_down_at_once(
    sqlite: tuple[Rig, Raises], wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, _ = sqlite
    settle(rig, wait_until)

    def bug(_descriptor: int, _data: bytes, _offset: int) -> int:
        raise ArithmeticError("a bug in the journal")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", bug)
        for number in (1, 2, 3):
            rig.tell(1)
            wait_until(lambda number=number: rig.pass_seconds(1) and rig.intake.unwritten.count == number)
        verdict = rig.pass_seconds(1)[-1]
        assert verdict.reasons == ["ticks are not being stored: the journal's writer failed at them"]
        assert set(verdict.details["alarms"]) == {
            "journal", "actor-journal_writer", "dropped-journal_writer",
        }  # fmt: skip
    rig.tell(1)
    wait_until(lambda: rig.pass_seconds(1)[-1].up)
    assert "journal" not in rig.alarms()
    assert [each["count"] for each in rig.intake.unwritten.describe()["dropped_ranges"]] == [3]


def test_until_the_store_has_said_how_far_it_is_the_verdict_is_down_and_counts_all(
    tmp_path: Path, postgres_server: Postgres, start: Callable[..., Rig]
) -> None:
    away = postgres_server.dsn.replace("127.0.0.1", "127.0.0.9")
    rig = start(*open_stores(StoreSettings(kind="postgres", url=Secret(away)), tmp_path))
    verdict = rig.pass_seconds(1, ticks=12)[-1]
    assert not verdict.up
    assert verdict.reasons == [
        "how far the store is, is not known: it has not said so, and bufferSize may be too much"
    ]
    assert verdict.details["bufferSize"] == 12
