"""A small actor that does what a test tells it to, and trees that are stopped after the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.today import todays_clock

from mdactors.runtime import (
    Actor,
    Address,
    ChildSpec,
    Clock,
    Context,
    DataMessage,
    Intensity,
    MailboxPolicy,
    Message,
    Supervisor,
    Tree,
    handles,
    start_tree,
)

POLICY = MailboxPolicy()
EXACT = Intensity(jitter=0.0)


class Do(Message, frozen=True):
    """Have the actor call something with itself, in its own thread."""

    what: Callable[[Any], Any]


class Note(Message, frozen=True):
    """Have the actor write something down."""

    text: Any


class Item(DataMessage, frozen=True):
    """Data to be written down."""

    text: Any


class Probe(Actor):
    """Owns a notebook that outlives it; writes down its hooks and what it is told."""

    def __init__(self, context: Context, *, notes: list[Any], at_birth: Any = None, at_start: Any = None):
        super().__init__(context)
        self.notes = notes
        self.at_start = at_start
        if at_birth is not None:
            at_birth()

    def on_start(self):
        if self.at_start is not None:
            self.at_start()
        self.notes.append(f"{self.address.name} starts")

    def on_stop(self):
        self.notes.append(f"{self.address.name} stops")

    def on_failure(self, exception_type, exception_value, traceback):
        self.notes.append(f"{self.address.name} fails")

    @handles(Note, Item)
    def write_down(self, message):
        self.notes.append(message.text)
        return message.text

    @handles(Do)
    def do(self, message):
        return message.what(self)

    def describe(self):
        return {"notes": len(self.notes), "thread": threading.current_thread().name}


class Bench:
    """Makes probes, supervisors and trees, and stops the trees in the end."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.trees: list[Tree] = []
        self.gave_up: list[str] = []
        self.gates: list[threading.Event] = []

    def probe(self, name: str, policy: MailboxPolicy = POLICY, **options: Any) -> ChildSpec:
        arguments = {"notes": self.notes} | {
            key: options.pop(key) for key in ("at_birth", "at_start") if key in options
        }
        return ChildSpec(address=Address(name, policy), actor=Probe, arguments=arguments, **options)

    def supervisor(
        self,
        name: str,
        *children: ChildSpec,
        strategy: str = "one_for_one",
        intensity: Intensity = EXACT,
        **options: Any,
    ) -> ChildSpec:
        arguments = {"children": children, "strategy": strategy, "intensity": intensity}
        return ChildSpec(address=Address(name), actor=Supervisor, arguments=arguments, **options)

    def start(self, spec: ChildSpec, clock: Clock | None = None) -> Tree:
        self.trees.append(start_tree(spec, clock or todays_clock(), self.gave_up.append))
        return self.trees[-1]

    def gate(self) -> threading.Event:
        """An event to hang at; it opens when the test is over."""
        self.gates.append(threading.Event())
        return self.gates[-1]

    def close(self) -> None:
        for gate in self.gates:
            gate.set()
        for tree in self.trees:
            tree.stop()


def child(tree: Tree, name: str) -> dict[str, Any]:
    """The description of one actor of the tree."""

    def find(node: dict[str, Any]) -> dict[str, Any] | None:
        if node["name"] == name:
            return node
        return next((hit for below in node.get("children", []) if (hit := find(below))), None)

    return find(tree.describe()) or {}


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def say() -> SimpleNamespace:
    """The messages that a probe understands, and a look at the tree."""
    return SimpleNamespace(Do=Do, Note=Note, Item=Item, child=child)
