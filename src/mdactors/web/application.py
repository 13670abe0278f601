"""The web server: one Tornado application over a table of paths."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from mdactors.config import AdminSettings, ServerSettings
from mdactors.errors import MdactorsError
from mdactors.protocol import CloseCode, Delivery
from mdactors.web.gateway import Gateway
from mdactors.web.handler import Parts, UnknownPath
from mdactors.web.limited_log import LimitedLog
from mdactors.web.origins import Origins
from mdactors.web.paths import PATHS, RAW
from mdactors.web.rest_candles import Candles
from mdactors.web.rest_docs import AsyncApi, DocsPage, OpenApi
from mdactors.web.rest_feed import FeedConnect, FeedDisconnect, FeedIndices, FeedPrices, FeedStatus
from mdactors.web.rest_history import TicksOfHistory
from mdactors.web.rest_instruments import OneInstrument, SearchedInstruments
from mdactors.web.rest_market import MarketHolidays, MarketSnapshot, MarketStatus
from mdactors.web.rest_pins import MarketSubscribe, MarketUnsubscribe
from mdactors.web.rest_sectors import AllSectors, OneSector
from mdactors.web.rest_service import Health, Live, Page, Ready, Status
from mdactors.web.rest_ticks import InstrumentsRefresh, Subscriptions
from mdactors.web.rest_today import TicksOfToday
from mdactors.web.rest_views import MarketMovers, Options
from mdactors.web.session import SessionSocket
from mdactors.web.sessions import Sessions

logger = logging.getLogger(__name__)

REST = {
    "/": Page,
    "/docs": DocsPage,
    "/openapi.json": OpenApi,
    "/asyncapi.json": AsyncApi,
    "/health": Health,
    "/live": Live,
    "/ready": Ready,
    "/api/status": Status,
    "/api/ticks/today/{symbol}": TicksOfToday,
    "/api/ticks/historical": TicksOfHistory,
    "/api/ticks/subscriptions": Subscriptions,
    "/api/ticks/admin/refresh-instruments": InstrumentsRefresh,
    "/api/candles/{symbol}": Candles,
    "/api/instruments": SearchedInstruments,
    "/api/instruments/{symbol}": OneInstrument,
    "/api/sectors": AllSectors,
    "/api/sectors/{code}": OneSector,
    "/api/movers": MarketMovers,
    "/api/optionchain/{underlying}": Options,
    "/api/market/snapshot": MarketSnapshot,
    "/api/market/status": MarketStatus,
    "/api/market/holidays": MarketHolidays,
    "/api/market/subscribe": MarketSubscribe,
    "/api/market/unsubscribe": MarketUnsubscribe,
    "/api/v1/market/market-feed/connect": FeedConnect,
    "/api/v1/market/market-feed/disconnect": FeedDisconnect,
    "/api/v1/market/market-feed/status": FeedStatus,
    "/api/v1/market/market-feed/indices": FeedIndices,
    "/api/v1/market/market-feed/{kind}/prices": FeedPrices,
    "/api/v1/instruments/sync": InstrumentsRefresh,
}
PING_SECONDS = 30
"""How often a websocket is pinged."""
MONEY_SECONDS = 1.0
"""How often it is looked where the money is, while a session follows it."""
TABLE_SECONDS = 1.0
"""How often it is looked whether there is another table of instruments."""
SLACK = 4
"""How many times the size of a request a message may have to be answered; a larger one closes the socket."""
SILENT_SECONDS = 60.0
"""How long beyond ``server.outbox_seconds`` a client may take nothing before its connection is lost."""
MOST_SILENT_MS = 2**31 - 1
"""The longest that the kernel takes."""
LEAST_BODY_BYTES = 1_048_576
"""What a body of REST may have at least; as much as a request of a websocket, where that is more."""
THREADS = 2
"""Of each pool."""


class WebServer:
    """All that clients connect to; belongs to the event loop's thread."""

    def __init__(self, settings: ServerSettings, admin: AdminSettings, gateway: Gateway) -> None:
        self._settings = settings
        self._gateway = gateway
        self._sessions = Sessions(
            gateway.subscriptions, settings.max_sessions, settings.outbox_seconds, gateway.clock
        )
        self._pools = [ThreadPoolExecutor(THREADS, thread_name_prefix=name) for name in ("web", "readers")]
        self._table = gateway.table()
        """By which the sessions go."""
        self._admin_is_open = not admin.token
        parts = Parts(
            settings=settings,
            admin=admin,
            gateway=gateway,
            origins=Origins(settings.origins),
            sessions=self._sessions,
            pool=self._pools[0],
            readers=self._pools[1],
            warnings=LimitedLog(logger),
        )
        body_bytes = max(LEAST_BODY_BYTES, settings.request_bytes)
        self._server = HTTPServer(_application(parts), max_body_size=body_bytes)
        self._beats = (
            PeriodicCallback(self._sessions.beat, settings.heartbeat_seconds * 1000),
            PeriodicCallback(self._sessions.end_stalled, min(1.0, settings.outbox_seconds / 4) * 1000),
            PeriodicCallback(self._follow_money, MONEY_SECONDS * 1000),
            PeriodicCallback(self.follow_table, TABLE_SECONDS * 1000),
        )
        self.port = settings.port
        """Where it listens; the setting until it does."""
        self._sockets: list[socket.socket] = []

    def bind(self) -> None:
        """Take the address, so that nothing else is begun where it cannot be had; clients wait until `start`.

        Raises:
            MdactorsError: the address cannot be had.
        """
        host, port = self._settings.host, self._settings.port
        try:
            self._sockets = bind_sockets(port, host)
        except OSError as error:
            message = f"server.host, server.port: cannot listen on {host}:{port}: {error.strerror}"
            raise MdactorsError(message) from error
        silent_ms = int(min(1000 * (self._settings.outbox_seconds + SILENT_SECONDS), MOST_SILENT_MS))
        for sock in self._sockets:  # the connections inherit it
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_ms)
        self.port = self._sockets[0].getsockname()[1]

    async def start(self) -> None:
        """Serve those who connect.

        Raises:
            MdactorsError: the address cannot be had.
        """
        if not self._sockets:
            self.bind()
        self._server.add_sockets(self._sockets)
        for beat in self._beats:
            beat.start()
        if self._admin_is_open:
            logger.warning("admin.token is not set: the admin REST is open to this machine, and to it only")

    async def stop(self, code: CloseCode = CloseCode.RESTART) -> None:
        """Listen no more, close the sessions with a code, then everything else."""
        self._server.stop()
        for sock in self._sockets:
            sock.close()
        for beat in self._beats:
            beat.stop()
        await self._sessions.end_all(code)
        await self._server.close_all_connections()
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Send what the hub has; called on the loop, once for a batch."""
        self._sessions.deliver(deliveries)

    def describe(self) -> dict[str, Any]:
        """For ``/api/status``; called on the loop.

        Returns:
            ``sessions``, ``conflated`` (frames that gave way to newer ones, ever), ``waiting`` (frames,
            now) and ``closed`` (close code, or ``none`` for a lost connection -> how many sessions).
        """
        return self._sessions.stats()

    async def _follow_money(self) -> None:
        """Have those who want what is around the money get what is around it now."""
        if tokens := self._sessions.priced_by():
            prices = await self._gateway.prices(tokens)
            self._sessions.follow(prices, self._gateway.table())

    async def follow_table(self) -> None:
        """Have the sessions go by the instruments that there are now; called on the loop, each second."""
        directory = self._gateway.directory()
        if directory.table is self._table or not len(directory.table):
            return
        self._table = directory.table
        await self._sessions.follow_table(directory)

    def report_sessions(self) -> None:
        """Tell the SubscriptionManager every session's interest; called on the loop."""
        self._sessions.report_all()


def _application(parts: Parts) -> Application:
    routes: list[tuple[str, type[RequestHandler], dict[str, object]]] = [
        (f"{path.name}(?:{RAW})?", SessionSocket, {"path": path}) for path in PATHS
    ]
    routes += [(re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", path), handler, {}) for path, handler in REST.items()]
    return Application(
        routes,
        parts=parts,
        default_handler_class=UnknownPath,
        log_function=_log_access,
        websocket_max_message_size=SLACK * parts.settings.request_bytes,
        websocket_ping_interval=PING_SECONDS,
        # A slow client's pong comes late, behind all that it reads; who is gone, the kernel tells.
        websocket_ping_timeout=0,
    )


def _log_access(handler: RequestHandler) -> None:
    request = handler.request
    logger.debug(
        "%d %s %s in %.0f ms",
        handler.get_status(),
        request.method,
        request.path,
        1000 * request.request_time(),
    )
