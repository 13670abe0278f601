"""What the Kite tests share: the simulator, a client of it, quotes in the official client's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
import websocket

from mdactors.adapter import Outgoing, Secret
from mdactors.simulator import PriceState, Session, SimulatorOptions, SimulatorServer, Venue
from mdactors_kite.adapter import KiteAdapter, KiteSettings
from mdactors_kite.codec import KiteQuote
from mdactors_kite.simulator import KiteSimulator

EMPTY = {"quantity": 0, "price": 0.0, "orders": 0}


def _rungs(levels: tuple[Any, ...]) -> list[dict[str, Any]]:
    said = [{"quantity": level.quantity, "price": level.price, "orders": level.orders} for level in levels]
    return said + [EMPTY] * (5 - len(said))


def _time(epoch_ms: int | None) -> float | None:
    """Epoch seconds, which the official client's naive datetimes are compared by."""
    return None if epoch_ms is None else epoch_ms / 1000


def _comparable(tick: dict[str, Any]) -> dict[str, Any]:
    if "oi" in tick:
        if tick["instrument_token"] & 0xFF in (1, 4):
            tick["oi"] = None
        if tick["oi"] is None or not tick["oi_day_high"]:
            tick["oi_day_high"] = tick["oi_day_low"] = None
    return tick


@pytest.fixture(scope="session")
def comparable() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Takes out of a tick of the official client what we leave out: see test_kite_disagreements."""
    return _comparable


def _as_ticker(quote: KiteQuote) -> dict[str, Any]:
    is_index = quote.token & 0xFF == 9
    last = quote.last_price or 0.0  # theirs knows no absent price: see test_kite_disagreements
    tick: dict[str, Any] = {
        "tradable": not is_index,
        "mode": quote.mode,
        "instrument_token": quote.token,
        "last_price": last,
    }
    if quote.mode == "ltp":
        return tick
    close = quote.previous_close or 0.0
    day = {"open": quote.open, "high": quote.high, "low": quote.low}
    tick["ohlc"] = {name: price or 0.0 for name, price in day.items()} | {"close": close}
    tick["change"] = (last - close) * 100 / close if close else 0
    if quote.last_quantity is not None:
        tick["last_traded_quantity"] = quote.last_quantity
        tick["average_traded_price"] = quote.average_price or 0.0
        tick["volume_traded"] = quote.volume
        tick["total_buy_quantity"] = quote.buy_quantity
        tick["total_sell_quantity"] = quote.sell_quantity
    if quote.mode == "full":
        tick["exchange_timestamp"] = _time(quote.exchange_time)
    book = quote.depth()
    if book is not None:
        tick["last_trade_time"] = _time(quote.last_trade_time)
        tick["oi"] = quote.open_interest
        tick["oi_day_high"], tick["oi_day_low"] = quote.open_interest_high, quote.open_interest_low
        tick["depth"] = {"buy": _rungs(book.buy), "sell": _rungs(book.sell)}
    return tick


@pytest.fixture(scope="session")
def as_ticker() -> Callable[[KiteQuote], dict[str, Any]]:
    """Turns a quote into the dictionary that the official client makes of the same packet."""
    return _as_ticker


class Board(Venue):
    """A market on which nothing moves but what a test moves."""

    def __init__(self, *states: PriceState) -> None:
        super().__init__(states, 1_795_149_930_000, Session())
        self.moved: list[PriceState] = []

    def move(self, token: int, **figures: Any) -> None:
        """Change an instrument; the next advance tells."""
        state = self.states[token]
        for name, value in figures.items():
            setattr(state, name, value)
        self.moved.append(state)

    def advance(self, to_ms: int) -> list[PriceState]:
        self.now_ms = to_ms
        moved, self.moved = self.moved, []
        return moved


class Client:
    """A client of a simulator, subscribed and heard through the adapter."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.adapter = KiteAdapter(msgspec.convert(settings, KiteSettings, dec_hook=_secret))
        endpoint = self.adapter.endpoint()
        self.socket = websocket.create_connection(
            endpoint.url.reveal(), header=endpoint.headers, timeout=10, suppress_origin=True
        )
        self.frames: list[bytes | str] = []

    def say(self, *messages: Any) -> None:
        """Send messages as they are: texts, bytes, or values as JSON."""
        for message in messages:
            if isinstance(message, bytes):
                self.socket.send_binary(message)
            else:
                self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Send what the adapter says."""
        for frame in outgoing:
            self.socket.send(frame.data.decode())

    def frame(self) -> bytes | str:
        """The next frame."""
        opcode, data = self.socket.recv_data()
        frame = data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else bytes(data)
        self.frames.append(frame)
        return frame

    def quotes(self, count: int) -> list[KiteQuote]:
        """The next quotes, whole frames until there are so many; nothing in them is bad."""
        quotes: list[Any] = []
        while len(quotes) < count:
            decoded = self.adapter.decode(self.frame())
            assert not decoded.bad
            quotes += decoded.quotes
        return quotes


def _secret(kind: type, text: Any) -> Any:
    assert kind is Secret
    return Secret(text)


@pytest.fixture(scope="session")
def board() -> type[Board]:
    """A market that stands still."""
    return Board


@pytest.fixture
def serve(clock):
    """Serves a market as Kite; time moves by steps only."""
    with ExitStack() as stack:

        def start(market: Venue, **options: Any) -> SimulatorServer:
            market.clock = clock
            simulator = KiteSimulator(market, SimulatorOptions(**{"beat": 0.0, **options}))
            return stack.enter_context(SimulatorServer(simulator))

        yield start


@pytest.fixture
def connect():
    """Connects to a simulator as the adapter would; closed at the end."""
    with ExitStack() as stack:

        def open_client(server: SimulatorServer, **settings: Any) -> Client:
            client = Client({**server.settings(), **settings})
            stack.callback(client.socket.close)
            return client

        yield open_client
