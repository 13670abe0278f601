"""One client's websocket: thin, between Tornado and the session's parts."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Iterable
from typing import Any, cast, get_args

import msgspec
from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler, WebSocketProtocol

from mdactors.market.interest import Shape
from mdactors.market.quote import Mode
from mdactors.protocol import BadRequest, CloseCode, ErrorCode, Request, error_answer, parse_request
from mdactors.web.directory import Directory
from mdactors.web.groups import priced_by
from mdactors.web.handler import Failure, Handler
from mdactors.web.outbox import Outbox
from mdactors.web.paths import MARKET, Path
from mdactors.web.selection import Selection
from mdactors.web.sessions import Session
from mdactors.web.terms import Switch, Terms

SILENCE_SECONDS = 0.5
"""After how much silence a session gets what is pinned: who asks at once never sees that."""
LAST_SECONDS = 0.05
"""The end of it: when the loop was held up, what the client has said meanwhile is heard first."""
SWITCH = ("0", "1")

logger = logging.getLogger(__name__)


class SessionSocket(Handler, WebSocketHandler):
    """A websocket on one of the paths; every path has this handler."""

    parameters = None

    def initialize(self, path: Path) -> None:
        """Take the path that was matched."""
        self._path = path
        self._session: Session | None = None
        self._silence: asyncio.TimerHandle | None = None

    def check_origin(self, origin: str) -> bool:
        """By the same rule as `Handler.prepare`, which has refused the others before."""
        return self.parts.origins.allows(origin, self.request.host)

    def prepare(self) -> None:
        """Refuse a wrong origin or parameter while the client can still be told by HTTP."""
        super().prepare()
        self._terms = Terms(
            mode=cast(Mode, self.choice("mode", get_args(Mode), "quote")),
            shape=cast(Shape, self.choice("shape", get_args(Shape), "tick")),
            events=cast(Switch, self.choice("events", SWITCH, "")),
            pins=cast(Switch, self.choice("pins", SWITCH, "")),
        )
        if self._terms.pins == "1" and not self._path.market:
            message = f"pins: what is pinned is sent on {MARKET} only"
            raise Failure(400, "invalid_parameter", message, field="pins")

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
        # A client that stops reading shall be noticed soon, not after megabytes.
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        self._session = session = Session(
            name=secrets.token_hex(6),
            socket=self,
            selection=Selection(self._path, self._terms, settings.max_symbols_per_request),
            outbox=Outbox(stream, settings.outbox_bytes, connection.is_closing, self._end),
            connected_ns=self.now_ns,
        )
        logger.info("session %s opens on %s from %s", session.name, self._path.name, self.request.remote_ip)
        self.parts.sessions.enter(session)
        if self._terms.pins_silent(self._path):
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(SILENCE_SECONDS - LAST_SECONDS, self._wait_on, session)

    def _wait_on(self, session: Session) -> None:
        self._silence = asyncio.get_running_loop().call_later(LAST_SECONDS, self._show_pins, session)

    def _show_pins(self, session: Session) -> None:
        session.selection.show_pins()
        self.parts.sessions.report(session, {})

    def _end_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _end(self, code: CloseCode) -> None:
        if self._session is not None:
            logger.warning("session %s is closed: %s", self._session.name, code.meaning)
            self.parts.sessions.end(self._session, code)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """A request: pass it on, or answer at once what is wrong with it.

        Returns:
            What Tornado waits for before it reads the next, where a price has to be asked for first.
        """
        self._end_silence()
        session = self._session
        if session is None:
            return None
        try:
            request = self._read(message)
            directory = self.parts.gateway.directory()
            if self._path.market and (tokens := priced_by(request, directory)):
                return self._take_at(tokens, session, request, directory)
            self._take(session, request, directory)
        except BadRequest as error:
            self._refuse(session, error)
        return None

    def _read(self, message: str | bytes) -> Request:
        limit = self.parts.settings.request_bytes
        size = len(message.encode(errors="replace") if isinstance(message, str) else message)
        if size > limit:
            text = f"a request of {size} bytes; {limit} are allowed: send several"
            raise BadRequest(ErrorCode.TOO_LARGE, text)
        return parse_request(message)

    def _take(self, session: Session, request: Request, directory: Directory) -> None:
        self.parts.sessions.report(session, session.selection.change(request, directory))

    async def _take_at(
        self, tokens: Iterable[int], session: Session, request: Request, directory: Directory
    ) -> None:
        """Take a request that means what is around the money, once the price is known."""
        prices = await self.parts.gateway.prices(tokens)
        try:
            self._take(session, request, msgspec.structs.replace(directory, prices=prices))
        except BadRequest as error:
            self._refuse(session, error)

    def _refuse(self, session: Session, error: BadRequest) -> None:
        warning = "session %s: invalid request: %s"
        self.parts.warnings.warn(session.name, warning, session.name, error.message)
        self.parts.sessions.send(session, error_answer(error))

    def on_close(self) -> None:
        """The socket is gone."""
        self._end_silence()
        session, self._session = self._session, None
        if session is not None:
            logger.info("session %s is gone (close code %s)", session.name, self.close_code or "none")
            self.parts.sessions.leave(session, self.close_code)
