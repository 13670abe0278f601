"""A session's outgoing side: what waits for one client, and how it gets onto the socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from tornado.iostream import IOStream, StreamClosedError

from mdactors.protocol import CloseCode, Delivery

CHUNK = 131_072
"""What is written at a time; no more is ever out of reach of conflation."""
HICCUP_SECONDS = 0.25
"""How long a socket may be busy before its session is conflated: a short pause costs no tick."""
SIP = 16_384
"""Bytes that a session which is behind is given at a time, so that a slow client shows life sooner."""


class Outbox:
    """What waits for one session; lives on the event loop.

    While the socket takes what is written, everything is written once a turn of the loop. While a
    write is pending, frames wait in their order; once it is pending for longer than a hiccup, or more than
    ``limit`` bytes wait, the session is conflated: of each key only the newest frame is kept. Frames
    without a key are all kept, and end the session when they exceed the limit.
    """

    def __init__(
        self,
        stream: IOStream,
        limit: int,
        is_closing: Callable[[], bool],
        end: Callable[[CloseCode], None],
    ) -> None:
        """Take the connection's stream.

        Args:
            stream: where finished frames are written.
            limit: of the bytes that wait without being conflated, or without a key.
            is_closing: whether the closing handshake has begun, after which no frame may follow.
            end: closes the session with a code.
        """
        self.fresh: list[Delivery] = []
        """What came in this turn of the loop; appended by the fan-out."""
        self.conflated = 0
        """How many frames gave way to newer ones."""
        self._stream = stream
        self._limit = limit
        self._is_closing = is_closing
        self._end = end
        self._waiting: deque[tuple[int | str | None, bytes]] = deque()
        self._waiting_bytes = 0
        self._ceiling = limit
        """Above so many waiting bytes the session is conflated (again)."""
        self._is_conflated = False
        self._pending_since: float | None = None
        self._dropped = False

    @property
    def waiting(self) -> int:
        """How many frames wait for the socket."""
        return len(self._waiting)

    def pending_seconds(self, now: float) -> float:
        """How long the socket has not taken what was written last, by the loop's time."""
        return 0.0 if self._pending_since is None else now - self._pending_since

    def flush(self) -> None:
        """Write what came in this turn, or let it wait while a write is pending."""
        fresh, self.fresh = self.fresh, []
        if self._dropped:
            return
        if self._pending_since is None:
            data = fresh[0].joined if len(fresh) == 1 else b"".join([each.joined for each in fresh])
            if len(data) <= CHUNK:
                self._write(data)
                return
        self._wait(fresh)
        self._drain()
        if self._is_too_much():
            self._conflate()

    def drop(self) -> None:
        """Forget what waits and take nothing any more."""
        self._dropped = True
        self.fresh = []
        self._waiting.clear()

    def abort(self) -> None:
        """Close the socket without a word."""
        self.drop()
        self._stream.close()

    def _wait(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._waiting.extend(zip(delivery.keys, delivery.frames, strict=True))
            self._waiting_bytes += len(delivery.joined)

    def _is_too_much(self) -> bool:
        if self._waiting_bytes > self._ceiling:
            return True
        now = asyncio.get_running_loop().time()
        return not self._is_conflated and self.pending_seconds(now) > HICCUP_SECONDS

    def _conflate(self) -> None:
        """Keep the newest frame of each key, in the order in which the newest came."""
        kept: deque[tuple[int | str | None, bytes]] = deque()
        seen: set[int | str] = set()
        size = keyless = 0
        for key, frame in reversed(self._waiting):
            if key is None:
                keyless += len(frame)
            elif key in seen:
                continue
            else:
                seen.add(key)
            kept.appendleft((key, frame))
            size += len(frame)
        self.conflated += len(self._waiting) - len(kept)
        self._waiting, self._waiting_bytes, self._is_conflated = kept, size, True
        # Not with every frame that comes: when there is twice as much, each costs a constant.
        self._ceiling = 2 * size + CHUNK
        if keyless > self._limit:
            self._end(CloseCode.OVERFLOW)

    def _drain(self) -> None:
        while self._waiting and self._pending_since is None:
            self._write(self._take_chunk())
        if not self._waiting:
            self._ceiling, self._is_conflated = self._limit, False

    def _take_chunk(self) -> bytes:
        """Whole frames, so that Tornado's pings and farewells fall between them."""
        frames: list[bytes] = []
        size = 0
        while self._waiting and size < SIP:
            _, frame = self._waiting.popleft()
            frames.append(frame)
            size += len(frame)
        self._waiting_bytes -= size
        return b"".join(frames)

    def _write(self, data: bytes) -> None:
        # Not through `write_message`: the frames are finished, and shared with other sessions.
        if self._is_closing():
            self.drop()
            return
        sent = self._send(data)
        if sent == len(data):
            return
        try:
            written = self._stream.write(memoryview(data)[sent:])
        except StreamClosedError:
            self.drop()  # its end is on its way to the session
            return
        if self._stream.writing():
            self._pending_since = asyncio.get_running_loop().time()
            written.add_done_callback(self._written)

    def _send(self, data: bytes) -> int:
        """Give the socket what it takes now: nearly always all, at half of what a stream's buffer costs."""
        if self._stream.writing():  # a ping of Tornado's waits, and comes first
            return 0
        try:
            return self._stream.write_to_fd(memoryview(data))
        except OSError:
            return 0  # full; if it is broken, the stream finds that out, too

    def _written(self, written: asyncio.Future[None]) -> None:
        self._pending_since = None
        if written.cancelled() or written.exception() is not None:
            self.drop()
            return
        if self._is_conflated:
            self._conflate()
        self._drain()
