"""A real server on a real port, its loop in a thread, and behind it one small actor that plays the hub."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import websocket
from tests.today import TODAY, todays_clock

from mdactors.adapter import Secret
from mdactors.answers import request_answer
from mdactors.config import AdminSettings, ServerSettings
from mdactors.errors import BrokerUnavailable
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Interval
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.market_status import market_status
from mdactors.market.movers import Movers
from mdactors.market.option_chain import option_chain
from mdactors.market.prices import prices_by_type
from mdactors.market.quote import Quote
from mdactors.market.sector_board import SectorBoard
from mdactors.market.sectors import Sectors
from mdactors.market.tick import Tick
from mdactors.market.underlyings import Underlyings
from mdactors.messages import (
    ChainAsked,
    MarketStatusAsked,
    MoversAsked,
    PinAsked,
    PricesAsked,
    RefreshInstruments,
    SectorsAsked,
    SessionClosed,
    SessionReported,
    SessionsReported,
    SnapshotAsked,
    UnpinAsked,
)
from mdactors.protocol import Delivery, frame_text
from mdactors.runtime import (
    Actor,
    Address,
    ChildSpec,
    Clock,
    Context,
    Tree,
    handles,
    start_tree,
)
from mdactors.store.bars import BarStore
from mdactors.store.cache import Cache
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.instruments import InstrumentStore
from mdactors.store.ticks import TickStore
from mdactors.web.application import WebServer
from mdactors.web.gateway import Gateway

INSTRUMENTS = [
    Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50"),
    Instrument(265, "SENSEX", "BSE", "BSE_INDEX", "INDEX", "BSE_INDEX|SENSEX"),
    Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ"),
    Instrument(128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", series="A"),
    Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ"),
    Instrument(
        13238786, "NIFTY26NOVFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|51714", expiry="2026-11-24",
        underlying="NIFTY",
    ),
]  # fmt: skip


def option(number: int, expiry: str, strike: float, side: Literal["CE", "PE"]) -> Instrument:
    """An option on NIFTY, which contracts write for NIFTY 50."""
    symbol = f"NIFTY{number}{side}"
    return Instrument(
        number << 8 | 2, symbol, "NSE", "NSE_FO", "OPTION", f"NSE_FO|{number}", expiry=expiry, strike=strike,
        option_type=side, underlying="NIFTY",
    )  # fmt: skip


OPTIONS = [
    option(60001, "2026-11-24", 24400.0, "CE"),
    option(60002, "2026-11-24", 24400.0, "PE"),
    option(60003, "2026-11-24", 24500.0, "CE"),
    option(60004, "2026-12-29", 24400.0, "CE"),
]


class Backstage(Actor):
    """Owns nothing but what a test gave it; notes what it is told and answers requests as the hub would."""

    def __init__(self, context: Context, *, stage: Stage) -> None:
        super().__init__(context)
        self.stage = stage

    @handles(SessionReported)
    def report(self, message: SessionReported) -> None:
        self.stage.told.append(message)
        if message.request:
            refused = self.stage.refused
            frame = frame_text(msgspec.json.encode(request_answer(message.request, refused, {})))
            tokens = frozenset(token for token in message.interest.tokens if token in refused)
            version = message.interest.version
            self.stage.deliver(Delivery((message.session,), (None,), (frame,), frame, tokens, version))

    @handles(SessionClosed, SessionsReported)
    def note(self, message: Any) -> None:
        self.stage.told.append(message)

    @handles(SnapshotAsked)
    def snapshot(self, message: SnapshotAsked) -> list[Tick]:
        self.stage.gate.wait(10)
        return [self.stage.ticks[token] for token in message.tokens if token in self.stage.ticks]

    @handles(PinAsked, UnpinAsked)
    def pin(self, message: PinAsked | UnpinAsked) -> dict[int, str]:
        self.stage.told.append(message)
        return self.stage.refused

    @handles(PricesAsked)
    def prices(self, message: PricesAsked) -> Any:
        return prices_by_type(self.stage.ticks.values(), message.type)

    @handles(MoversAsked)
    def movers(self, message: MoversAsked) -> Any:
        ranked = Movers()
        for tick in self.stage.ticks.values():
            ranked.update(tick)
        return ranked.top(message.by, message.n)

    @handles(SectorsAsked)
    def sectors(self, message: SectorsAsked) -> Any:
        board = SectorBoard(self.stage.sectors.by_token(self.stage.table))
        for tick in self.stage.ticks.values():
            board.update(tick)
        return board.standings(message.sectors)

    @handles(ChainAsked)
    def chain(self, message: ChainAsked) -> Any:
        known = Underlyings(self.stage.table).find(message.underlying, with_options=True)
        if known is None:
            return None
        expiry = message.expiry or known.nearest(self.stage.today)
        if expiry not in known.expiries:
            return None
        return option_chain(known, expiry, self.stage.ticks)

    @handles(MarketStatusAsked)
    def market_status(self, _message: MarketStatusAsked) -> Any:
        return market_status(self.stage.calendar, self.stage.now_ns, {"x": {"NSE_EQ": "NORMAL_OPEN"}})

    @handles(RefreshInstruments)
    def refresh(self, _message: RefreshInstruments) -> dict[str, int]:
        if self.stage.refresh_fails:
            raise BrokerUnavailable("the instrument list cannot be had: no route")
        return {"indices": 2, "stocks": 3, "futures": 1, "options": 0}


class Stage:
    """The server and what is behind it; `start` may be given other settings."""

    def __init__(self) -> None:
        self.clock: Clock = todays_clock()
        self.told: list[Any] = []
        self.refused: dict[int, str] = {}
        self.ticks: dict[int, Tick] = {}
        self.cache: Cache = MemoryCache(1440)
        self.history: TickStore | None = None
        self.bars: BarStore | None = None
        self.quotes: Mapping[str, type[Quote]] = {}
        self.calendar = Calendar()
        self.sectors = Sectors()
        self.instrument_store = InstrumentStore(Path("absent/instruments.db"))
        self.today = TODAY
        self.intervals: Collection[Interval] = ("1s", "1m")
        self.refresh_fails = False
        self.now_ns = 0
        self.gate = threading.Event()
        self.gate.set()
        self.up = True
        self.table = InstrumentTable.build({"x": [(each, each.token) for each in INSTRUMENTS + OPTIONS]})
        self.clients: list[websocket.WebSocket] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop")
        self._thread.start()
        self._tree: Tree | None = None
        self.web: WebServer | None = None

    def start(self, token: str = "", port: int = 0, **settings: Any) -> Stage:
        address = Address("backstage")
        self._tree = start_tree(ChildSpec(address, Backstage, {"stage": self}), self.clock, print)
        gateway = Gateway(
            clock=self.clock,
            table=lambda: self.table,
            subscriptions=address,
            hub=address,
            instruments=address,
            instrument_store=self.instrument_store,
            views=address,
            feeds={},
            login_address=lambda _broker: "",
            sectors=lambda: self.sectors,
            cache=self.cache,
            history=self.history,
            bars=self.bars,
            quotes=self.quotes,
            calendar=self.calendar,
            intervals=self.intervals,
            status=self.status,
            health=self.health,
            ready=lambda: self.up,
        )

        async def start() -> WebServer:
            web = WebServer(ServerSettings(port=port, **settings), AdminSettings(Secret(token)), gateway)
            await web.start()
            return web

        self.web = self.on_loop(start())
        return self

    async def status(self) -> dict[str, Any]:
        return {"version": "1"}

    async def health(self) -> tuple[bool, dict[str, Any]]:
        word, reasons = ("connected", []) if self.up else ("disconnected", ["x is not connected"])
        return self.up, {"x": word, "bufferSize": 0, "alarms": [], "reasons": reasons}

    def on_loop(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def call(self, function: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return function()

        return self.on_loop(run())

    def deliver(self, *deliveries: Delivery) -> None:
        assert self.web is not None
        self._loop.call_soon_threadsafe(self.web.deliver, deliveries)

    def send(
        self, sessions: list[str], *entries: tuple[int | str | None, dict[str, Any]], welcomes: bool = False
    ) -> None:
        """Deliver these payloads with their conflation keys."""
        frames = [frame_text(json.dumps(payload).encode()) for _, payload in entries]
        keys = [key for key, _ in entries]
        self.deliver(Delivery(sessions, keys, frames, b"".join(frames), welcomes=welcomes))

    def stop_web(self) -> None:
        web, self.web = self.web, None
        if web is not None:
            self.on_loop(web.stop())

    def connect(self, path: str, **options: Any) -> websocket.WebSocket:
        client = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}{path}", timeout=5, suppress_origin="origin" not in options, **options
        )
        self.clients.append(client)
        return client

    def session(self, number: int = -1) -> str:
        """The name of the session that was opened last (or as that number)."""
        names = [each.session for each in self.told if isinstance(each, SessionReported)]
        return list(dict.fromkeys(names))[number]

    def told_of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.told if isinstance(each, kind)]

    @property
    def port(self) -> int:
        assert self.web is not None
        return self.web.port

    def http(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str | bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        status, _, body = self.http("GET", path, headers)
        return status, json.loads(body)

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        status, _, answer = self.http(
            "POST", path, headers, body if isinstance(body, str | bytes) else json.dumps(body)
        )
        return status, json.loads(answer)

    def close(self) -> None:
        for client in self.clients:
            client.shutdown()
        self.gate.set()
        self.stop_web()
        if self._tree is not None:
            self._tree.stop()
        self.instrument_store.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.fixture
def a_tick() -> Callable[..., Tick]:
    """A tick of RELIANCE."""

    def make(**quote: Any) -> Tick:
        said = {"last_price": 1500.5, "previous_close": 1490.0, "volume": 12, **quote}
        return Tick(INSTRUMENTS[2], Quote(738561, "full", **said), "x", 1, 7, 1_790_000_000_000_000_000)

    return make


def ask(client: websocket.WebSocket, **request: Any) -> Any:
    client.send(json.dumps(request))
    return json.loads(client.recv())


@pytest.fixture(name="ask")
def ask_fixture() -> Callable[..., Any]:
    """``ask(client, action=…, symbols=…)``: send a request, return what comes next."""
    return ask
