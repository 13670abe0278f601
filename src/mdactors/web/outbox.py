"""A session's outgoing side: what waits for one client, and how it gets onto the socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from tornado.iostream import IOStream, StreamClosedError

from mdactors.protocol import CloseCode, Delivery

CHUNK = 131_072
"""About so much is offered to the socket at a time."""
HICCUP_SECONDS = 0.25
"""How long a socket may be busy before its session is conflated: a short pause costs no tick."""


class Outbox:
    """What waits for one session; lives on the event loop.

    While the socket takes what is written, everything is written once a turn of the loop, as it was
    joined for all sessions. Where it takes only a part, the frame that it broke is pending, and all others
    wait in their order; once that lasts for longer than a hiccup, or more than ``limit`` bytes wait, the
    session is conflated: of each key only the newest frame is kept. Frames without a key are all kept, and
    end the session when they exceed the limit.
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
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._ceiling = limit
        """Above so many waiting bytes the session is conflated (again)."""
        self._is_conflated = False
        self._pending_since: float | None = None
        self._dropped = False

    @property
    def waiting(self) -> int:
        """How many frames wait for the socket."""
        return sum(len(delivery.frames) for delivery in self._waiting)

    def pending_seconds(self, now: float) -> float:
        """How long the socket has not taken what was written last, by the loop's time."""
        return 0.0 if self._pending_since is None else now - self._pending_since

    def flush(self) -> None:
        """Write what came in this turn, or let it wait while a write is pending."""
        fresh, self.fresh = self.fresh, []
        if self._dropped:
            return
        self._waiting.extend(fresh)
        self._waiting_bytes += sum([len(delivery.joined) for delivery in fresh])
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

    def _is_too_much(self) -> bool:
        if self._waiting_bytes > self._ceiling:
            return True
        now = asyncio.get_running_loop().time()
        return not self._is_conflated and self.pending_seconds(now) > HICCUP_SECONDS

    def _conflate(self) -> None:
        """Keep the newest frame of each key, in the order in which the newest came."""
        keys: list[int | str | None] = []
        frames: list[bytes] = []
        seen: set[int | str] = set()
        keyless = 0
        for delivery in reversed(self._waiting):
            for key, frame in zip(reversed(delivery.keys), reversed(delivery.frames), strict=True):
                if key is None:
                    keyless += len(frame)
                elif key in seen:
                    continue
                else:
                    seen.add(key)
                keys.append(key)
                frames.append(frame)
        self.conflated += self.waiting - len(frames)
        self._waiting.clear()
        self._waiting_bytes, self._is_conflated = 0, True
        self._put_first(keys[::-1], frames[::-1])
        # Not with every frame that comes: when there is twice as much, each costs a constant.
        self._ceiling = 2 * self._waiting_bytes + CHUNK
        if keyless > self._limit:
            self._end(CloseCode.OVERFLOW)

    def _put_first(self, keys: Sequence[int | str | None], frames: Sequence[bytes]) -> None:
        if frames:
            joined = b"".join(frames)
            self._waiting.appendleft(Delivery((), keys, frames, joined))
            self._waiting_bytes += len(joined)

    def _drain(self) -> None:
        while self._waiting and self._pending_since is None:
            self._write(self._take())
        if not self._waiting:
            self._ceiling, self._is_conflated = self._limit, False

    def _take(self) -> list[Delivery]:
        """The first deliveries that wait: one, and more while they are small."""
        taken: list[Delivery] = []
        size = 0
        while self._waiting and size < CHUNK:
            delivery = self._waiting.popleft()
            taken.append(delivery)
            size += len(delivery.joined)
        self._waiting_bytes -= size
        return taken

    def _write(self, taken: list[Delivery]) -> None:
        # Not through `write_message`: the frames are finished, and shared with other sessions.
        if self._is_closing():
            self.drop()
            return
        data = taken[0].joined if len(taken) == 1 else b"".join([each.joined for each in taken])
        sent = self._send(data)
        if sent < len(data):
            self._finish(self._put_back(taken, sent))

    def _put_back(self, taken: list[Delivery], sent: int) -> memoryview:
        """Let everything wait but what was sent, and the rest of the frame that is sent next: that."""
        while sent >= len(taken[0].joined):
            sent -= len(taken.pop(0).joined)
        self._waiting.extendleft(reversed(taken[1:]))
        self._waiting_bytes += sum([len(delivery.joined) for delivery in taken[1:]])
        keys, frames = taken[0].keys, taken[0].frames
        place = 0
        while sent >= len(frames[place]):
            sent -= len(frames[place])
            place += 1
        self._put_first(keys[place + 1 :], frames[place + 1 :])
        return memoryview(frames[place])[sent:]

    def _finish(self, rest: memoryview) -> None:
        """Have the stream write the rest of a frame, so that Tornado's pings and farewells come behind it."""
        try:
            written = self._stream.write(rest)
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
