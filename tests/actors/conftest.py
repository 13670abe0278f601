"""What the actors' tests share: a real tree, real listeners, a real simulated broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from tests.today import NOW_MS, todays_clock

from mdactors import messages
from mdactors.actors.alarms import AlarmBoard
from mdactors.adapter import Secret
from mdactors.market.instruments import InstrumentTable
from mdactors.runtime import (
    Actor,
    Address,
    ChildSpec,
    Clock,
    Context,
    Message,
    Supervisor,
    Tree,
    handles,
    start_tree,
)
from mdactors.simulator import Exchange, SimulatorOptions, SimulatorServer
from mdactors_kite.adapter import KiteAdapter, KiteSettings
from mdactors_kite.simulator import KiteSimulator

EVERY_MESSAGE = [
    each
    for each in vars(messages).values()
    if isinstance(each, type) and issubclass(each, Message) and each.__module__ == messages.__name__
]
Kind = TypeVar("Kind", bound=Message)


class Heard:
    """What a listener was told, in order; read by the test's thread."""

    def __init__(self, name: str) -> None:
        self.address = Address(name)
        self.messages: list[Message] = []

    def board(self, clock: Clock | None = None) -> AlarmBoard:
        """Alarms whose every change this listener is told."""
        return AlarmBoard(clock or todays_clock(), self.address.tell)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [message for message in self.messages if isinstance(message, kind)]


class Listener(Actor):
    """Writes down everything that it is told."""

    def __init__(self, context: Context, *, heard: Heard) -> None:
        super().__init__(context)
        self._heard = heard

    @handles(*EVERY_MESSAGE)
    def note(self, message: Message) -> None:
        self._heard.messages.append(message)


@pytest.fixture
def run_tree(clock: Clock) -> Iterator[Callable[..., Tree]]:
    """``run_tree(specs, clock)``: start the children under one supervisor; stopped after the test."""
    ours = clock
    trees: list[Tree] = []

    def run(children: Sequence[ChildSpec], clock: Clock | None = None) -> Tree:
        root = ChildSpec(Address("root"), Supervisor, {"children": children})
        trees.append(start_tree(root, clock or ours, lambda _reason: None))
        return trees[-1]

    yield run
    for tree in reversed(trees):
        tree.stop()


@pytest.fixture
def listen(run_tree: Callable[..., Tree]) -> Callable[[str], Heard]:
    """``listen(name)``: an address whose real actor writes down everything."""

    def start(name: str) -> Heard:
        heard = Heard(name)
        run_tree([ChildSpec(heard.address, Listener, {"heard": heard})])
        return heard

    return start


@pytest.fixture
def kite(clock: Clock) -> Iterator[SimulatorServer]:
    """Kite's wire on a made-up market; time moves only by ``step``, heartbeats apart."""
    options = SimulatorOptions(beat=0)
    with SimulatorServer(KiteSimulator(Exchange(seed=3, start_ms=NOW_MS, clock=clock), options)) as server:
        yield server


def kite_adapter(server: SimulatorServer, **changed: Any) -> KiteAdapter:
    settings = {**server.settings(), **changed}
    settings["access_token"] = Secret(settings["access_token"])
    return KiteAdapter(KiteSettings(**settings))


@pytest.fixture
def make_kite_adapter() -> Callable[..., KiteAdapter]:
    """``make_kite_adapter(server, **settings)``: an adapter that connects to the simulator."""
    return kite_adapter


@pytest.fixture
def table(kite: SimulatorServer) -> InstrumentTable:
    """What the simulated broker lists."""
    adapter = kite_adapter(kite)
    return InstrumentTable.build(
        {adapter.name: [(listing.instrument, listing.token) for listing in adapter.instruments()]}
    )
