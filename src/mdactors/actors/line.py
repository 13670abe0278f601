"""What a connection shares with its successor and with who judges the feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from mdactors.actors.feed_socket import FeedSocket
from mdactors.adapter import BrokerToken, Mode


class Line:
    """What outlives a connection's actor: the socket that a successor must end, and an operator's word.

    Made by the composition root, one for each connection. Only the living actor changes it, and replaces
    what it changes; the Normalizer reads the rest, in its own thread.
    """

    def __init__(self) -> None:
        self.socket: FeedSocket | None = None
        self.sockets = 0
        self.closed_by_operator = False
        self.silent_since_ns = 0
        """Wall time since which frames may be missing; 0 while none can be."""
        self.state = "idle"
        """As in `ConnectionReported`."""
        self.detail = ""
        self.wanted: Mapping[BrokerToken, Mode] = {}
        """All that is to stream on it, whether it does or not."""
        self._heard: float | None = None
        """When the sockets before had their last bytes."""

    def replace(self, make: Callable[[int], FeedSocket]) -> FeedSocket:
        """End the socket before and take a new one with the next number."""
        self.end()
        self.sockets += 1
        self.socket = make(self.sockets)
        return self.socket

    def end(self) -> None:
        """End the socket, if there is one; from its last bytes on frames may be missing."""
        if self.socket is not None:
            self.silent_since_ns = self.silent_since_ns or self.socket.last_received_ns
            self._heard = self._last_bytes(self.socket)
            self.socket.abort()
            self.socket = None

    @property
    def is_live(self) -> bool:
        """Whether it is connected, as far as its actor knows."""
        return self.state == "live" and self.socket is not None

    @property
    def heard(self) -> float | None:
        """Monotonic seconds of the last bytes, heartbeats and pings included; None while it is not live."""
        return self._last_bytes(self.socket) if self.socket is not None and self.is_live else None

    def _last_bytes(self, socket: FeedSocket) -> float:
        # A handshake is no heartbeat: a broker that says nothing may still let in whoever comes.
        if socket.last_received_ns or self._heard is None:
            return socket.last_received
        return self._heard


class Upkeep(msgspec.Struct, frozen=True):
    """How a broker's connections stand, taken together."""

    heard: float | None = None
    """Monotonic seconds of the last bytes on any that is live; None while none is."""
    login: str = ""
    """Why one of them needs a login; empty where none does."""
    shut: bool = False
    """Whether an operator has closed them all."""

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Upkeep:
        """The lines of one broker as they are now."""
        return cls(
            heard=max((heard for line in lines if (heard := line.heard) is not None), default=None),
            login=next((line.detail for line in lines if line.state == "needs_login"), ""),
            shut=bool(lines) and all(line.closed_by_operator for line in lines),
        )
