"""Every tick is on disk within a beat; a disk that is full or fails is a state, counted to the tick."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.backlog import Backlog
from mdactors.actors.journal_intake import JournalIntake
from mdactors.actors.journal_writer import JournalWriter
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import (
    AlarmChanged,
    JournalSynced,
    PositionWanted,
    TicksPublished,
    TicksStored,
)
from mdactors.runtime import ChildSpec, Describe, FakeClock, Kill
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import HEADER_BYTES, segments

START_NS = 1_790_658_000_000_000_000
SECOND_NS = 1_000_000_000
SHARES = [Instrument(n << 8 | 1, f"S{n}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|S{n}") for n in range(1, 8)]
MAX_BYTES = 65_536


def ticks(first: int, count: int) -> TicksPublished:
    """One tick a second and share, in turn."""
    return TicksPublished(
        [
            Tick(
                SHARES[seq % len(SHARES)],
                Quote(1, "ltp", 1.5, raw=bytes(100)),
                "test",
                1,
                seq,
                START_NS + seq * SECOND_NS,
            )
            for seq in range(first, first + count)
        ]
    )


class Rig:
    def __init__(self, folder: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> None:
        self.folder = folder
        self.journal = Journal(folder, segment_bytes=16_384, max_bytes=MAX_BYTES)
        self.hub, self.persister = listen("hub"), listen("batch_persister")
        self.clock = FakeClock()
        self.board, self.backlog = self.hub.board(self.clock), Backlog(self.clock)
        self.address = JournalIntake("journal_writer")
        arguments = {
            "journal": self.journal, "intake": self.address, "persister": self.persister.address,
            "backlog": self.backlog, "board": self.board, "sync_seconds": 0.2,
        }  # fmt: skip
        self.tree = run_tree([ChildSpec(self.address, JournalWriter, arguments, drain=True)], self.clock)

    def tell(self, first: int, count: int) -> None:
        self.address.tell(ticks(first, count))

    def described(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def synced(self) -> list[int]:
        """The counts of ticks that the persister heard of."""
        return [message.position.ticks for message in self.persister.of(JournalSynced)]

    def newest_position(self) -> Position:
        position: Position = self.persister.of(JournalSynced)[-1].position
        return position

    def alarms(self) -> list[tuple[str, bool]]:
        return [(alarm.id, alarm.active) for alarm in self.hub.of(AlarmChanged)]

    def read(self, upto: Position | None = None) -> list[int]:
        reader = JournalReader(self.folder)
        found, _ = reader.read(None, upto, 1_000_000)
        reader.close()
        return [tick.seq for tick in found]


@pytest.fixture
def rig(tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> Iterator[Rig]:
    rig = Rig(tmp_path / "journal", listen, run_tree)
    yield rig
    rig.tree.stop()
    rig.journal.close()


Wait = Callable[..., None]


def fill(rig: Rig, wait_until: Wait) -> int:
    """Tell ticks until some are dropped; how many were told."""
    for first in range(1, 10_000, 50):
        rig.tell(first, 50)
        if rig.described()["dropped"]:
            wait_until(lambda: rig.alarms() == [("journal", True)])
            return first + 49
    raise AssertionError("it has no limit")


def release_all(rig: Rig, wait_until: Wait) -> int:
    """Have all stored that is synced; how many ticks that are."""
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced()[-1] == rig.described()["appended"])
    rig.address.tell(TicksStored(rig.newest_position()))
    wait_until(lambda: rig.journal.size() < MAX_BYTES // 2)
    return rig.synced()[-1]


def test_what_came_is_synced_on_the_beat_and_the_persister_told_once(rig: Rig, wait_until: Wait) -> None:
    wait_until(lambda: rig.synced() == [0])
    rig.tell(1, 20)
    rig.tell(21, 20)
    wait_until(lambda: rig.described()["appended"] == 40)
    assert rig.synced() == [0]
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced() == [0, 40])
    assert rig.read(rig.newest_position()) == list(range(1, 41))
    for _ in range(3):
        rig.clock.advance(0.21)
        rig.described()
    rig.tell(41, 1)
    wait_until(lambda: rig.described()["appended"] == 41)
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced() == [0, 40, 41])


def test_what_waits_is_written_and_synced_at_the_end(rig: Rig, wait_until: Wait) -> None:
    for first in range(1, 200, 10):
        rig.tell(first, 10)
    rig.tree.stop()
    wait_until(lambda: rig.synced()[-1:] == [200])
    assert rig.read(rig.newest_position()) == list(range(1, 201))


def test_a_killed_writer_syncs_and_its_successor_goes_on(rig: Rig, wait_until: Wait) -> None:
    rig.tell(1, 10)
    wait_until(lambda: rig.described()["appended"] == 10)
    rig.address.tell(Kill("a bug"))
    rig.tell(11, 10)
    wait_until(lambda: rig.described()["appended"] == 10 and rig.synced()[-1] == 10)
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced()[-1] == 20)
    assert rig.read(rig.newest_position()) == list(range(1, 21))
    assert len(segments(rig.folder)) == 2


def test_a_fresh_persister_is_told_the_newest_position_again(rig: Rig, wait_until: Wait) -> None:
    rig.tell(1, 10)
    wait_until(lambda: rig.described()["appended"] == 10)
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced() == [0, 10])
    rig.address.tell(PositionWanted())
    wait_until(lambda: rig.synced() == [0, 10, 10])


def test_what_is_stored_is_released(rig: Rig, wait_until: Wait) -> None:
    for first in range(1, 100, 10):
        rig.tell(first, 10)
    wait_until(lambda: rig.described()["appended"] == 100)
    assert len(segments(rig.folder)) > 1
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced()[-1] == 100)
    rig.address.tell(TicksStored(rig.newest_position()))
    wait_until(lambda: len(segments(rig.folder)) == 1)
    assert rig.described()["size"] == sum(s.path.stat().st_size for s in segments(rig.folder))


def test_a_full_journal_is_an_alarm_and_what_it_dropped_is_said_to_the_tick(
    rig: Rig, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    told = fill(rig, wait_until)
    rig.tell(told + 1, 53)  # fewer may fit, and the alarm would be over
    wait_until(lambda: rig.described()["appended"] + rig.described()["dropped"] == told + 53)
    state = rig.described()
    kept = state["appended"]
    lost = set(range(1, told + 54)) - set(rig.read())
    assert len(lost) == state["dropped"]
    (alarm,) = rig.board.active()
    assert alarm.text.startswith(f"ticks are not being stored: {rig.folder}: holds ")
    assert release_all(rig, wait_until) == kept
    rig.tell(1000, 10)
    wait_until(lambda: rig.alarms() == [("journal", True), ("journal", False)])
    state = rig.described()
    (dropped,) = state["dropped_ranges"]
    first, last = min(lost), max(lost)
    shares = len({seq % len(SHARES) for seq in lost})
    assert (dropped["count"], dropped["instruments"]) == (len(lost), shares)
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == [
        f"dropped {len(lost)} ticks of {shares} instruments, "
        f"received from {dropped['from']} to {dropped['to']}: {dropped['reason']}"
    ]
    seconds = [int(dropped[end][17:19]) for end in ("from", "to")]
    assert seconds == [(START_NS // SECOND_NS + seq) % 60 for seq in (first, last)]
    assert rig.board.active() == ()
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced()[-1] == kept + 10)


def test_a_full_disk_is_the_same_alarm_and_no_restart(
    rig: Rig, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.tell(1, 10)
    wait_until(lambda: rig.described()["appended"] == 10)
    write = os.pwrite

    def no_space(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            return write(descriptor, data[:100], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        rig.tell(11, 10)
        wait_until(lambda: rig.described()["dropped"] == 10)
        assert rig.board.active()[0].text.endswith("cannot be written: No space left on device")
    rig.tell(21, 10)
    wait_until(lambda: rig.alarms() == [("journal", True), ("journal", False)])
    assert rig.read() == [*range(1, 11), *range(21, 31)]
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_a_disk_that_cannot_sync_is_an_alarm_and_nobody_is_told_a_position(
    rig: Rig, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until(lambda: rig.synced() == [0])

    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as failing:
        failing.setattr(os, "fdatasync", fails)
        rig.tell(1, 10)
        wait_until(lambda: rig.described()["appended"] == 10)
        rig.clock.advance(0.21)
        wait_until(lambda: rig.alarms() == [("journal-sync", True)])
        assert rig.synced() == [0]
    rig.clock.advance(0.21)
    wait_until(lambda: rig.synced() == [0, 10])
    wait_until(lambda: rig.alarms() == [("journal-sync", True), ("journal-sync", False)])


def test_damage_that_was_found_is_an_alarm_that_names_it(
    tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any], wait_until: Wait
) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, segment_bytes=16_384, max_bytes=MAX_BYTES)
    appender = journal.appender()
    appender.append(ticks(1, 3).ticks)
    end = appender.position.offset
    appender.append(ticks(4, 3).ticks)
    journal.close()
    path = segments(folder)[0].path
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 50] ^= 1
    path.write_bytes(data)
    rig = Rig(folder, listen, run_tree)
    wait_until(lambda: rig.alarms() == [("journal-damage-1", True)])
    state = rig.described()
    assert state["damage"] == [f"segment 1: bytes {HEADER_BYTES} to {end} are damaged"]
    assert state["damage"][0] in rig.board.active()[0].text
    assert state["position"]["ticks"] == 6
    rig.tree.stop()
    rig.journal.close()


def test_what_was_dropped_is_said_at_the_end(
    rig: Rig, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    fill(rig, wait_until)
    dropped = rig.described()["dropped"]
    rig.tree.stop()
    assert f"dropped {dropped} ticks of " in caplog.text
