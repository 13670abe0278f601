"""What the journal holds and the store has not, told by both and known without asking either."""

from __future__ import annotations

import pytest

from mdactors.actors.backlog import Backlog
from mdactors.runtime import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def backlog(clock: FakeClock) -> Backlog:
    return Backlog(clock)


def test_what_is_written_waits_until_it_is_stored(backlog: Backlog) -> None:
    backlog.note_stored(None)
    backlog.note_written(70)
    assert (backlog.waiting, backlog.is_known) == (70, True)
    backlog.note_stored(50)
    assert backlog.waiting == 20
    backlog.note_stored(70)
    assert backlog.waiting == 0


def test_until_the_store_has_answered_all_that_the_journal_holds_may_wait(backlog: Backlog) -> None:
    backlog.begin(2_000, 10_000)
    assert (backlog.waiting, backlog.is_known) == (8_000, False)
    backlog.note_written(10_005)
    assert (backlog.waiting, backlog.is_known) == (8_005, False)
    backlog.note_stored(9_999)
    assert (backlog.waiting, backlog.is_known) == (6, True)


def test_a_store_without_anything_lacks_only_what_the_journal_still_has(backlog: Backlog) -> None:
    backlog.begin(2_000, 10_000)
    backlog.note_stored(None)
    assert (backlog.waiting, backlog.is_known) == (8_000, True)
    backlog.note_stored(500)
    assert backlog.waiting == 8_000


def test_a_store_that_knows_more_than_the_journal_is_not_believed(backlog: Backlog) -> None:
    backlog.begin(0, 100)
    backlog.note_stored(150)
    assert (backlog.waiting, backlog.is_known) == (100, False)


def test_a_store_that_was_put_back_lacks_what_it_had_before(backlog: Backlog) -> None:
    backlog.note_written(100)
    backlog.note_stored(100)
    backlog.note_stored(30)
    assert backlog.waiting == 70


def test_ticks_wait_since_the_last_one_was_stored(backlog: Backlog, clock: FakeClock) -> None:
    def waiting_seconds() -> float:
        return backlog.waiting_seconds(clock.monotonic())

    backlog.note_stored(None)
    clock.advance(1000)
    backlog.note_written(10)
    assert waiting_seconds() == 0
    clock.advance(7)
    backlog.note_written(20)
    assert waiting_seconds() == 7
    backlog.note_stored(None)
    assert waiting_seconds() == 7, "it answers, but stores nothing"
    backlog.note_stored(15)
    assert waiting_seconds() == 0
    clock.advance(3)
    assert waiting_seconds() == 3
    backlog.note_stored(20)
    clock.advance(500)
    assert waiting_seconds() == 0, "nothing waits"
