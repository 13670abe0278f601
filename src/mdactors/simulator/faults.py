"""Faults on demand, for tests and chaos: what a bad day at a broker looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from mdactors.simulator.routes import Reply
from mdactors.simulator.simulator import Simulator
from mdactors.simulator.switchboard import Door, Switchboard

Result = TypeVar("Result")


class OnLoop(Protocol):
    """Runs a function on the loop's thread, from any thread, and returns what it returns."""

    def __call__(self, function: Callable[[], Result], /) -> Result:
        """Run it."""


class Faults:
    """The switches of one running server; callable from any thread, each takes effect before it returns.

    Over REST, from loopback only, as ``POST /simulator/<method>`` with the arguments in the query:
    ``drop?connection=3``, ``stall?seconds=5``, ``refuse?status=403&count=2&door=rest`` with what the answer
    says as body, ``expire``, ``accept?token=…``, ``silence?seconds=30&heartbeats=0``, ``raw`` with the
    frame's hex as body, ``say`` with a text.
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

    def refuse(self, status: int = 403, count: int = 1, body: bytes = b"", door: Door = "socket") -> None:
        """Answer the next ``count`` handshakes, or requests of REST, with this; a count of 0 ends it.

        Without a body it is a bare status; with one it is the broker's own JSON, or a gateway's page.
        """
        kind = "application/json" if body.lstrip().startswith(b"{") else "text/html"
        reply = Reply(status, body, {"Content-Type": kind})
        self._on_loop(lambda: self._switchboard.refuse(door, reply, count))

    def expire(self) -> None:
        """The access token dies: handshakes and REST refuse it, open sockets live on."""
        self._on_loop(lambda: self._simulator.accept_token(None))

    def accept(self, token: str) -> None:
        """Accept this access token from now on, and no other."""
        self._on_loop(lambda: self._simulator.accept_token(token))

    def silence(self, seconds: float, *, heartbeats: bool = True) -> None:
        """No instrument changes for so long, while heartbeats go on; 0 ends it at once.

        Without heartbeats no connection says or hears anything, also those that are opened meanwhile.
        """

        def speak() -> None:
            self._switchboard.silent = self._switchboard.mute = False
            for peer in self._switchboard.peers.values():
                peer.resume()

        def act() -> None:
            self._switchboard.silent, self._switchboard.mute = True, not heartbeats
            for peer in self._switchboard.peers.values() if not heartbeats else ():
                peer.stall()
            self._end("silence", seconds, speak)

        self._on_loop(act)

    def raw(self, frame: bytes | str) -> int:
        """Send this frame, whatever it is, to every open connection, binary or as text; to how many."""

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
