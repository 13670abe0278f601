"""Faults on demand, for tests and chaos: what a bad day at a broker looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from mdactors.simulator.simulator import Simulator
from mdactors.simulator.switchboard import Switchboard

Result = TypeVar("Result")


class OnLoop(Protocol):
    """Runs a function on the loop's thread, from any thread, and returns what it returns."""

    def __call__(self, function: Callable[[], Result], /) -> Result:
        """Run it."""


class Faults:
    """The switches of one running server; callable from any thread, each takes effect before it returns.

    Over REST, from loopback only, as ``POST /simulator/<method>`` with the arguments in the query:
    ``drop?connection=3``, ``stall?seconds=5``, ``refuse?status=403&count=2``, ``expire``,
    ``accept?token=…``, ``silence?seconds=30``, ``raw`` with the frame's hex as body.
    """

    def __init__(self, switchboard: Switchboard, simulator: Simulator, on_loop: OnLoop) -> None:
        self._switchboard = switchboard
        self._simulator = simulator
        self._on_loop = on_loop
        self._endings: dict[str, asyncio.TimerHandle] = {}

    def drop(self, connection: int | None = None) -> int:
        """Cut one connection, or all, without a word; how many were cut."""

        def act() -> int:
            peers = [p for p in self._switchboard.peers.values() if connection in (None, p.id)]
            for peer in peers:
                peer.drop()
            return len(peers)

        return self._on_loop(act)

    def stall(self, seconds: float) -> int:
        """The connections now open neither send nor hear, without closing, for so long; how many.

        What the client says meanwhile is heard afterwards; 0 ends a stall at once. Only pongs still go.
        """

        def act() -> int:
            peers = list(self._switchboard.peers.values())

            def resume() -> None:
                for peer in peers:
                    peer.resume()

            for peer in peers:
                peer.stall()
            self._end("stall", seconds, resume)
            return len(peers)

        return self._on_loop(act)

    def refuse(self, status: int = 403, count: int = 1) -> None:
        """Refuse the next ``count`` handshakes with this status; a count of 0 ends it."""
        self._on_loop(lambda: self._switchboard.refuse(status, count))

    def expire(self) -> None:
        """The access token dies: handshakes and REST refuse it, open sockets live on."""
        self._on_loop(lambda: self._simulator.accept_token(None))

    def accept(self, token: str) -> None:
        """Accept this access token from now on, and no other."""
        self._on_loop(lambda: self._simulator.accept_token(token))

    def silence(self, seconds: float) -> None:
        """No instrument changes for so long, heartbeats go on; 0 ends it at once."""

        def speak() -> None:
            self._switchboard.silent = False

        def act() -> None:
            self._switchboard.silent = True
            self._end("silence", seconds, speak)

        self._on_loop(act)

    def raw(self, frame: bytes) -> int:
        """Send this binary frame, whatever it is, to every open connection; to how many."""

        def act() -> int:
            for peer in self._switchboard.peers.values():
                peer.send(frame)
            return len(self._switchboard.peers)

        return self._on_loop(act)

    def _end(self, fault: str, seconds: float, ending: Callable[[], object]) -> None:
        pending = self._endings.pop(fault, None)
        if pending is not None:
            pending.cancel()
        if seconds <= 0:
            ending()
        else:
            self._endings[fault] = asyncio.get_running_loop().call_later(seconds, ending)
