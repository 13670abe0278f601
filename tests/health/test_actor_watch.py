"""An actor that ends again and again, hangs or drops what it is told is an alarm that it has no part in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mdactors.actors.alarms import AlarmBoard
from mdactors.health.actor_watch import ActorWatch
from mdactors.runtime import (
    Actor,
    Address,
    ChildSpec,
    DataMessage,
    Describe,
    FakeClock,
    Intensity,
    Kill,
    MailboxPolicy,
    Message,
    Supervisor,
    handles,
    start_tree,
)

Wait = Callable[..., None]


class Hang(Message, frozen=True):
    """Wait for the gate."""

    gate: threading.Event


class Item(DataMessage, frozen=True):
    """Something of many."""


class Poison(DataMessage, frozen=True):
    """Something that a worker cannot bear."""


class Worker(Actor):
    """Takes items, and hangs when it is told to."""

    @handles(Hang)
    def hang(self, message: Hang) -> None:
        message.gate.wait(20)

    @handles(Poison)
    def fail(self, _message: Poison) -> None:
        raise ArithmeticError

    @handles(Item)
    def take(self, _message: Item) -> None:
        pass


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.board = AlarmBoard(self.clock, lambda _change: None)
        self.gate = threading.Event()
        self.hung: set[str] = set()
        self.workers = {
            name: Address(name, MailboxPolicy(capacity=3, when_full="drop_oldest"))
            for name in ("vital", "other")
        }
        self.root = Address("root")
        children = [ChildSpec(each, Worker, ping_limit=None) for each in self.workers.values()]
        arguments = {"children": children, "intensity": Intensity(max_restarts=1000, jitter=0.0)}
        spec = ChildSpec(self.root, Supervisor, arguments, ping_limit=None)
        self.tree = start_tree(spec, self.clock, lambda _reason: None)
        self.watch = ActorWatch(self.tree, list(self.workers.values()), {"vital"}, self.clock, self.board)

    def after(self, seconds: float) -> dict[str, bool]:
        """Which alarms are on then, and whether the daemon is DOWN for it."""
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            for each in (self.root, *self.workers.values()):
                if each.name not in self.hung:
                    each.ask(Describe(), timeout=5).result()
            self.watch.look()
        self.watch.look()
        return {alarm.id: alarm.means_down(self.clock.monotonic()) for alarm in self.board.active()}

    def kill(self, name: str, times: int, wait_until: Wait) -> None:
        for _ in range(times):
            before = self.shown(name)["restarts"]
            self.workers[name].tell(Kill("a bug"))
            wait_until(lambda before=before: self.restarted(name, before))

    def restarted(self, name: str, before: int) -> bool:
        self.clock.advance(self.shown(name)["retry_in"])
        return bool(self.shown(name)["restarts"] > before)

    def shown(self, name: str) -> dict[str, Any]:
        return {node["name"]: node for node in self.tree.describe()["children"]}[name]

    def hang(self, name: str) -> None:
        self.hung.add(name)
        self.workers[name].tell(Hang(self.gate))

    def wake(self) -> None:
        self.hung.clear()
        self.gate.set()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.gate.set()
    rig.tree.stop()


def test_an_actor_is_an_alarm_with_its_reason_from_the_third_exit_on(rig: Rig, wait_until: Wait) -> None:
    rig.kill("vital", 2, wait_until)
    assert rig.after(0) == {}
    rig.kill("vital", 1, wait_until)
    assert rig.after(0) == {"actor-vital": False}
    (alarm,) = rig.board.active()
    assert alarm.text == "vital ends again and again, the last time by KilledError: a bug"
    assert rig.after(58) == {"actor-vital": False}
    assert rig.after(2) == {"actor-vital": True}
    assert rig.after(31) == {}


def test_an_actor_without_which_ticks_go_on_is_an_alarm_and_not_down(rig: Rig, wait_until: Wait) -> None:
    rig.kill("other", 3, wait_until)
    assert rig.after(60) == {"actor-other": False}


def test_an_actor_that_hangs_is_an_alarm_until_it_answers_for_a_while(rig: Rig, wait_until: Wait) -> None:
    rig.hang("vital")
    assert rig.after(9) == {}
    assert rig.after(3) == {"actor-vital": False}
    (alarm,) = rig.board.active()
    assert alarm.text == "vital does not answer"
    assert rig.after(60) == {"actor-vital": True}
    rig.wake()
    wait_until(lambda: "vital" not in rig.tree.troubles())
    assert rig.after(28) == {"actor-vital": True}
    assert rig.after(3) == {}


def test_data_at_which_an_actor_failed_is_an_alarm_and_not_down(rig: Rig, wait_until: Wait) -> None:
    rig.workers["vital"].tell(Poison())
    wait_until(lambda: rig.shown("vital")["restarts"] == 1)
    assert rig.after(0) == {"dropped-vital": False}
    (alarm,) = rig.board.active()
    assert alarm.text == "vital failed at some of what it was told: that is lost"
    assert rig.after(61) == {}


def test_a_mailbox_that_drops_is_an_alarm_until_it_has_not_for_a_while(rig: Rig) -> None:
    for name in rig.workers:
        rig.hang(name)
        rig.workers[name].ask(Describe())
    for name in rig.workers:
        for _ in range(3):
            rig.workers[name].tell(Item())
    assert rig.after(0) == {}
    for name in rig.workers:
        rig.workers[name].tell(Item())
    assert rig.after(0) == {"dropped-vital": True, "dropped-other": False}
    rig.wake()
    assert rig.after(59).keys() >= {"dropped-vital", "dropped-other"}
    assert not {"dropped-vital", "dropped-other"} & rig.after(2).keys()
