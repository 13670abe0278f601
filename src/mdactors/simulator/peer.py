"""The server's end of one open websocket, with the faults it can have."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Sequence

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from mdactors.simulator.routes import Conversation, CutFrame
from mdactors.simulator.state import PriceState

UNREAD_LIMIT = 16 << 20

_logger = logging.getLogger(__name__)


class SocketPeer:
    """A `Peer` over Tornado's websocket; everything on the loop's thread."""

    def __init__(self, number: int, handler: WebSocketHandler) -> None:
        self.id = number
        self.conversation: Conversation | None = None
        self.unreported: dict[int, int] = {}
        """Token -> updates sent since the judge's log last collected them."""
        self.checksums: dict[int, int] = {}
        """Token -> CRC-32 of the content of everything sent of it, in order."""
        self.unread = 0
        """Bytes that were sent and not taken yet."""
        self.spoke = False
        """Whether anything was sent since somebody last set this to False."""
        self._handler = handler
        self._held: list[bytes | str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent."""
        return self._handler.ws_connection is not None and not self._handler.ws_connection.is_closing()

    def send(self, data: bytes | str) -> None:
        """Send one frame; a peer that leaves 16 MiB unread is dropped."""
        if not self.is_open or self._held is not None:
            return
        self.spoke = True
        size = len(data)
        self.unread += size
        if self.unread > UNREAD_LIMIT:
            _logger.warning(
                "connection %d reads too slowly: dropped with %d bytes unread", self.id, self.unread
            )
            self.drop()
            return
        try:
            written = self._handler.write_message(data, binary=isinstance(data, bytes))
        except WebSocketClosedError:
            return
        written.add_done_callback(lambda done: self._flushed(done, size))

    def _flushed(self, written: asyncio.Future[None], size: int) -> None:
        self.unread -= size
        if not written.cancelled():
            written.exception()  # a close while writing is no news: `on_close` tells

    def ping(self) -> None:
        """Send a websocket ping without payload."""
        if self.is_open and self._held is None:
            self._handler.ping()

    def close(self, code: int = 1000) -> None:
        """Close politely with a code."""
        if self.is_open:
            self._handler.close(code)

    def drop(self) -> None:
        """Cut the line without a word."""
        connection = self._handler.ws_connection
        if connection is not None and connection.stream is not None:
            connection.stream.close()

    def count_sent(self, token: int, updates: int, content: bytes) -> None:
        """Enter updates of an instrument and what they said into the judge's log."""
        self.unreported[token] = self.unreported.get(token, 0) + updates
        if content:
            self.checksums[token] = zlib.crc32(content, self.checksums.get(token, 0))

    def stall(self) -> None:
        """Send nothing and hear nothing until `resume`."""
        if self._held is None:
            self._held = []

    def resume(self) -> None:
        """Hear what was said while stalled, and go on."""
        held, self._held = self._held or (), None
        for data in held if self.is_open else ():
            self.hear(data)

    def hear(self, data: bytes | str) -> None:
        """The client sent a frame."""
        if self._held is not None:
            self._held.append(data)
        elif self.conversation is not None:
            conversation = self.conversation
            self._guard(lambda: conversation.on_message(data))

    def opened(self) -> None:
        """The handshake is done."""
        if self.conversation is not None:
            self._guard(self.conversation.on_open)

    def beat(self, changed: Sequence[PriceState], now_ms: int) -> None:
        """The exchange moved on."""
        if self.conversation is not None and self._held is None and self.is_open:
            conversation = self.conversation
            self._guard(lambda: conversation.on_beat(changed, now_ms))

    def frame(self, frame: CutFrame) -> None:
        """A recorded frame is due."""
        if self.conversation is not None and self._held is None and self.is_open:
            conversation = self.conversation
            self._guard(lambda: conversation.on_frame(frame))

    def idle(self) -> None:
        """Nothing was sent for a while."""
        if self.conversation is not None and self._held is None and self.is_open:
            self._guard(self.conversation.on_idle)

    def closed(self) -> None:
        """The socket is gone."""
        if self.conversation is not None:
            self._guard(self.conversation.on_close)

    def _guard(self, hook: Callable[[], None]) -> None:
        """A bug in one conversation ends that one."""
        try:
            hook()
        except Exception:
            _logger.exception("connection %d: its conversation failed and is dropped", self.id)
            self.drop()
