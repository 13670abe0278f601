"""What the Upstox tests share: the reference's frames, a still market, a client of the simulator."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websocket

from mdactors.adapter import Outgoing, Secret
from mdactors.market.instrument import InstrumentRow
from mdactors.market.quote import Greeks, Level
from mdactors.simulator import (
    Candle,
    FixedBook,
    PriceState,
    Session,
    SimulatorOptions,
    SimulatorServer,
    Venue,
)
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings
from mdactors_upstox.codec import UpstoxQuote
from mdactors_upstox.simulator import UpstoxSimulator

NOW = 1_795_149_930_000


@pytest.fixture(scope="session")
def vectors() -> dict[str, dict[str, Any]]:
    """The frames of the reference: hex and the official streamer's dictionary, by name."""
    return json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def frame(vectors) -> Callable[[str], bytes]:
    """A frame of the reference by its name."""
    return lambda name: bytes.fromhex(vectors[name]["hex"])


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _quote_in_short(quote: UpstoxQuote) -> dict[str, Any]:
    book, greeks = quote.depth(), quote.greeks()
    return _said(
        mode=quote.mode,
        ltp=quote.last_price,
        ltq=quote.last_quantity,
        ltt=quote.last_trade_time,
        cp=quote.previous_close,
        vtt=quote.volume,
        atp=quote.average_price,
        oi=quote.open_interest,
        iv=quote.iv,
        tbq=quote.buy_quantity,
        tsq=quote.sell_quantity,
        open=quote.open,
        high=quote.high,
        low=quote.low,
        buy=book and [(level.price, level.quantity) for level in book.buy],
        sell=book and [(level.price, level.quantity) for level in book.sell],
        greeks=greeks and _said(**msgspec.structs.asdict(greeks)),
    )


def _feed_in_short(feed: Mapping[str, Any]) -> dict[str, Any]:
    full = feed.get("fullFeed", {})
    first = feed.get("firstLevelWithGreeks")
    said = full.get("marketFF") or full.get("indexFF") or first or feed
    ltpc = said.get("ltpc", {})
    rungs = [first["firstDepth"]] if first and "firstDepth" in first else []
    rungs = said.get("marketLevel", {}).get("bidAskQuote", rungs)
    days = [candle for candle in said.get("marketOHLC", {}).get("ohlc", []) if candle.get("interval") == "1d"]
    day = days[0] if days else {}
    deep = feed.get("requestMode") == "full_d30"
    return _said(
        mode="quote" if first else "ltp" if "fullFeed" not in feed else "depth30" if deep else "full",
        ltp=ltpc.get("ltp"),
        ltq=int(ltpc.get("ltq", 0)) if "indexFF" not in full else None,
        ltt=int(ltpc.get("ltt", 0)),
        cp=ltpc.get("cp"),
        vtt=int(said.get("vtt", 0)),
        atp=said.get("atp"),
        oi=said.get("oi"),
        iv=said.get("iv"),
        tbq=said.get("tbq"),
        tsq=said.get("tsq"),
        open=day.get("open"),
        high=day.get("high"),
        low=day.get("low"),
        buy=[(rung["bidP"], int(rung["bidQ"])) for rung in rungs if {"bidQ", "bidP"} <= rung.keys()],
        sell=[(rung["askP"], int(rung["askQ"])) for rung in rungs if {"askQ", "askP"} <= rung.keys()],
        greeks=_said(**said.get("optionGreeks", {})),
    )


@pytest.fixture(scope="session")
def quote_in_short() -> Callable[[UpstoxQuote], dict[str, Any]]:
    """A quote in Upstox's words, zeros left out as the official streamer does."""
    return _quote_in_short


@pytest.fixture(scope="session")
def feed_in_short() -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """As much of a feed of the official streamer's dictionary as a quote holds."""
    return _feed_in_short


class Board(Venue):
    """A market on which nothing moves but what a test moves."""

    def __init__(self, *states: PriceState) -> None:
        super().__init__(states, NOW, Session())
        self.moved: list[PriceState] = []

    def move(self, key: str, **figures: Any) -> None:
        """Change an instrument; the next advance tells."""
        state = self.by_key(key)
        assert state is not None
        for name, value in figures.items():
            setattr(state, name, value)
        self.moved.append(state)

    def advance(self, to_ms: int) -> list[PriceState]:
        self.now_ms = to_ms
        moved, self.moved = self.moved, []
        return moved


def _states() -> list[PriceState]:
    book = FixedBook(
        (Level(1277.3, 570, 3), Level(1277.2, 366, 1)), (Level(1277.4, 746, 5), Level(1277.5, 700, 2))
    )
    minute = Candle(1276.8, 1277.5, 1276.6, 1277.2, 45_682, NOW - 90_000)
    return [
        PriceState(
            InstrumentRow(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018",
                          series="EQ", name="Reliance", isin="INE002A01018", tick_size=0.1),
            1277.4, 1274.0, 1270.0, 1279.9, 1268.5, 42, NOW - 500, NOW, 7_790_518, 1274.68,
            buy_quantity=359_157, sell_quantity=421_241, last_minute=minute, book=book,
        ),
        PriceState(
            InstrumentRow(45450 << 8 | 2, "NIFTY26NOV24400PE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45450",
                          name="NIFTY", lot_size=75, expiry="2026-11-24", strike=24400.0,
                          option_type="PE", underlying="NIFTY"),
            219.3, 494.05, 260.0, 282.7, 136.75, 75, NOW - 400, NOW, 32_205_075, 189.33, 2_811_525,
            buy_quantity=58_850, sell_quantity=94_825, iv=0.1277, last_minute=minute, book=book,
            greeks=Greeks(-0.5637, -18.9642, 0.0014, 8.9092, -1.1677),
        ),
        PriceState(
            InstrumentRow(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50",
                          name="Nifty 50"),
            24310.5, 24600.0, 24500.0, 24610.0, 24290.0, last_trade_time=NOW - 300, exchange_time=NOW,
        ),
    ]  # fmt: skip


@pytest.fixture
def board() -> Board:
    """A share, an option and an index that stand still."""
    return Board(*_states())


class Client:
    """A client of a simulator, subscribed and heard through the adapter."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.adapter = UpstoxAdapter(msgspec.convert(settings, UpstoxSettings, dec_hook=_secret))
        endpoint = self.adapter.endpoint()
        self.socket = websocket.create_connection(
            endpoint.url.reveal(), header=endpoint.headers, timeout=10, suppress_origin=True
        )

    def say(self, message: bytes | str) -> None:
        """Send a frame as it is."""
        if isinstance(message, bytes):
            self.socket.send_binary(message)
        else:
            self.socket.send(message)

    def ask(self, method: str, keys: Sequence[str], mode: str | None = None) -> None:
        """Send a request in Upstox's own words."""
        data = {"instrumentKeys": keys, **({"mode": mode} if mode else {})}
        self.say(json.dumps({"guid": uuid.uuid4().hex, "method": method, "data": data}).encode())

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Send what the adapter says."""
        for frame in outgoing:
            assert frame.binary
            self.say(frame.data)

    def frame(self) -> bytes:
        """The next data frame."""
        return bytes(self.socket.recv_data()[1])

    def decoded(self) -> Any:
        """The next data frame as the adapter reads it; nothing in it is bad."""
        decoded = self.adapter.decode(self.frame())
        assert not decoded.bad
        return decoded

    def quotes(self) -> dict[str, UpstoxQuote]:
        """The next data frame's quotes by their key."""
        return {quote.token: quote for quote in self.decoded().quotes}


def _secret(kind: type, text: Any) -> Any:
    assert kind is Secret
    return Secret(text)


@pytest.fixture
def serve(clock):
    """Serves a market as Upstox; time moves by steps only."""
    with ExitStack() as stack:

        def start(market: Venue, plan: Any = "normal", **options: Any) -> SimulatorServer:
            market.clock = clock
            simulator = UpstoxSimulator(market, SimulatorOptions(**{"beat": 0.0, **options}))
            simulator.plan = plan
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
