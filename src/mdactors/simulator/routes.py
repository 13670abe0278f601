"""What an adapter's simulator answers on: REST routes, websocket routes and their conversations."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from mdactors.market.quote import BrokerToken
from mdactors.simulator.state import PriceState

CONTROL = "/simulator/"
"""Where the paths of faults and of the judge's log begin: no broker's, and never refused."""


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, a websocket's handshake included."""

    method: str
    path: str
    """As sent: still percent-encoded."""
    query: Mapping[str, list[str]]
    """Decoded; every name with all its values."""
    headers: Mapping[str, str]
    """Names in any case: ``headers.get("authorization")`` works."""
    body: bytes = b""
    parameters: Mapping[str, str] = {}
    """The decoded ``{name}`` parts of the route's path."""
    remote: str = "127.0.0.1"
    """The client's address."""

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query[name][0] if self.query.get(name) else default


class Reply(msgspec.Struct, frozen=True):
    """The answer to a request; instead of a conversation it refuses a handshake."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @classmethod
    def json(cls, value: object, status: int = 200) -> Reply:
        """A JSON answer."""
        return cls(status, msgspec.json.encode(value), {"Content-Type": "application/json"})


class Piece(msgspec.Struct, frozen=True):
    """A part of a recorded frame that speaks of one instrument, or of none."""

    name: BrokerToken | None
    """The broker's own word for the instrument; None: it is for everybody."""
    content: bytes
    """What a daemon keeps as the raw bytes of the update."""
    wire: bytes
    """The part as it stands in the frame."""


class CutFrame(msgspec.Struct, frozen=True):
    """A recorded frame, and the parts that it can be cut into; without parts it is for everybody."""

    data: bytes | str
    pieces: Sequence[Piece] = ()


class Peer(Protocol):
    """The other end of one open websocket. Everything on the loop's thread; nothing raises or blocks."""

    id: int
    """Counts the connections since the server's start, from 1."""

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent."""

    def send(self, data: bytes | str) -> None:
        """Send one frame, binary or text; a peer that leaves 16 MiB unread is dropped."""

    def ping(self) -> None:
        """Send a websocket ping without payload."""

    def close(self, code: int = 1000) -> None:
        """Close politely with a code."""

    def drop(self) -> None:
        """Cut the line without a word, as a network does."""

    def count_sent(self, token: int, updates: int, content: bytes) -> None:
        """Enter updates of an instrument (our token) and what they said into the judge's log."""


class Conversation(abc.ABC):
    """One client on one websocket; every hook runs on the server's loop."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def on_open(self) -> None:  # noqa: B027 - a hook that many leave empty
        """The handshake is done; the first frames may go."""

    @abc.abstractmethod
    def on_message(self, data: bytes | str) -> None:
        """The client sent a frame: bytes if it was binary, str if it was text."""

    @abc.abstractmethod
    def on_beat(self, changed: Sequence[PriceState], now_ms: int) -> None:
        """The exchange moved on to ``now_ms`` (its time); ``changed`` may be empty (heartbeats)."""

    def on_frame(self, frame: CutFrame) -> None:
        """A recorded frame is due: send what of it is for this client; here, all of it."""
        self.peer.send(frame.data)

    def on_idle(self) -> None:  # noqa: B027 - not every broker has heartbeats
        """Nothing was sent for a second of real time while a recording is played: keep the line alive."""

    def on_close(self) -> None:  # noqa: B027 - a hook that many leave empty
        """The socket is gone; nothing can be sent any more."""

    def sent(self, token: int, updates: int = 1, content: bytes = b"") -> None:
        """Say that updates of an instrument (our token) were sent, snapshots included.

        ``content`` is their bytes where the log shall be able to tell whether they arrived unchanged.
        """
        self.peer.count_sent(token, updates, content)


class Route(msgspec.Struct, frozen=True):
    """One REST path; ``{name}`` stands for one path segment: ``/instruments/{exchange}``.

    The handler runs on the loop and must be quick. An exception answers 500 and is logged.
    """

    method: str
    path: str
    handler: Callable[[Request], Reply]


class SocketRoute(msgspec.Struct, frozen=True):
    """One websocket path; the factory runs before the handshake is answered, a `Reply` refuses it."""

    path: str
    factory: Callable[[Request, Peer], Conversation | Reply]
