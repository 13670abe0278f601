"""One client's websocket: thin, between Tornado and the session's parts."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from typing import Any, cast, get_args

from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler, WebSocketProtocol

from mdactors.market.interest import Interest, Shape
from mdactors.market.quote import Mode
from mdactors.protocol import BadRequest, CloseCode, ErrorCode, error_answer, parse_request
from mdactors.web.handler import Failure, Handler
from mdactors.web.outbox import Outbox
from mdactors.web.paths import Path
from mdactors.web.selection import Selection
from mdactors.web.sessions import Session

logger = logging.getLogger(__name__)

SILENT_SECONDS = 60.0
"""How long beyond ``server.outbox_seconds`` nothing may be acknowledged before the connection is lost."""


class SessionSocket(Handler, WebSocketHandler):
    """A websocket on one of the paths; every path has this handler."""

    def initialize(self, path: Path) -> None:
        """Take the path that was matched."""
        self._path = path
        self._session: Session | None = None

    def check_origin(self, origin: str) -> bool:
        """By the same rule as `Handler.prepare`, which has refused the others before."""
        return self.parts.origins.allows(origin, self.request.host)

    def prepare(self) -> None:
        """Refuse a wrong origin or parameter while the client can still be told by HTTP."""
        super().prepare()
        self._interest = Interest(
            everything=self._path.carries if self._path.everything else None,
            everything_mode=cast(Mode, self.choice("mode", get_args(Mode), "quote")),
            shape=cast(Shape, self.choice("shape", get_args(Shape), "tick")),
            events=self._path.market or self.choice("events", ("0", "1"), "0") == "1",
            pinned=self._path.market,
        )

    async def get(self, *arguments: Any, **named: Any) -> None:
        """Open the websocket, or say in our own style that it was not asked for."""
        headers = self.request.headers
        asked = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in asked:
            message = f"{self._path.name} is a websocket: connect to it with ws:// or wss://"
            raise Failure(400, "upgrade_required", message)
        await super().get(*arguments, **named)

    def open(self, *_args: str, **_kwargs: str) -> None:
        """The client is connected."""
        settings = self.parts.settings
        connection = cast(WebSocketProtocol, self.ws_connection)
        stream = cast(IOStream, connection.stream)
        self.set_nodelay(True)
        silent_ms = int(1000 * (settings.outbox_seconds + SILENT_SECONDS))
        stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_ms)
        # A client that stops reading shall be noticed soon, not after megabytes.
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        self._session = session = Session(
            name=secrets.token_hex(6),
            socket=self,
            selection=Selection(self._path, self._interest, settings.max_symbols_per_request),
            outbox=Outbox(stream, settings.outbox_bytes, connection.is_closing, self._end),
            connected_ns=time.time_ns(),
        )
        logger.info("session %s opens on %s from %s", session.name, self._path.name, self.request.remote_ip)
        self.parts.sessions.enter(session)

    def _end(self, code: CloseCode) -> None:
        if self._session is not None:
            logger.warning("session %s is closed: %s", self._session.name, code.meaning)
            self.parts.sessions.end(self._session, code)

    def on_message(self, message: str | bytes) -> None:
        """A request: pass it on, or answer at once what is wrong with it."""
        session = self._session
        if session is None:
            return
        try:
            request = self._take(session, message)
        except BadRequest as error:
            self.parts.warnings.warn(
                session.name, "session %s: invalid request: %s", session.name, error.message
            )
            self.parts.sessions.send(session, error_answer(error))
        else:
            self.parts.sessions.report(session, request)

    def _take(self, session: Session, message: str | bytes) -> dict[str, Any]:
        limit = self.parts.settings.max_request_bytes
        size = len(message.encode(errors="replace") if isinstance(message, str) else message)
        if size > limit:
            text = f"a request of {size} bytes; {limit} are allowed: send several"
            raise BadRequest(ErrorCode.TOO_LARGE, text)
        return session.selection.change(parse_request(message), self.parts.gateway.directory())

    def on_close(self) -> None:
        """The socket is gone."""
        session, self._session = self._session, None
        if session is not None:
            logger.info("session %s is gone (close code %s)", session.name, self.close_code or "none")
            self.parts.sessions.leave(session, self.close_code)
