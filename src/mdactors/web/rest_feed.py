"""REST of the brokers' feeds as pages poll it: ``/api/v1/market/market-feed/…``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast, get_args

import msgspec

from mdactors.market.prices import PriceType
from mdactors.messages import ConnectRequested, DisconnectRequested, PricesAsked
from mdactors.runtime import Describe
from mdactors.web.admin import AdminHandler, admin_refusal
from mdactors.web.handler import Failure, Handler

SETTLED_SECONDS = 5.0
"""How long `FeedConnect` waits for the brokers' answers."""
LOOK_SECONDS = 0.1
TELLING = ("live", "connecting", "needs_login", "backoff", "disconnected", "idle")
"""States of connections: the first of them that one of a broker's is in, says how the broker's feed is."""
TYPES = {"index": "indices", "equity": "stocks", "futures": "futures", "options": "options"}
"""These pages' words for the types, and ours."""


class _Feed(msgspec.Struct):
    """One broker's feed: the state of the connection that says most, and the word for what comes."""

    state: str
    detail: str
    status: str = ""


async def _feeds(handler: Handler) -> dict[str, _Feed]:
    found = {}
    for broker, connections in handler.parts.gateway.feeds.items():
        described = await asyncio.gather(*(handler.ask(each, Describe()) for each in connections))
        most = min(described, key=lambda each: TELLING.index(each["state"]))
        found[broker] = _Feed(most["state"], most["detail"])
    return found


async def _body(handler: Handler, feeds: Mapping[str, _Feed]) -> dict[str, Any]:
    """The status, as all three paths answer it."""
    gateway = handler.parts.gateway
    placed = await handler.ask(gateway.subscriptions, Describe())
    hub = await handler.ask(gateway.hub, Describe())
    for broker, feed in feeds.items():
        feed.status = hub["statuses"].get(broker, "")
    states = [feed.state for feed in feeds.values()]
    return {
        "service_running": any(state != "disconnected" for state in states),
        "websocket_connected": "live" in states,
        "subscriptions": {name: placed["types"][ours]["streamed"] for name, ours in TYPES.items()},
        "listed": {name: placed["types"][ours]["listed"] for name, ours in TYPES.items()},
        "total_subscribed": placed["streamed"],
        "cached_prices": hub["instruments"],
        "brokers": feeds,
    }


class FeedStatus(Handler):
    """``GET /api/v1/market/market-feed/status``."""

    async def get(self) -> None:
        """Answer whether the brokers are connected, and how much streams."""
        self.answer({"status": "success", "data": await _body(self, await _feeds(self))})


class FeedConnect(Handler):
    """``POST /api/v1/market/market-feed/connect``: for everybody while connected, else for an operator."""

    async def post(self) -> None:
        """Open an operator's connections to the brokers, where they are not; answer how they are.

        Where none is open, a broker that wants a login is a 409.
        """
        refusal = admin_refusal(self)
        if refusal is None:
            self._connect()
        feeds = await self._settled()
        if all(feed.state != "live" for feed in feeds.values()):
            if refusal is not None:
                raise refusal
            self._refuse_without_login(feeds)
        self.answer({"status": "success", "data": await _body(self, feeds)})

    def _connect(self) -> None:
        for connections in self.parts.gateway.feeds.values():
            for each in connections:
                each.tell(ConnectRequested())

    async def _settled(self) -> dict[str, _Feed]:
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLED_SECONDS
        feeds = await _feeds(self)
        while loop.time() < until and any(feed.state == "connecting" for feed in feeds.values()):
            await asyncio.sleep(LOOK_SECONDS)
            feeds = await _feeds(self)
        return feeds

    def _refuse_without_login(self, feeds: Mapping[str, _Feed]) -> None:
        for broker, feed in feeds.items():
            if feed.state != "needs_login":
                continue
            address = self.parts.gateway.login_address(broker)
            login = {"login": address} if address else {}
            failure = Failure(409, "login_required", f"{broker} wants a login: {feed.detail}", **login)
            failure.beside = {"status": "error", "message": failure.error["message"]}
            raise failure


class FeedDisconnect(AdminHandler):
    """``POST /api/v1/market/market-feed/disconnect``."""

    async def post(self) -> None:
        """Close the brokers' connections until `FeedConnect`; the clients' sockets stay."""
        for connections in self.parts.gateway.feeds.values():
            for each in connections:
                each.tell(DisconnectRequested())
        self.answer({"status": "success", "data": await _body(self, await _feeds(self))})


class FeedPrices(Handler):
    """``GET /api/v1/market/market-feed/{kind}/prices``."""

    async def get(self, kind: str) -> None:
        """Answer the newest prices of all instruments of a type, by instrument key."""
        if kind not in (kinds := get_args(PriceType)):
            raise Failure(404, "not_found", f"there are prices of {', '.join(kinds)}", field="kind")
        prices = await self.ask(self.parts.gateway.views, PricesAsked(cast(PriceType, kind)))
        self.answer({"status": "success", "type": kind, "data": prices, "count": len(prices)})


class FeedIndices(FeedPrices):
    """``GET /api/v1/market/market-feed/indices``."""

    async def get(self, kind: str = "index") -> None:
        """Answer the newest prices of all indices, by instrument key."""
        await super().get(kind)
