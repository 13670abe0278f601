"""One websocket towards a broker, read and written by one thread of its own."""

from __future__ import annotations

import ipaddress
import queue
import ssl
import threading
from collections.abc import Sequence
from http.cookies import CookieError
from urllib.parse import urlsplit

import websocket
from websocket._abnf import continuous_frame, frame_buffer

from mdactors.adapter import BrokerAdapter, Endpoint, Outgoing, readable
from mdactors.errors import BrokerError, BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors.messages import FrameReceived, ReaderReported, Subscribed, Unsubscribed
from mdactors.runtime import Address, Clock

Mark = Subscribed | Unsubscribed

FRAME_LIMIT = 16 * 1024 * 1024
"""Bytes; a longer message is refused before its payload is read."""

HANDSHAKE_SECONDS = 9.0
RECEIVE_SECONDS = 0.25
"""How long a read waits before the send queue is looked at again."""


class BoundedFrames(frame_buffer):
    """websocket-client's frame reader, with the receive limit that it lacks."""

    def recv_length(self) -> None:
        """Read the length and refuse a frame over the limit.

        Raises:
            BrokerUnavailable: the frame is too long; the socket cannot be used any more.
        """
        super().recv_length()
        _check_length(self.length or 0)


class BoundedMessages(continuous_frame):
    """websocket-client's joiner of fragments, with the same limit for their sum."""

    def add(self, frame: websocket.ABNF) -> None:
        """Take one fragment and refuse a message over the limit.

        Raises:
            BrokerUnavailable: the message is too long; the socket cannot be used any more.
        """
        super().add(frame)
        if self.cont_data:
            _check_length(len(self.cont_data[1]))


def _check_length(length: int) -> None:
    if length > FRAME_LIMIT:
        raise BrokerUnavailable(f"a frame of {length} bytes is over the limit of {FRAME_LIMIT}")


class FeedSocket:
    """Connects once, then passes every frame to the Normalizer until it is closed or aborted.

    Only its thread (``feed-NAME``) touches the socket, because one TLS socket may not be read and
    written from two threads: frames to send wait in a queue that is emptied between reads. It is not
    an actor: what becomes of it is told to its connection as `ReaderReported`.
    """

    def __init__(
        self,
        *,
        number: int,
        adapter: BrokerAdapter,
        connection: Address,
        normalizer: Address,
        clock: Clock,
    ) -> None:
        self.number = number
        self.last_received = clock.monotonic()
        """Monotonic seconds of the last bytes, heartbeats and pings included."""
        self.last_received_ns = 0
        """The same as wall time; 0 while nothing came."""
        self._adapter = adapter
        self._connection = connection
        self._normalizer = normalizer
        self._clock = clock
        self._outgoing: queue.SimpleQueue[tuple[Sequence[Outgoing], Mark | None]] = queue.SimpleQueue()
        self._aborted = threading.Event()
        self._socket: websocket.WebSocket | None = None
        self._thread = threading.Thread(target=self._run, name=f"feed-{connection.name}", daemon=True)

    def start(self) -> None:
        """Start the thread; everything else is reported."""
        self._thread.start()

    def send(self, frames: Sequence[Outgoing], mark: Mark | None = None) -> None:
        """Queue frames; once they are sent, ``mark`` goes to the Normalizer, in order with the frames."""
        self._outgoing.put((frames, mark))

    def abort(self) -> None:
        """End it from any thread without waiting; nothing is passed on or reported afterwards."""
        self._aborted.set()
        self._normalizer.interrupt_waiters()
        if (socket := self._socket) is not None:
            socket.abort()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; False when it still runs."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            event, detail, retry_after = self._converse()
        except LoginRequired as error:
            event, detail, retry_after = "login", str(error), 0.0
        except BrokerRefused as error:
            event = "doubted" if error.login_in_doubt else "refused"
            detail, retry_after = str(error), error.retry_after
        except BrokerError as error:
            event, detail, retry_after = "unavailable", str(error), 0.0
        except Exception as error:  # noqa: BLE001 - a bug here must reach the supervisor through the actor
            event, detail, retry_after = "failed", f"{type(error).__name__} in the reader thread", 0.0
        self._report(event, detail, retry_after)

    def _converse(self) -> tuple[str, str, float]:
        endpoint = self._adapter.endpoint()
        if self._aborted.is_set():
            return "closed", "", 0.0
        socket = self._socket = self._connect(endpoint)
        self.last_received = self._clock.monotonic()
        try:
            self._report("connected")
            return "closed", self._receive(socket, endpoint), 0.0
        except (OSError, websocket.WebSocketException) as error:
            return "closed", _cause(error), 0.0
        finally:
            socket.shutdown()

    def _connect(self, endpoint: Endpoint) -> websocket.WebSocket:
        url = endpoint.url.reveal()
        _check_scheme(url)
        socket = websocket.WebSocket(sslopt={"context": ssl.create_default_context()})
        socket.frame_buffer = BoundedFrames(socket._recv, skip_utf8_validation=False)
        socket.cont_frame = BoundedMessages(fire_cont_frame=False, skip_utf8_validation=False)
        try:
            socket.connect(
                url,
                header=endpoint.headers,
                timeout=HANDSHAKE_SECONDS,
                suppress_origin=True,
                redirect_limit=0,
            )
        except websocket.WebSocketBadStatusException as error:
            body = endpoint.masked(error.resp_body or b"")
            raise self._adapter.refusal(error.status_code, body) from None
        except (OSError, websocket.WebSocketException, CookieError) as error:
            # Their texts may hold the URL, which may hold the token.
            answer = socket.handshake_response
            cause = _cause(error) if answer is None else f"sent elsewhere ({answer.status})"
            raise BrokerUnavailable(f"cannot connect: {cause}") from None
        socket.settimeout(RECEIVE_SECONDS)
        return socket

    def _receive(self, socket: websocket.WebSocket, endpoint: Endpoint) -> str:
        name = self._connection.name
        while not self._aborted.is_set():
            self._send_waiting(socket)
            try:
                opcode, frame = socket.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException:
                continue
            self.last_received, now = self._clock.monotonic(), self._clock.time_ns()
            self.last_received_ns = now
            if opcode == websocket.ABNF.OPCODE_BINARY:
                self._tell(FrameReceived(name, frame.data, now))
            elif opcode == websocket.ABNF.OPCODE_TEXT:
                text = endpoint.masked(bytes(frame.data)).decode("utf-8", "replace")
                self._tell(FrameReceived(name, text, now))
            elif opcode == websocket.ABNF.OPCODE_CLOSE:
                code, reason = frame.data[:2], readable(endpoint.masked(bytes(frame.data[2:])))
                line = f"closed by the broker with code {int.from_bytes(code, 'big') or 'none'}"
                return f"{line}: {reason}" if reason else line
        return ""

    def _send_waiting(self, socket: websocket.WebSocket) -> None:
        while not self._outgoing.empty():
            frames, mark = self._outgoing.get()
            for frame in frames:
                opcode = websocket.ABNF.OPCODE_BINARY if frame.binary else websocket.ABNF.OPCODE_TEXT
                socket.send(frame.data, opcode)
            if mark is not None:
                self._tell(mark)

    def _tell(self, message: FrameReceived | Mark) -> None:
        if not self._aborted.is_set():
            self._normalizer.tell(message, unless=self._aborted)

    def _report(self, event: str, detail: str = "", retry_after: float = 0.0) -> None:
        if not self._aborted.is_set():
            self._connection.tell(ReaderReported(self.number, event, detail, retry_after))


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "wss":
        return
    host = parts.hostname or ""
    if parts.scheme == "ws" and (host == "localhost" or _is_loopback(host)):
        return
    raise BrokerUnavailable("the broker's address is neither wss:// nor ws:// on loopback")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cause(error: Exception) -> str:
    """What went wrong, without the texts that could hold a URL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
