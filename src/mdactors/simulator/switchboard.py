"""The open connections of one server, what the beat tells them, and the faults that they suffer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tornado.websocket import WebSocketHandler

from mdactors.runtime import Clock
from mdactors.simulator.peer import SocketPeer
from mdactors.simulator.routes import Reply
from mdactors.simulator.sent_log import SentLog
from mdactors.simulator.state import PriceState


class Switchboard:
    """Owns every open connection; lives on the loop's thread."""

    def __init__(self, log: SentLog, clock: Clock) -> None:
        self.peers: dict[int, SocketPeer] = {}
        self.silent = False
        """Whether the market's changes are withheld."""
        self._log = log
        self._clock = clock
        self._last_number = 0
        self._refusals: list[int] = []

    def refuse(self, status: int, count: int) -> None:
        """Refuse the next handshakes with a status; a count of 0 forgets earlier orders."""
        self._refusals = [status] * count

    def refusal(self) -> Reply | None:
        """The ordered refusal of the handshake at hand."""
        return Reply(self._refusals.pop()) if self._refusals else None

    def greet(self, handler: WebSocketHandler) -> SocketPeer:
        """A peer for a handshake that is being answered; not open yet."""
        self._last_number += 1
        return SocketPeer(self._last_number, handler)

    def opened(self, peer: SocketPeer) -> None:
        """The handshake is done."""
        self.peers[peer.id] = peer
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

    def collect(self) -> dict[int, dict[int, int]]:
        """Bring the judge's log up to now; the totals."""
        self._note(self.peers.values())
        return self._log.totals

    def _note(self, peers: Iterable[SocketPeer]) -> None:
        self._log.collect(peers, self._clock.time_ns() // 1_000_000)
