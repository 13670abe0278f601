"""Tornado's view of a simulator's routes; nothing here logs an address, for it may hold a token."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from mdactors.simulator.peer import SocketPeer
from mdactors.simulator.routes import CONTROL, Reply, Request, Route, SocketRoute
from mdactors.simulator.switchboard import Switchboard

_logger = logging.getLogger(__name__)
_Rule = tuple[str, type[RequestHandler], dict[str, Any]]


def application(routes: Sequence[Route | SocketRoute], switchboard: Switchboard) -> Application:
    """The Tornado application that answers these routes."""
    rest: dict[str, dict[str, Callable[[Request], Reply]]] = {}
    rules: list[_Rule] = []
    for route in routes:
        if isinstance(route, SocketRoute):
            rules.append((_pattern(route.path), _Socket, {"route": route, "switchboard": switchboard}))
        else:
            rest.setdefault(route.path, {})[route.method.upper()] = route.handler
    rules += [
        (_pattern(path), _Rest, {"handlers": handlers, "switchboard": switchboard})
        for path, handlers in rest.items()
    ]
    return Application(rules, log_function=_log_request)


def _pattern(path: str) -> str:
    parts = re.split(r"\{(\w+)\}", path)
    return "".join(re.escape(p) if n % 2 == 0 else f"(?P<{p}>[^/]+)" for n, p in enumerate(parts)) + "$"


def _log_request(handler: RequestHandler) -> None:
    _logger.debug("%s %s %d", handler.request.method, handler.request.path, handler.get_status())


def _request(handler: RequestHandler, parameters: Mapping[str, str]) -> Request:
    raw = handler.request
    query = parse_qs(raw.query, keep_blank_values=True)
    return Request(
        raw.method or "GET", raw.path, query, raw.headers, raw.body, parameters, raw.remote_ip or ""
    )


class _Quiet(RequestHandler):
    """A handler whose failures are logged without the request's address."""

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log a bug of a route by its path."""
        error = (typ, value, tb) if typ is not None and value is not None else None
        _logger.error("%s %s failed", self.request.method, self.request.path, exc_info=error)

    def answer(self, reply: Reply) -> None:
        """Send a reply as it is."""
        self.set_status(reply.status)
        self.clear_header("Server")
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.status in (204, 304):
            self.clear_header("Content-Type")
            self.finish()
        else:
            self.finish(reply.body)


class _Rest(_Quiet):
    """One REST path with a handler per method."""

    def initialize(
        self, handlers: Mapping[str, Callable[[Request], Reply]], switchboard: Switchboard
    ) -> None:
        """Take what the route says."""
        self._handlers = handlers
        self._switchboard = switchboard

    def _serve(self, **parameters: str) -> None:
        """Refuse as ordered, but for what gives the orders; else have the route answer."""
        is_order = self.request.path.startswith(CONTROL)
        if not is_order and (ordered := self._switchboard.refusal("rest")):
            self.answer(ordered)
            return
        handler = self._handlers.get(self.request.method or "")
        self.answer(handler(_request(self, parameters)) if handler else Reply(405))

    get = post = put = delete = head = _serve


class _Socket(_Quiet, WebSocketHandler):
    """One websocket path; the route's factory decides who comes in."""

    def initialize(self, route: SocketRoute, switchboard: Switchboard) -> None:
        """Take what the route says."""
        self._route = route
        self._switchboard = switchboard
        self._peer: SocketPeer | None = None

    async def get(self, *args: Any, **parameters: Any) -> None:
        """Refuse the handshake as ordered or as the factory says; else shake hands."""
        answer = self._switchboard.refusal("socket")
        if answer is None:
            peer = self._switchboard.greet(self)
            made = self._route.factory(_request(self, parameters), peer)
            if not isinstance(made, Reply):
                peer.conversation = made
                self._peer = peer
                await super().get(*args, **parameters)
                return
            answer = made
        self.answer(answer)

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002 - a broker takes any
        """Any page may connect."""
        return True

    def open(self, *_: str, **__: str) -> None:
        """The handshake is done."""
        self.set_nodelay(True)
        if self._peer is not None:
            self._switchboard.opened(self._peer)

    def on_message(self, message: str | bytes) -> None:
        """The client sent a frame."""
        if self._peer is not None:
            self._peer.hear(message)

    def on_close(self) -> None:
        """The socket is gone."""
        if self._peer is not None:
            self._switchboard.closed(self._peer)
