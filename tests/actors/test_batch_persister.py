"""Ticks reach a real store in batches; a store that is away is a state."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.batch_persister import BatchPersister
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, TicksPublished
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill, MailboxPolicy
from mdactors.store.ticks_sqlite import SqliteTicks

START_NS = 1_790_658_000_000_000_000
RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")


def ticks(first: int, count: int) -> TicksPublished:
    return TicksPublished(
        [
            Tick(
                RELIANCE,
                Quote(RELIANCE.token, "ltp", float(seq)),
                "test",
                1,
                seq,
                1_790_658_000_000_000_000 + seq,
            )
            for seq in range(first, first + count)
        ]
    )


class Rig:
    def __init__(self, path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> None:
        self.path = path
        self.store = SqliteTicks(path)
        self.hub = listen("hub")
        self.clock = FakeClock()
        self.address = Address("batch_persister", MailboxPolicy())
        arguments = {
            "store": self.store, "hub": self.hub.address, "batch_rows": 10, "batch_seconds": 5.0,
            "max_waiting": 30,
        }  # fmt: skip
        self.tree = run_tree([ChildSpec(self.address, BatchPersister, arguments, drain=True)], self.clock)

    def tell(self, first: int, count: int) -> None:
        self.address.tell(ticks(first, count))

    def counters(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def block(self) -> sqlite3.Connection:
        """Hold the write lock, as another process would."""
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        return other


@pytest.fixture
def rig(tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> Iterator[Rig]:
    rig = Rig(tmp_path / "ticks.db", listen, run_tree)
    yield rig
    rig.tree.stop()
    rig.store.close()


def test_a_full_batch_is_written_at_once(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.tell(1, 10)
    wait_until(lambda: rig.store.count() == 10)


def test_a_small_batch_is_written_when_its_oldest_has_waited_long_enough(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.tell(1, 3)
    wait_until(lambda: rig.counters()["waiting"] == 3)
    assert rig.store.count() == 0
    rig.clock.advance(5.1)
    wait_until(lambda: rig.store.count() == 3)


def test_what_waits_is_written_at_the_end(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.tell(1, 3)
    wait_until(lambda: rig.counters()["waiting"] == 3)
    rig.tree.stop()
    assert rig.store.count() == 3


def test_what_waits_is_written_when_the_actor_is_killed(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.tell(1, 3)
    wait_until(lambda: rig.counters()["waiting"] == 3)
    rig.address.tell(Kill("a bug"))
    rig.tell(4, 10)
    wait_until(lambda: rig.store.count() == 13)


def test_a_store_that_is_away_is_an_alarm_and_nothing_is_lost_when_it_returns(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    other = rig.block()
    rig.tell(1, 10)
    wait_until(lambda: [a.active for a in rig.hub.of(AlarmChanged)] == [True], 20)
    rig.tell(11, 5)
    wait_until(lambda: rig.counters()["waiting"] == 15)
    other.execute("ROLLBACK")
    other.close()
    rig.clock.advance(2)
    wait_until(lambda: rig.store.count() == 15, 20)
    wait_until(lambda: [a.active for a in rig.hub.of(AlarmChanged)] == [True, False])
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_what_waits_for_an_absent_store_is_bounded_and_counted(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    other = rig.block()
    rig.tell(1, 10)
    wait_until(lambda: rig.hub.of(AlarmChanged), 20)
    rig.tell(11, 40)
    wait_until(lambda: rig.counters()["waiting"] == 30)
    assert rig.counters()["dropped"] == 20
    other.execute("ROLLBACK")
    other.close()
