"""The board of the alarms: on until somebody finds it over, seen without asking whoever raised it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mdactors.actors.alarms import AlarmBoard, Alarms
from mdactors.messages import AlarmChanged
from mdactors.runtime import Actor, Address, ChildSpec, Context, FakeClock, Kill, Message, handles

SINCE = "2025-10-09T14:23:20.000+05:30"


class Raise(Message, frozen=True):
    """Raise an alarm."""

    text: str


class Finish(Message, frozen=True):
    """Find it over."""


class Hang(Message, frozen=True):
    """Wait for the gate, then raise the alarm all the same."""

    gate: threading.Event
    hanging: threading.Event


class Worrier(Actor):
    """Raises and clears one alarm."""

    def __init__(self, context: Context, *, board: AlarmBoard) -> None:
        super().__init__(context)
        self._alarms = board.of(self)

    @handles(Raise)
    def worry(self, message: Raise) -> None:
        self._alarms.raise_alarm("worry", message.text)

    @handles(Finish)
    def calm_down(self, _message: Finish) -> None:
        self._alarms.clear("worry")

    @handles(Hang)
    def hang(self, message: Hang) -> None:
        message.hanging.set()
        message.gate.wait(10)
        self._alarms.raise_alarm("worry", "too late")
        message.hanging.clear()


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.said: list[AlarmChanged] = []
        self.board = AlarmBoard(self.clock, self.said.append)
        self.alarms = Alarms(self.board, logging.getLogger("mdactors.rig"))

    def texts(self) -> dict[str, str]:
        return {alarm.id: alarm.text for alarm in self.board.active()}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_an_alarm_is_one_line_and_one_event_however_often_it_is_raised(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for text in ("away", "away", "still away"):
        rig.alarms.raise_alarm("store", text)
    assert rig.said == [AlarmChanged("store", "away", since=SINCE)]
    rig.alarms.clear("store")
    rig.alarms.clear("store")
    assert rig.said[1:] == [AlarmChanged("store", "", active=False)]
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("ERROR", "alarm store: away"),
        ("INFO", "alarm store is over"),
    ]


def test_another_text_is_another_line_of_the_same_alarm_since_the_same_time(rig: Rig) -> None:
    rig.alarms.show("damage", ["one"])
    rig.clock.advance(5)
    rig.alarms.show("damage", ["one", "two"])
    assert [(each.text, each.active, each.since) for each in rig.said] == [
        ("one", True, SINCE),
        ("one; two", True, SINCE),
    ]
    rig.alarms.show("damage", [])
    assert rig.texts() == {}


def test_an_alarm_shows_so_many_texts_and_counts_the_rest(rig: Rig) -> None:
    rig.alarms.show("damage", [f"part {number}" for number in range(7)])
    assert rig.texts() == {"damage": "part 0; part 1; part 2; part 3; part 4; and 2 more"}


def test_it_means_down_once_it_has_lasted_for_long_if_it_ever_does(rig: Rig) -> None:
    rig.alarms.raise_alarm("at-once", "x", down_after=0.0)
    rig.alarms.raise_alarm("later", "x", down_after=60.0)
    rig.alarms.raise_alarm("never", "x")

    def down() -> list[str]:
        return [each.id for each in rig.board.active() if each.means_down(rig.clock.monotonic())]

    assert down() == ["at-once"]
    rig.clock.advance(59.9)
    assert down() == ["at-once"]
    rig.clock.advance(0.1)
    assert down() == ["at-once", "later"]


def test_an_alarm_outlives_its_actor_and_the_successor_finds_it_over(
    rig: Rig, run_tree: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    address = Address("worrier")
    tree = run_tree([ChildSpec(address, Worrier, {"board": rig.board})])
    address.tell(Raise("it burns"))
    address.tell(Kill("a bug"))
    wait_until(lambda: tree.describe()["children"][0]["restarts"] == 1)
    assert rig.texts() == {"worry": "it burns"}
    address.tell(Raise("it burns again"))
    address.tell(Finish())
    wait_until(lambda: rig.texts() == {})
    assert [each.active for each in rig.said] == [True, False]


def test_what_a_replaced_actor_says_is_no_alarm(
    rig: Rig, run_tree: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    address = Address("worrier")
    tree = run_tree([ChildSpec(address, Worrier, {"board": rig.board}, ping_limit=0.1)])
    hung = Hang(threading.Event(), threading.Event())
    address.tell(hung)
    wait_until(lambda: tree.describe()["children"][0]["restarts"] == 1)
    hung.gate.set()
    wait_until(lambda: not hung.hanging.is_set())
    assert rig.said == []


def test_reading_does_not_wait_for_whoever_changes_it() -> None:
    gate, announcing = threading.Event(), threading.Event()

    def announce(_change: AlarmChanged) -> None:
        announcing.set()
        gate.wait(10)

    board = AlarmBoard(FakeClock(), announce)
    raising = threading.Thread(target=board.put, args=("store", "away", None))
    raising.start()
    assert announcing.wait(5)
    assert [alarm.id for alarm in board.active()] == ["store"]
    gate.set()
    raising.join()
