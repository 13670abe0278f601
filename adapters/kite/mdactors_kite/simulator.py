"""A stand-in for Kite: the same handshake, rules and bytes, over a market of our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import msgspec

from mdactors.simulator import (
    Conversation,
    CutFrame,
    Peer,
    Piece,
    PriceState,
    Reply,
    Request,
    Route,
    Simulator,
    SimulatorOptions,
    SocketRoute,
    Venue,
)
from mdactors_kite import simulator_packets as wire
from mdactors_kite.simulator_rest import KiteRest, error

API_KEY = "simulated"
MOST_CONNECTIONS = 3
MOST_TOKENS = 3000
HEARTBEAT_SECONDS = 1.0


class KiteSimulator(Simulator):
    """Owns the open conversations, of which Kite allows three, and shares the market with them."""

    name: ClassVar[str] = "kite"

    def __init__(self, exchange: Venue, options: SimulatorOptions) -> None:
        super().__init__(exchange, options)
        self.open: set[KiteConversation] = set()

    @classmethod
    def cut(cls, data: bytes | str) -> CutFrame:
        """Cut a frame into its packets; texts, heartbeats and what is damaged are for everybody."""
        bodies = wire.packets(data) if isinstance(data, bytes) else []
        pieces = [Piece(wire.token(body), body, body) for body in bodies]
        return CutFrame(data, pieces)

    def routes(self) -> Sequence[Route | SocketRoute]:
        """The websocket at the root, and the REST that a data daemon needs."""
        rest = KiteRest(self.exchange, API_KEY, self.accepts)
        return [SocketRoute("/", self._converse), *rest.routes()]

    def settings(self, port: int) -> dict[str, Any]:
        """The adapter's settings that lead here."""
        return {
            "api_key": API_KEY,
            "access_token": self.options.token,
            "websocket_url": f"ws://127.0.0.1:{port}",
            "rest_url": f"http://127.0.0.1:{port}",
        }

    def _converse(self, request: Request, peer: Peer) -> Conversation | Reply:
        if "api_key" not in request.query:
            return error(400, "InputException", "Invalid `api_key` or `access_token`.")
        if request.first("api_key") != API_KEY or not self.accepts(request.first("access_token")):
            return error(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        if sum(conversation.peer.is_open for conversation in self.open) >= MOST_CONNECTIONS:
            return error(429, "NetworkException", "Too many requests")
        return KiteConversation(peer, self)


class KiteConversation(Conversation):
    """One websocket: who is subscribed in which mode, and what was last said of it.

    Kite acknowledges nothing: a subscription or a change of mode is answered by the last known state,
    and from then on a packet comes only when something in it is new.
    """

    def __init__(self, peer: Peer, simulator: KiteSimulator) -> None:
        super().__init__(peer)
        self._simulator = simulator
        self._modes: dict[int, str] = {}
        self._said: dict[int, bytes] = {}
        self._spoke_ms = simulator.exchange.now_ms

    def on_open(self) -> None:
        """Take one of the three places."""
        self._simulator.open.add(self)

    def on_close(self) -> None:
        """Give the place back."""
        self._simulator.open.discard(self)

    def on_message(self, data: bytes | str) -> None:
        """Do what a JSON text asks; whatever else comes is passed over in silence."""
        match _parsed(data):
            case {"a": "subscribe", "v": list(asked)}:
                self._subscribe(_numbers(asked))
            case {"a": "unsubscribe", "v": list(asked)}:
                for token in _numbers(asked):
                    self._modes.pop(token, None)
                    self._said.pop(token, None)
            case {"a": "mode", "v": [("ltp" | "quote" | "full") as mode, list(asked)]}:
                self._set_mode(mode, [token for token in _numbers(asked) if token in self._modes])

    def on_beat(self, changed: Sequence[PriceState], now_ms: int) -> None:
        """Say what is new to this client; a heartbeat after a second of nothing."""
        self._say(changed)
        if self._simulator.exchange.recorded:
            return  # heartbeats go by real time then
        if now_ms - self._spoke_ms >= HEARTBEAT_SECONDS * 1000 * self._simulator.options.speed:
            self._send(wire.HEARTBEAT)

    def on_frame(self, frame: CutFrame) -> None:
        """Pass a recorded frame on: whole where all of it is wanted, else its packets that are."""
        if frame.pieces:
            self._pass_on([piece for piece in frame.pieces if piece.name in self._modes], frame)
        else:
            self._send(frame.data)

    def on_idle(self) -> None:
        """Say that the line is alive."""
        self._send(wire.HEARTBEAT)

    def _pass_on(self, pieces: Sequence[Piece], frame: CutFrame | None = None) -> None:
        for piece in pieces:
            if isinstance(piece.name, int):
                self.sent(piece.name, content=piece.content)
        if frame is not None and len(pieces) == len(frame.pieces):
            self._send(frame.data)
            return
        for data in wire.frames([piece.wire for piece in pieces]):
            self._send(data)

    def _subscribe(self, tokens: Sequence[int]) -> None:
        market = self._simulator.exchange
        listed = [token for token in tokens if market.state(token) is not None]
        fresh = [token for token in listed if token not in self._modes]
        refused = set(fresh[MOST_TOKENS - len(self._modes) :])
        if refused:
            text = f"Cannot subscribe to more than {MOST_TOKENS} instruments on one connection."
            self._send(msgspec.json.encode({"type": "error", "data": text}).decode())
        self._set_mode("quote", [token for token in listed if token not in refused])
        if len(refused) < len(listed):
            market.subscribed()

    def _set_mode(self, mode: str, tokens: Sequence[int]) -> None:
        for token in tokens:
            self._modes[token] = mode
            self._said.pop(token, None)
        market = self._simulator.exchange
        if market.raw:
            self._pass_on(market.last_said(tokens))
        else:
            self._say(market.states[token] for token in tokens)

    def _say(self, states: Iterable[PriceState]) -> None:
        packets = []
        for state in states:
            token = state.token
            mode = self._modes.get(token)
            if mode is None:
                continue
            packet = wire.packet(state, mode)
            if packet != self._said.get(token) or self._simulator.exchange.recorded:
                self._said[token] = packet
                self.sent(token, content=packet)
                packets.append(packet)
        for frame in wire.frames(packets, self._simulator.options.packets_per_frame):
            self._send(frame)

    def _send(self, frame: bytes | str) -> None:
        self._spoke_ms = self._simulator.exchange.now_ms
        self.peer.send(frame)


def _parsed(data: bytes | str) -> Any:
    try:
        return msgspec.json.decode(data) if isinstance(data, str) else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _numbers(asked: Sequence[Any]) -> list[int]:
    """The tokens that Kite understands: JSON numbers, not the same digits as texts; each once."""
    return list(dict.fromkeys(token for token in asked if type(token) is int))
