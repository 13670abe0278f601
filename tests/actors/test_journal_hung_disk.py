"""A disk that hangs holds up nobody: it is an alarm, memory is bounded, and what it costs is counted."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.backlog import Backlog
from mdactors.actors.journal_intake import JournalIntake
from mdactors.actors.journal_writer import JournalWriter
from mdactors.health.journal_watch import JournalWatch
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, JournalSynced, TicksPublished
from mdactors.runtime import ChildSpec, FakeClock, Kill
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader

SHARES = [Instrument(n << 8 | 1, f"S{n}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|S{n}") for n in range(1, 8)]
LIMIT = 100
START_NS = 1_790_658_000_000_000_000
Wait = Callable[..., None]


def ticks(first: int, count: int) -> TicksPublished:
    return TicksPublished(
        [
            Tick(SHARES[seq % 7], Quote(1, "ltp", 1.5), "test", 1, seq, START_NS + seq * 1_000_000_000)
            for seq in range(first, first + count)
        ]
    )


class Disk:
    """Takes what is synced, or hangs until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hanging = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._sync, self._write = os.fdatasync, os.pwrite
        monkeypatch.setattr(os, "fdatasync", self._late_sync)
        monkeypatch.setattr(os, "pwrite", self._late_write)

    def hang(self) -> None:
        self._free.clear()

    def let_go(self) -> None:
        self._free.set()

    def _wait(self) -> None:
        if not self._free.is_set():
            self.hanging.set()
            self._free.wait(20)

    def _late_sync(self, descriptor: int) -> None:
        self._wait()
        self._sync(descriptor)

    def _late_write(self, descriptor: int, data: bytes, offset: int) -> int:
        self._wait()
        return self._write(descriptor, data, offset)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.let_go()


class Rig:
    def __init__(self, folder: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> None:
        self.folder = folder
        self.journal = Journal(folder, segment_bytes=1 << 20, max_bytes=1 << 24)
        self.hub, self.persister = listen("hub"), listen("batch_persister")
        self.clock = FakeClock()
        self.intake, self.board = JournalIntake("journal_writer", LIMIT), self.hub.board(self.clock)
        arguments = {
            "journal": self.journal, "intake": self.intake, "persister": self.persister.address,
            "backlog": Backlog(self.clock), "board": self.board, "sync_seconds": 0.2,
        }  # fmt: skip
        self.watch = JournalWatch(self.intake, self.clock, self.board)
        writer = ChildSpec(self.intake, JournalWriter, arguments, ping_limit=None, drain=True, shutdown=0.1)
        self.tree = run_tree([writer], self.clock)

    def pass_seconds(self, seconds: int) -> dict[str, Any]:
        """Look every second; what the watch says then."""
        for _ in range(seconds):
            self.clock.advance(1.01)
            self.watch.look()
        return self.watch.describe()

    def alarm(self) -> str:
        """The text of the one that is on."""
        (alarm,) = self.board.active()
        return alarm.text

    def alarms(self) -> list[tuple[str, bool]]:
        return [(alarm.id, alarm.active) for alarm in self.hub.of(AlarmChanged)]

    def read(self) -> list[int]:
        reader = JournalReader(self.folder)
        found, _ = reader.read(None, None, 1_000_000)
        reader.close()
        return [tick.seq for tick in found]


@pytest.fixture
def rig(
    disk: Disk, tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any], wait_until: Wait
) -> Iterator[Rig]:
    rig = Rig(tmp_path / "journal", listen, run_tree)
    wait_until(lambda: rig.persister.of(JournalSynced))
    yield rig
    disk.let_go()
    rig.tree.stop()
    rig.journal.close()


def hang_in_a_sync(rig: Rig, disk: Disk, wait_until: Wait) -> None:
    """The writer has written a tick, and hangs when it syncs it."""
    rig.intake.tell(ticks(1, 1))
    wait_until(lambda: rig.read() == [1])
    disk.hang()
    rig.clock.advance(0.21)
    wait_until(disk.hanging.is_set)


def test_a_disk_that_hangs_is_an_alarm_before_anything_is_lost(
    rig: Rig, disk: Disk, wait_until: Wait
) -> None:
    hang_in_a_sync(rig, disk, wait_until)
    rig.pass_seconds(30)
    assert not rig.board.active(), "nothing waits"
    rig.intake.tell(ticks(2, 50))
    rig.pass_seconds(9)
    assert not rig.board.active()
    rig.pass_seconds(3)
    assert rig.alarm() == "the journal's disk hangs: ticks wait in memory, 100 at most"
    disk.let_go()
    wait_until(lambda: rig.read() == list(range(1, 52)))
    state = rig.pass_seconds(1)
    assert (rig.board.active(), state["waiting"], state["dropped"]) == ((), 0, 0)
    wait_until(lambda: rig.alarms() == [("journal-waits", True), ("journal-waits", False)])


@pytest.mark.parametrize("in_a_write", [False, True])
def test_what_a_hung_disk_costs_is_bounded_and_said_to_the_tick(
    rig: Rig, disk: Disk, wait_until: Wait, caplog: pytest.LogCaptureFixture, in_a_write: bool
) -> None:
    if in_a_write:
        disk.hang()
        rig.intake.tell(ticks(1, 1))
        wait_until(disk.hanging.is_set)
    else:
        hang_in_a_sync(rig, disk, wait_until)
    began = time.monotonic()
    for first in range(2, 5002, 10):
        rig.intake.tell(ticks(first, 10))
    assert time.monotonic() - began < 5, "nobody waits for the disk"
    assert rig.intake.depth <= 12
    state = rig.pass_seconds(1)
    assert (state["waiting"], state["dropped"]) == (100, 4900)
    assert rig.alarm() == "ticks are not being stored: 100 wait for the journal's disk, no more may"
    state = rig.pass_seconds(120)
    assert [each["restarts"] for each in rig.tree.describe()["children"]] == [0]
    assert rig.tree.healthy()
    disk.let_go()
    wait_until(lambda: rig.read() == list(range(1, 102)))
    rig.intake.tell(ticks(9000, 1))
    wait_until(lambda: rig.read() == [*range(1, 102), 9000])
    rig.pass_seconds(2)
    (dropped,) = rig.watch.describe()["dropped_ranges"]
    assert (dropped["count"], dropped["instruments"], rig.board.active()) == (4900, 7, ())
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == [
        f"dropped 4900 ticks of 7 instruments, received from {dropped['from']} to {dropped['to']}: "
        "100 waited for the journal's disk"
    ]
    wait_until(lambda: rig.alarms() == [("journal-waits", True), ("journal-waits", False)])


def test_once_ticks_are_dropped_all_are_until_half_of_what_waits_is_written() -> None:
    intake = JournalIntake("journal_writer", LIMIT)
    for message, waiting, dropped in (
        (ticks(1, 90), 90, 0),
        (ticks(91, 20), 90, 20),
        (ticks(111, 1), 90, 21),
    ):
        intake.tell(message)
        assert (intake.waiting, intake.refused.count) == (waiting, dropped)
    intake.take_in_hand(ticks(1, 39).ticks)
    intake.tell(ticks(112, 1))
    assert (intake.waiting, intake.refused.count, intake.report()) == (51, 22, None)
    intake.take_in_hand(ticks(40, 1).ticks)
    intake.tell(ticks(113, 1))
    assert (intake.waiting, intake.refused.count, intake.depth) == (51, 22, 2)
    run = intake.report()
    assert run is not None
    assert run.describe()["count"] == 22
    assert intake.report() is None


def test_a_batch_larger_than_the_limit_is_written(rig: Rig, wait_until: Wait) -> None:
    rig.intake.tell(ticks(1, 3 * LIMIT))
    wait_until(lambda: len(rig.read()) == 3 * LIMIT)
    assert rig.watch.describe()["dropped"] == 0


def test_what_waits_is_counted_across_a_writer_that_dies(rig: Rig, disk: Disk, wait_until: Wait) -> None:
    hang_in_a_sync(rig, disk, wait_until)
    rig.intake.tell(ticks(2, 60))
    rig.intake.tell(Kill("a bug"))
    disk.let_go()
    wait_until(lambda: rig.read() == list(range(1, 62)))
    assert rig.watch.describe()["waiting"] == 0


def test_what_a_hung_disk_never_took_is_said_at_the_end(
    rig: Rig, disk: Disk, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    hang_in_a_sync(rig, disk, wait_until)
    rig.intake.tell(ticks(2, 90))
    rig.intake.tell(ticks(92, 30))
    rig.tree.stop()
    rig.watch.end()
    disk.let_go()
    assert "90 ticks are lost: the journal's disk did not take them" in caplog.text
    assert "dropped 30 ticks of 7 instruments" in caplog.text
