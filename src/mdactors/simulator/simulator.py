"""The plug-in contract of a broker's simulator: the exchange in, a broker's wire out."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from mdactors.simulator.routes import CutFrame, Route, SocketRoute
from mdactors.simulator.venue import Venue


class SimulatorOptions(msgspec.Struct, frozen=True):
    """How to simulate; the same options give the same market."""

    seed: int = 1
    speed: float = 1.0
    """Exchange time per real time."""
    rate: float = 400.0
    """Updates per real second, all instruments together."""
    beat: float = 0.25
    """Real seconds between emissions; 0: time moves only by `SimulatorServer.step`."""
    packets_per_frame: int = 0
    """At most so many instruments in one data frame; 0: all that changed at a beat in one."""
    token: str = "simulated"  # noqa: S105 - it opens nothing but a simulator
    """The access token that is accepted."""
    instruments: int = 0
    """At least so many instruments: made-up shares fill the universe up; 0: the built-in ones."""
    always_open: bool = True
    """Trade around the clock; else the day has its phases."""
    start: str = ""
    """ISO time (IST) at which the exchange starts; empty: now, or at another speed than the clock's 09:15 of
    today."""
    replay: str = ""
    """A recording to play instead of the made-up market: a file, a journal's folder, or a daemon's
    configuration, which means its store."""
    replay_from: str = ""
    """ISO time (IST) from which on it is played; empty: all of it."""
    replay_to: str = ""
    """ISO time up to which it is played, a date means all of it."""
    sent_log: str = ""
    """A file that gets the judge's log as JSON lines."""


class Simulator(abc.ABC):
    """One broker's front on the exchange; found through the entry points ``mdactors.simulators``.

    The server asks for `routes` once, at its start. All handlers and conversations run on its loop.
    """

    name: ClassVar[str]

    def __init__(self, exchange: Venue, options: SimulatorOptions) -> None:
        self.exchange = exchange
        self.options = options
        self._token = options.token

    @classmethod
    def cut(cls, data: bytes | str) -> CutFrame:
        """Cut a recorded frame of this broker into what it says of each instrument."""
        return CutFrame(data)

    def accepts(self, token: str) -> bool:
        """Whether this access token lives; handlers and socket factories must ask each time."""
        return token == self._token

    def accept_token(self, token: str | None) -> None:
        """From now on accept this token only; None accepts none (it expired)."""
        self._token = token or ""

    @abc.abstractmethod
    def routes(self) -> Sequence[Route | SocketRoute]:
        """Everything the broker's hosts answer that a daemon needs."""

    @abc.abstractmethod
    def settings(self, port: int) -> dict[str, Any]:
        """The adapter's settings (as in YAML) that make it connect to this simulator at ``port``."""
