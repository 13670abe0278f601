"""What a broker's end of the wire may do to us: frames too long, certificates not valid, silence."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.certificates import Authority
from tests.today import todays_clock

from mdactors.actors.feed_socket import FRAME_LIMIT, FeedSocket
from mdactors.adapter import Secret
from mdactors.messages import FrameReceived, ReaderReported
from mdactors.runtime import Address, FakeClock, MailboxPolicy
from mdactors_kite.adapter import KiteAdapter, KiteSettings

WAIT = 8.0
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(line: socket.socket) -> bytes:
    """Do a server's half of the handshake; what the client asked."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += line.recv(4096)
    headers = dict(each.split(b": ", 1) for each in asked.split(b"\r\n")[1:] if b": " in each)
    key = base64.b64encode(hashlib.sha1(headers[b"Sec-WebSocket-Key"] + MAGIC).digest())
    line.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n"
    )
    return asked


class Broker:
    """A listening socket whose every connection is handled by a function."""

    def __init__(
        self, handle: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._handle = handle
        self._context = context
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._done.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                try:
                    wrapped = self._context.wrap_socket(line, server_side=True) if self._context else line
                    with wrapped:
                        self._handle(wrapped)
                except OSError:
                    continue

    def stop(self) -> None:
        self._done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class Rig:
    def __init__(self, url: str, policy: MailboxPolicy | None = None, clock: Any = None) -> None:
        adapter = KiteAdapter(KiteSettings(api_key="k", access_token=Secret("topsecret"), websocket_url=url))
        self.connection = Address("kite/connection-1")
        self.normalizer = Address("normalizer", policy or MailboxPolicy())
        self.socket = FeedSocket(
            number=1,
            adapter=adapter,
            connection=self.connection,
            normalizer=self.normalizer,
            clock=clock or todays_clock(),
        )
        self.socket.start()

    def reports(self) -> list[ReaderReported]:
        return [envelope.message for envelope in self.connection.mailbox.control]

    def frames(self) -> list[FrameReceived]:
        return [getattr(each, "message", each) for each in self.normalizer.mailbox.data]


@pytest.fixture
def serve() -> Iterator[Callable[..., Broker]]:
    brokers: list[Broker] = []

    def start(handle: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Broker:
        brokers.append(Broker(handle, context))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture
def rigs() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(url: str, **more: Any) -> Rig:
        made.append(Rig(url, **more))
        return made[-1]

    yield make
    for rig in made:
        rig.socket.abort()
        assert rig.socket.join(WAIT)


def hold(line: socket.socket) -> None:
    """Until the client goes."""
    while line.recv(4096):
        pass


def test_a_frame_over_the_limit_is_refused_before_its_payload_is_read(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    def handle(line: socket.socket) -> None:
        accept(line)
        line.sendall(b"\x82\x7f" + (FRAME_LIMIT + 1).to_bytes(8))
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(lambda: len(rig.reports()) == 2, WAIT)
    assert [report.event for report in rig.reports()] == ["connected", "unavailable"]
    assert "over the limit" in rig.reports()[1].detail


def test_fragments_that_add_up_over_the_limit_are_refused_too(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    half = FRAME_LIMIT // 2 + 1

    def handle(line: socket.socket) -> None:
        accept(line)
        for first_byte in (b"\x02", b"\x80"):
            line.sendall(first_byte + b"\x7f" + half.to_bytes(8) + bytes(half))
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(lambda: len(rig.reports()) == 2, 20)
    assert "over the limit" in rig.reports()[1].detail


def test_a_large_frame_below_the_limit_is_passed_on_whole(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    payload = bytes(range(256)) * 4096

    def handle(line: socket.socket) -> None:
        accept(line)
        line.sendall(b"\x82\x7f" + len(payload).to_bytes(8) + payload)
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(rig.frames, WAIT)
    assert rig.frames()[0].data == payload


def test_the_handshake_carries_an_explicit_user_agent_and_no_origin(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    asked: list[bytes] = []

    def handle(line: socket.socket) -> None:
        asked.append(accept(line))
        hold(line)

    rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(lambda: asked, WAIT)
    assert b"User-Agent: mdactors/" in asked[0]
    assert b"Origin" not in asked[0]


def test_a_ping_counts_as_life_and_is_answered(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    answered: list[bytes] = []
    clock = FakeClock()
    go = threading.Event()

    def handle(line: socket.socket) -> None:
        accept(line)
        go.wait(WAIT)
        line.sendall(b"\x89\x02hi")
        answered.append(line.recv(100))
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}", clock=clock)
    wait_until(rig.reports, WAIT)
    clock.advance(5)
    go.set()
    wait_until(lambda: answered, WAIT)
    assert answered[0][0] == 0x8A
    wait_until(lambda: rig.socket.last_received == clock.monotonic(), WAIT)


def test_the_brokers_farewell_is_reported_with_its_code(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    def handle(line: socket.socket) -> None:
        accept(line)
        line.sendall(b"\x88\x02" + (1011).to_bytes(2))
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(lambda: len(rig.reports()) == 2, WAIT)
    assert (rig.reports()[1].event, "1011" in rig.reports()[1].detail) == ("closed", True)


def answer(status: str, body: bytes, *headers: str) -> Callable[[socket.socket], None]:
    """A server that answers every handshake with this and closes."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()

    def handle(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(head + body)

    return handle


TOKEN_EXCEPTION = b'{"status":"error","message":"Incorrect token.","data":null,"error_type":"TokenException"}'


@pytest.mark.parametrize(
    ("status", "body", "headers", "event"),
    [
        ("403 Forbidden", b"<html>Request blocked</html>", ["Content-Type: text/html"], "doubted"),
        ("401 Unauthorized", b"", [], "doubted"),
        ("400 Bad Request", b"The plain HTTP request was sent to HTTPS port", [], "doubted"),
        ("403 Forbidden", TOKEN_EXCEPTION, ["Content-Type: application/json"], "login"),
        ("403 Forbidden", b"x" * 200_000, [], "doubted"),
        ("429 Too Many", b"", [], "refused"),
        ("200 OK", b"<html>welcome to this network</html>", [], "refused"),
        ("302 Found", b"", ["Location: http://login.example/", "Set-Cookie: a{b}=c"], "unavailable"),
        ("503 Away", TOKEN_EXCEPTION, [], "unavailable"),
    ],
)
def test_a_refused_handshake_is_told_by_who_refused_it(
    status: str,
    body: bytes,
    headers: list[str],
    event: str,
    serve: Callable[..., Broker],
    rigs: Callable[..., Rig],
    wait_until: Callable[..., None],
) -> None:
    handle = answer(status, body, f"Content-Length: {len(body)}", *headers)
    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(rig.reports, WAIT)
    assert rig.reports()[0].event == event
    assert len(rig.reports()[0].detail) < 300


@pytest.mark.parametrize(
    "headers", [["Transfer-Encoding: chunked"], ["Content-Length: many"], ["Content-Length: 999"], []]
)
def test_a_page_whose_length_is_not_told_or_wrong_is_tried_again_too(
    headers: list[str],
    serve: Callable[..., Broker],
    rigs: Callable[..., Rig],
    wait_until: Callable[..., None],
) -> None:
    rig = rigs(f"ws://127.0.0.1:{serve(answer('403 Forbidden', b'<html>', *headers)).port}")
    wait_until(rig.reports, WAIT)
    assert rig.reports()[0].event in ("doubted", "unavailable")


def test_what_the_other_side_repeats_of_the_address_is_masked(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    page = b"<p>/?api_key=k&amp;access_token=topsecret</p>"
    rig = rigs(f"ws://127.0.0.1:{serve(answer('403 No', page, f'Content-Length: {len(page)}')).port}")
    wait_until(rig.reports, WAIT)
    assert rig.reports()[0].detail.endswith(": /?api_key=k&access_token=***")


def test_texts_and_the_reason_of_a_farewell_reach_us_without_secrets(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    text, reason = (
        b'{"type":"error","data":"topsecret is no token"}',
        b"\x03\xf0<b>topsecret</b> is used elsewhere",
    )

    def handle(line: socket.socket) -> None:
        accept(line)
        line.sendall(b"\x81" + bytes([len(text)]) + text + b"\x88" + bytes([len(reason)]) + reason)
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(lambda: len(rig.reports()) == 2, WAIT)
    assert rig.frames()[0].data == '{"type":"error","data":"*** is no token"}'
    assert rig.reports()[1].detail == "closed by the broker with code 1008: *** is used elsewhere"


def test_the_handshake_itself_counts_as_life(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = FakeClock()
    go = threading.Event()

    def handle(line: socket.socket) -> None:
        go.wait(WAIT)
        accept(line)
        hold(line)

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}", clock=clock)
    clock.advance(8)
    go.set()
    wait_until(rig.reports, WAIT)
    assert rig.socket.last_received == 8


def test_a_redirect_is_not_followed_and_its_address_not_printed(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    def handle(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: wss://elsewhere.example/?code=topsecret\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}")
    wait_until(rig.reports, WAIT)
    report = rig.reports()[0]
    assert (report.event, report.detail) == ("unavailable", "cannot connect: sent elsewhere (302)")


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return Authority().server_context(tmp_path_factory.mktemp("tls"), "localhost")


def test_a_certificate_that_nobody_vouches_for_is_refused(
    serve: Callable[..., Broker],
    rigs: Callable[..., Rig],
    wait_until: Callable[..., None],
    self_signed: ssl.SSLContext,
) -> None:
    reached: list[bytes] = []
    rig = rigs(f"wss://localhost:{serve(lambda line: reached.append(accept(line)), self_signed).port}")
    wait_until(rig.reports, WAIT)
    assert rig.reports()[0].event == "unavailable"
    assert "certificate" in rig.reports()[0].detail
    assert reached == []


def test_a_reader_that_waits_for_room_gives_up_when_it_is_aborted(
    serve: Callable[..., Broker], rigs: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    def handle(line: socket.socket) -> None:
        accept(line)
        line.sendall(b"\x82\x01x" * 10)
        hold(line)

    policy = MailboxPolicy(capacity=2, when_full="wait")
    rig = rigs(f"ws://127.0.0.1:{serve(handle).port}", policy=policy)
    wait_until(lambda: rig.normalizer.depth == 2, WAIT)
    rig.socket.abort()
    assert rig.socket.join(WAIT)
    assert rig.normalizer.depth == 2
