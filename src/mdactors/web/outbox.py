"""A session's outgoing side: what waits for one client, and how it gets onto the socket."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from tornado.iostream import IOStream, StreamClosedError

from mdactors.protocol import CloseCode, Delivery

CHUNK = 131_072
"""What is written at a time: no more is ever beyond conflation."""


class Outbox:
    """What waits for one session; lives on the event loop.

    While the socket takes what is written, everything is written once a turn of the loop. While a write is
    pending the session is conflated: of each key only the newest frame waits, so that keyed frames
    are bounded by the number of instruments, and of frames without a key ``limit`` bytes wait.
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
            limit: of the bytes that wait in frames without a key.
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
        self._waiting: OrderedDict[object, bytes] = OrderedDict()
        self._keyless_bytes = 0
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
        if self._pending_since is None and not self._waiting:
            data = fresh[0].joined if len(fresh) == 1 else b"".join([each.joined for each in fresh])
            if len(data) <= CHUNK:
                self._write(data)
                return
        self._conflate(fresh)
        self._drain()
        if self._keyless_bytes > self._limit:
            self._end(CloseCode.OVERFLOW)

    def drop(self) -> None:
        """Forget what waits and take nothing any more."""
        self._dropped = True
        self.fresh = []
        self._waiting.clear()
        self._keyless_bytes = 0

    def abort(self) -> None:
        """Close the socket without a word."""
        self.drop()
        self._stream.close()

    def _conflate(self, deliveries: Iterable[Delivery]) -> None:
        waiting = self._waiting
        for delivery in deliveries:
            for key, frame in zip(delivery.keys, delivery.frames, strict=True):
                if key is None:
                    waiting[_Keyless()] = frame
                    self._keyless_bytes += len(frame)
                    continue
                if key in waiting:
                    # To the end: a tick never overtakes the answer that came before it.
                    del waiting[key]
                    self.conflated += 1
                waiting[key] = frame

    def _drain(self) -> None:
        while self._waiting and self._pending_since is None:
            self._write(self._take_chunk())

    def _take_chunk(self) -> bytes:
        frames: list[bytes] = []
        size = 0
        while self._waiting and size < CHUNK:
            key, frame = self._waiting.popitem(last=False)
            if type(key) is _Keyless:
                self._keyless_bytes -= len(frame)
            frames.append(frame)
            size += len(frame)
        return b"".join(frames)

    def _write(self, data: bytes) -> None:
        # Not through `write_message`: the frames are finished, and shared with other sessions.
        if self._is_closing():
            self.drop()
            return
        try:
            written = self._stream.write(data)
        except StreamClosedError:
            self.drop()  # its end is on its way to the session
            return
        if self._stream.writing():
            self._pending_since = asyncio.get_running_loop().time()
            written.add_done_callback(self._written)

    def _written(self, written: asyncio.Future[None]) -> None:
        if written.cancelled() or written.exception() is not None:
            self.drop()
            return
        self._pending_since = None
        self._drain()


class _Keyless:
    """The key of a frame that never gives way to another."""

    __slots__ = ()
