"""What waits for the store is an alarm when it is too much or too long, whoever does not answer meanwhile."""

from __future__ import annotations

import pytest

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.backlog import Backlog
from mdactors.health.store_watch import StoreWatch
from mdactors.messages import AlarmChanged
from mdactors.runtime import FakeClock

LIMIT, BATCH_SECONDS = 1000, 5.0


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.said: list[AlarmChanged] = []
        self.board = AlarmBoard(self.clock, self.said.append)
        self.backlog = Backlog(self.clock)
        self.watch = StoreWatch(self.backlog, self.clock, self.board, LIMIT, BATCH_SECONDS)

    def after(self, seconds: float) -> dict[str, bool]:
        """Which alarms are on then, and whether the daemon is DOWN for it."""
        self.clock.advance(seconds)
        self.watch.look()
        return {alarm.id: alarm.means_down(self.clock.monotonic()) for alarm in self.board.active()}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_too_many_that_wait_are_an_alarm_until_half_of_them_are_stored(rig: Rig) -> None:
    rig.backlog.note_stored(None)
    rig.backlog.note_written(LIMIT)
    assert rig.after(0) == {}
    rig.backlog.note_written(LIMIT + 1)
    assert rig.after(0) == {"store-lag": True}
    for stored in (1, 2, LIMIT // 2):
        rig.backlog.note_stored(stored)
        assert rig.after(0) == {"store-lag": True}, "no flapping about the limit"
    rig.backlog.note_stored(LIMIT // 2 + 1)
    assert rig.after(0) == {}
    assert [each.active for each in rig.said] == [True, False]


def test_nothing_stored_for_a_minute_longer_than_a_batch_takes_is_an_alarm_while_ticks_wait(rig: Rig) -> None:
    rig.backlog.note_stored(None)
    assert rig.after(1000) == {}
    rig.backlog.note_written(3)
    assert rig.after(BATCH_SECONDS + 59) == {}
    rig.backlog.note_written(7)
    assert rig.after(1) == {"store-stalls": True}
    assert rig.after(1000) == {"store-stalls": True}
    rig.backlog.note_stored(1)
    assert rig.after(0) == {}
    assert rig.after(BATCH_SECONDS + 60) == {"store-stalls": True}
    rig.backlog.note_stored(7)
    assert rig.after(1000) == {}


def test_what_lay_in_the_journal_counts_once_the_store_had_time_to_say_how_far_it_is(rig: Rig) -> None:
    rig.backlog.begin(0, LIMIT * 9)
    assert rig.after(9) == {}
    assert rig.after(1) == {"store-lag": True}
    rig.backlog.note_stored(LIMIT * 9)
    assert rig.after(0) == {}


def test_it_says_what_waits_and_whether_that_is_known(rig: Rig) -> None:
    rig.backlog.begin(10, 40)
    rig.clock.advance(2)
    assert rig.watch.describe() == {"waiting": 30, "waiting_seconds": 2.0, "known": False}
