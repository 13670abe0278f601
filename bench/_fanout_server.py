"""The server of the fan-out measurement: ours, or the usual ``write_message`` per tick and client."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tornado.web
import tornado.websocket

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.placement import Upstream
from mdactors.actors.session_hub import SessionHub
from mdactors.actors.subscription_manager import SubscriptionManager
from mdactors.config import AdminSettings, ServerSettings
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import View
from mdactors.market.quote import Quote
from mdactors.market.sectors import Sectors
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.messages import TicksPublished
from mdactors.process import tune_interpreter
from mdactors.runtime import MACHINE, Address, ChildSpec, Supervisor, Tree, start_tree
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.instruments import InstrumentStore
from mdactors.web.application import WebServer
from mdactors.web.gateway import Gateway
from mdactors_kite.adapter import KiteAdapter, KiteSettings

BATCH_SECONDS = 0.01
Publish = Callable[[Sequence[Tick]], None]


def shares(count: int) -> list[Instrument]:
    """Made-up shares SHARE1 … SHAREn."""
    return [
        Instrument((n << 8) | 1, f"SHARE{n}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|SHARE{n}")
        for n in range(1, count + 1)
    ]


class Source(threading.Thread):
    """Makes ticks at a steady rate; the volume carries the time of making in microseconds."""

    def __init__(self, instruments: Sequence[Instrument], rate: int, publish: Publish) -> None:
        super().__init__(daemon=True, name="source")
        self._instruments = instruments
        self._batch = max(1, round(rate * BATCH_SECONDS))
        self._publish = publish
        self._made = 0

    def run(self) -> None:
        """Publish a batch at each beat, late ones at once."""
        due = time.monotonic()
        while True:
            due += BATCH_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            self._publish([self._tick() for _ in range(self._batch)])

    def _tick(self) -> Tick:
        turn, index = divmod(self._made, len(self._instruments))
        self._made += 1
        instrument = self._instruments[index]
        price = 100.0 + turn % 100 / 20
        made = time.monotonic_ns() // 1000
        quote = Quote(
            instrument.token, "full", price, 5, None, made, price, price, price + 1, price - 1, 99.0
        )
        return Tick(instrument, quote, "bench", 1, turn + 1, MACHINE.time_ns())


class Ours:
    """The real SubscriptionManager, SessionHub and web server."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._table = InstrumentTable.build({"kite": [(each, each.token) for each in instruments]})
        self.deliveries = 0
        self._hub, self._manager = Address("session_hub"), Address("subscription_manager")
        self._loop = asyncio.get_running_loop()
        self._web = WebServer(ServerSettings(port=0), AdminSettings(), self._gateway())
        self._tree: Tree | None = None

    def _gateway(self) -> Gateway:
        async def status() -> dict[str, Any]:
            return {}

        async def health() -> tuple[bool, dict[str, Any]]:
            return True, {}

        return Gateway(
            clock=MACHINE,
            table=lambda: self._table,
            subscriptions=self._manager,
            hub=self._hub,
            instruments=Address("instrument_master"),
            instrument_store=InstrumentStore(Path("instruments.db")),
            views=Address("market_views"),
            feeds={},
            login_address=lambda _broker: "",
            sectors=Sectors,
            cache=MemoryCache(1),
            history=None,
            bars=None,
            quotes={},
            calendar=Calendar(),
            intervals=(),
            status=status,
            health=health,
            ready=lambda: True,
        )

    async def start(self) -> int:
        """Start actors and server; the port."""
        upstream = Upstream(Address("kite/connection-1"), KiteAdapter(KiteSettings()))
        manager = {
            "upstreams": [upstream],
            "hub": self._hub,
            "table": lambda: self._table,
            "ask_sessions": lambda: self._loop.call_soon_threadsafe(self._web.report_sessions),
            "sectors": Sectors,
            "board": AlarmBoard(MACHINE, self._hub.tell),
        }
        hub = {
            "deliver": self._deliver,
            "manager": self._manager,
            "normalizers": [],
            "views": Address("market_views"),
            "board": AlarmBoard(MACHINE, self._hub.tell),
        }
        children = [
            ChildSpec(self._manager, SubscriptionManager, manager),
            ChildSpec(self._hub, SessionHub, hub),
        ]
        root = ChildSpec(Address("root"), Supervisor, {"children": children})
        self._tree = start_tree(root, MACHINE, lambda _reason: None)
        await self._web.start()
        return self._web.port

    def _deliver(self, deliveries: Sequence[Any]) -> None:
        self.deliveries += sum(len(each.frames) * len(each.sessions) for each in deliveries)
        self._loop.call_soon_threadsafe(self._web.deliver, deliveries)

    def publish(self, ticks: Sequence[Tick]) -> None:
        """From the source's thread, as a Normalizer would."""
        self._hub.tell(TicksPublished(ticks))


class Usual:
    """What is usually written: a set of handlers a symbol, one ``write_message`` each a tick."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.deliveries = 0
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[str, set[tornado.websocket.WebSocketHandler]] = {
            i.symbol: set() for i in instruments
        }

    async def start(self) -> int:
        """Start the server; the port."""
        wanted = self._wanted

        class Handler(tornado.websocket.WebSocketHandler):
            def open(self, *_: str, **__: str) -> None:
                self.set_nodelay(True)
                if self.request.path.endswith("/all"):
                    for handlers in wanted.values():
                        handlers.add(self)

            def on_message(self, message: str | bytes) -> None:
                for symbol in json.loads(message)["symbols"]:
                    wanted[symbol].add(self)

        application = tornado.web.Application([(r"/ws/.*", Handler)])
        server = application.listen(0, "127.0.0.1")
        return int(next(iter(server._sockets.values())).getsockname()[1])

    def publish(self, ticks: Sequence[Tick]) -> None:
        """From the source's thread."""
        self._loop.call_soon_threadsafe(self._send, ticks)

    def _send(self, ticks: Sequence[Tick]) -> None:
        view = View()
        for tick in ticks:
            text = encode(tick, view)
            for handler in self._wanted[tick.instrument.symbol]:
                handler.write_message(text)
                self.deliveries += 1


async def main() -> None:
    """Serve as the first line says; measure when the second line says how long."""
    loop = asyncio.get_running_loop()
    plan = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    tune_interpreter()
    instruments = shares(plan["instruments"])
    server = Ours(instruments) if plan["way"] == "ours" else Usual(instruments)
    print(await server.start(), flush=True)
    order = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    Source(instruments, plan["rate"], server.publish).start()
    await asyncio.sleep(1.0)
    cpu, began, deliveries = time.process_time(), time.monotonic(), server.deliveries
    await asyncio.sleep(order["seconds"] - 1.0)
    figures = {
        "cpu": time.process_time() - cpu,
        "seconds": time.monotonic() - began,
        "deliveries": server.deliveries - deliveries,
    }
    print(json.dumps(figures), flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main())
