"""The open connections of one server, what the beat tells them, and the faults that they suffer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from tornado.websocket import WebSocketHandler

from mdactors.runtime import Clock
from mdactors.simulator.peer import SocketPeer
from mdactors.simulator.routes import CutFrame, Reply
from mdactors.simulator.sent_log import SentLog
from mdactors.simulator.state import PriceState
from mdactors.simulator.venue import Change

Door = Literal["socket", "rest"]
"""What a client comes for: a websocket's handshake, or an answer of REST."""


class Switchboard:
    """Owns every open connection; lives on the loop's thread."""

    def __init__(self, log: SentLog, clock: Clock) -> None:
        self.peers: dict[int, SocketPeer] = {}
        self.silent = False
        """Whether the market's changes are withheld."""
        self.mute = False
        """Whether nothing at all is said or heard, also on what is opened meanwhile."""
        self._log = log
        self._clock = clock
        self._last_number = 0
        self._refusals: dict[Door, list[Reply]] = {}

    def refuse(self, door: Door, reply: Reply, count: int) -> None:
        """Answer so the next that comes to a door; a count of 0 forgets earlier orders."""
        self._refusals[door] = [reply] * count

    def refusal(self, door: Door) -> Reply | None:
        """The ordered answer to what is at the door."""
        ordered = self._refusals.get(door)
        return ordered.pop() if ordered else None

    def greet(self, handler: WebSocketHandler) -> SocketPeer:
        """A peer for a handshake that is being answered; not open yet."""
        self._last_number += 1
        return SocketPeer(self._last_number, handler)

    def opened(self, peer: SocketPeer) -> None:
        """The handshake is done."""
        self.peers[peer.id] = peer
        if self.mute:
            peer.stall()
        peer.opened()

    def closed(self, peer: SocketPeer) -> None:
        """The socket is gone."""
        self.peers.pop(peer.id, None)
        peer.closed()
        self._note([peer])

    def beat(self, changed: Sequence[PriceState], now_ms: int) -> None:
        """Tell every conversation what changed."""
        told = [] if self.silent else changed
        for peer in list(self.peers.values()):
            peer.beat(told, now_ms)

    def play(self, change: Change, now_ms: int) -> None:
        """Tell every conversation what was recorded of one moment."""
        if isinstance(change, CutFrame):
            for peer in [] if self.silent else list(self.peers.values()):
                peer.frame(change)
            return
        # By the time of the update itself, where it says one.
        self.beat(change, change[0].exchange_time if len(change) == 1 else now_ms)

    def keep_alive(self) -> None:
        """Let those speak that have not since the last time."""
        for peer in list(self.peers.values()):
            if not peer.spoke and not peer.unread:
                peer.idle()
            peer.spoke = False

    def collect(self) -> dict[int, dict[int, int]]:
        """Bring the judge's log up to now; the totals."""
        self._note(self.peers.values())
        return self._log.totals

    def _note(self, peers: Iterable[SocketPeer]) -> None:
        self._log.collect(peers, self._clock.time_ns() // 1_000_000)
