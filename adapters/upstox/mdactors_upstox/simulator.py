"""A stand-in for Upstox: the same handshake, rules and bytes, over a market of our own."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

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
from mdactors_upstox import simulator_feed as feed
from mdactors_upstox.simulator_rest import UpstoxRest, error

FEED_PATH = "/market-data-feeder/v3/upstox-developer-api/feeds"
DIRECT_PATH = "/v3/feed/market-data-feed"
MOST_CONNECTIONS = {"normal": 2, "plus": 5}
MOST_ALONE = {"ltpc": 5000, "option_greeks": 3000, "full": 2000, "full_d30": 50}
MOST_COMBINED = {"ltpc": 2000, "option_greeks": 2000, "full": 1500, "full_d30": 50}
PARTIAL_SHARE = 0.1
"""Of the live entries in a full mode come without their book or their candles."""
IDLE_SECONDS = 5.0
"""Without a frame, after which the server pings."""


class UpstoxSimulator(Simulator):
    """Owns the one-time codes and the open conversations, whose number the plan limits."""

    name: ClassVar[str] = "upstox"

    def __init__(self, exchange: Venue, options: SimulatorOptions) -> None:
        super().__init__(exchange, options)
        self.plan: Literal["normal", "plus"] = "normal"
        self.open: set[UpstoxConversation] = set()
        self._codes: set[str] = set()

    @classmethod
    def cut(cls, data: bytes | str) -> CutFrame:
        """Cut a frame into its entries and what surrounds them; without an entry it is for everybody."""
        pieces = [Piece(*part) for part in feed.parts(data)] if isinstance(data, bytes) else []
        return CutFrame(data, pieces if any(piece.name is not None for piece in pieces) else [])

    def routes(self) -> Sequence[Route | SocketRoute]:
        """The socket under its one-time address, two ways to one, and the REST that a data daemon needs."""
        rest = UpstoxRest(self.exchange, self.has_token)
        return [
            Route("GET", f"{DIRECT_PATH}/authorize", self._authorize),
            SocketRoute(DIRECT_PATH, self._redirect),
            SocketRoute(FEED_PATH, self._converse),
            *rest.routes(),
        ]

    def settings(self, port: int) -> dict[str, Any]:
        """The adapter's settings that lead here."""
        root = f"http://127.0.0.1:{port}"
        return {
            "access_token": self.options.token,
            "rest_url": root,
            "instruments_url": f"{root}/market-quote/instruments/exchange/complete.json.gz",
            "plan": self.plan,
        }

    def has_token(self, request: Request) -> bool:
        """Whether a request carries the token that is accepted now."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.accepts(token)

    def _one_time_address(self, request: Request) -> str:
        code = str(uuid.uuid4())
        self._codes.add(code)
        return f"ws://{request.headers['Host']}{FEED_PATH}?requestId={uuid.uuid4()}&code={code}"

    def _authorize(self, request: Request) -> Reply:
        if not self.has_token(request):
            return _bad_token()
        address = self._one_time_address(request)
        data = {"authorized_redirect_uri": address, "authorizedRedirectUri": address}
        return Reply.json({"status": "success", "data": data})

    def _redirect(self, request: Request, peer: Peer) -> Reply:  # noqa: ARG002 - it never becomes a peer
        if not self.has_token(request):
            return _bad_token()
        return Reply(302, headers={"Location": self._one_time_address(request)})

    def _converse(self, request: Request, peer: Peer) -> Conversation | Reply:
        code = request.first("code")
        if code not in self._codes:
            return Reply(401)
        self._codes.discard(code)
        if sum(conversation.peer.is_open for conversation in self.open) >= MOST_CONNECTIONS[self.plan]:
            return Reply(403)
        return UpstoxConversation(peer, self)


class UpstoxConversation(Conversation):
    """One websocket: the mode of each key, and what the client has seen of it.

    Upstox acknowledges nothing and refuses nothing: keys that it does not know or that are too many are
    left out in silence.
    """

    def __init__(self, peer: Peer, simulator: UpstoxSimulator) -> None:
        super().__init__(peer)
        self._simulator = simulator
        self._market = simulator.exchange
        self._modes: dict[str, str] = {}
        self._seen: dict[str, object] = {}
        """Key -> what of its last entry decides whether the next may be partial, or is none at all."""
        self._told: object = None
        """What it was last told of the segments."""
        self._spoke_ms = self._market.now_ms
        self._random = random.Random(simulator.options.seed)

    def on_open(self) -> None:
        """Take a place and say how the segments stand, which needs no subscription."""
        self._simulator.open.add(self)
        self._tell_statuses()

    def on_close(self) -> None:
        """Give the place back."""
        self._simulator.open.discard(self)

    def on_message(self, data: bytes | str) -> None:
        """Do what a JSON request in a binary frame asks; whatever else comes is passed over in silence."""
        match _parsed(data):
            case {"method": "sub", "data": {"instrumentKeys": list(keys), **rest}}:
                self._subscribe(_texts(keys), rest.get("mode", "ltpc"))
            case {"method": "change_mode", "data": {"instrumentKeys": list(keys), "mode": mode}}:
                self._take([key for key in _texts(keys) if key in self._modes], mode)
            case {"method": "unsub", "data": {"instrumentKeys": list(keys)}}:
                for key in _texts(keys):
                    self._modes.pop(key, None)
                    self._seen.pop(key, None)

    def on_frame(self, frame: CutFrame) -> None:
        """Pass a recorded frame on: whole where all of it is wanted, else without what is not."""
        if frame.pieces:
            self._pass_on(
                [each for each in frame.pieces if each.name is None or each.name in self._modes], frame
            )
        else:
            self._send(frame.data)

    def on_idle(self) -> None:
        """Ping."""
        self.peer.ping()

    def _pass_on(self, pieces: Sequence[Piece], frame: CutFrame | None = None) -> None:
        said = [piece for piece in pieces if piece.name is not None]
        for piece in said:
            state = self._market.by_key(str(piece.name))
            if state is not None:
                self.sent(state.token, content=piece.content)
        if frame is not None and len(pieces) == len(frame.pieces):
            self._send(frame.data)
        elif said:
            self._send(b"".join(piece.wire for piece in pieces))

    def on_beat(self, changed: Sequence[PriceState], now_ms: int) -> None:
        """Say what changed; ping after a while of nothing."""
        self._tell_statuses()
        entries = [entry for state in changed for entry in self._live_entry(state)]
        most = self._simulator.options.packets_per_frame or len(entries) or 1
        for start in range(0, len(entries), most):
            self._send(feed.frame(entries[start : start + most], now_ms, live=True))
        if self._market.recorded:
            return  # pings go by real time then
        if now_ms - self._spoke_ms >= IDLE_SECONDS * 1000 * self._simulator.options.speed:
            self._spoke_ms = now_ms
            self.peer.ping()

    def _subscribe(self, keys: Sequence[str], mode: object) -> None:
        """Answer with one snapshot of all the keys that were accepted."""
        entries = []
        taken = self._take(keys, mode)
        if taken:
            self._market.subscribed()
        if self._market.raw:
            self._pass_on(self._market.last_said(taken))
            return
        for key in taken:
            state = self._market.by_key(key)
            if state is not None:
                entries.append(feed.entry(state, self._modes[key]))
                self._seen[key] = _essence(state, self._modes[key])
                self.sent(state.token, content=feed.content(entries[-1]))
        if entries:
            self._send(feed.frame(entries, self._market.now_ms, live=False))

    def _take(self, keys: Iterable[str], mode: Any) -> list[str]:
        """Give keys a mode, as far as the limits allow; the keys that got it."""
        if mode not in feed.MODES or (mode == "full_d30" and self._simulator.plan == "normal"):
            return []
        counts = dict.fromkeys(feed.MODES, 0)
        for each in self._modes.values():
            counts[each] += 1
        taken = []
        for key in keys:
            if self._market.by_key(key) is None:
                continue
            held = self._modes.get(key)
            if held is not None:
                counts[held] -= 1
            alone = all(count == 0 for other, count in counts.items() if other != mode)
            if counts[mode] < (MOST_ALONE if alone else MOST_COMBINED)[mode]:
                self._modes[key] = mode
                held = mode
                self._seen.pop(key, None)  # the next entry is whole
                taken.append(key)
            if held is not None:
                counts[held] += 1
        return taken

    def _live_entry(self, state: PriceState) -> Iterable[bytes]:
        key = state.instrument.key
        mode = self._modes.get(key)
        if mode is None:
            return
        seen, essence = self._seen.get(key), _essence(state, mode)
        self._seen[key] = essence
        if self._market.recorded:
            seen = None  # each is sent, and whole
        if mode == "ltpc" and seen == essence:
            return
        # Partial only where the client has seen this instrument whole, in this mode and with this day.
        partial = seen == essence and mode in feed.RUNGS and self._random.random() < PARTIAL_SHARE
        without_book = partial and self._random.random() < 0.5
        entry = feed.entry(state, mode, with_book=not without_book, with_day=not partial or without_book)
        self.sent(state.token, content=feed.content(entry))
        yield entry

    def _tell_statuses(self) -> None:
        if self._market.raw:
            return  # they were recorded as well
        statuses, auctions = self._market.statuses(), self._market.auction_words()
        if (statuses, auctions) != self._told:
            self._told = statuses, auctions
            self._send(feed.market_info(statuses, self._market.now_ms, *auctions))

    def _send(self, frame: bytes | str) -> None:
        self._spoke_ms = self._market.now_ms
        self.peer.send(frame)


def _essence(state: PriceState, mode: str) -> object:
    """What must not be kept from the client: the last trade in mode ltpc, else the day's candle."""
    return feed.last_trade(state) if mode == "ltpc" else (state.open, state.high, state.low)


def _bad_token() -> Reply:
    return error(401, "UDAPI100050", "Invalid token used to access API")


def _parsed(data: bytes | str) -> Any:
    try:
        return msgspec.json.decode(data) if isinstance(data, bytes) else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _texts(keys: Sequence[Any]) -> list[str]:
    """The keys that are texts, each once."""
    return list(dict.fromkeys(key for key in keys if isinstance(key, str)))
