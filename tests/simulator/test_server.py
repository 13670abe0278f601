"""The server over real sockets: routes, refusals, beats, faults, the judge's log, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import msgspec
import pytest
import websocket
from tests.waiting import wait_until

from mdactors.market import ist
from mdactors.market.moment import read_moment
from mdactors.runtime import Clock, SetClock
from mdactors.simulator import (
    Conversation,
    Peer,
    PriceState,
    Reply,
    Request,
    Route,
    Simulator,
    SimulatorOptions,
    SimulatorServer,
    SocketRoute,
    open_venue,
)
from mdactors.simulator import peer as peer_module


class Ticker(Conversation):
    """Says what changed as text, echoes messages, fails when told to."""

    def on_open(self) -> None:
        self.peer.send("welcome")

    def on_message(self, data: bytes | str) -> None:
        if data == "fail":
            raise RuntimeError("told to")
        if data == "ping":
            self.peer.ping()
        elif data == "close":
            self.peer.close(4001)
        elif data == "flood":
            while self.peer.is_open:
                self.peer.send(bytes(1 << 20))
        else:
            self.peer.send(data)

    def on_beat(self, changed: Sequence[PriceState], now_ms: int) -> None:
        if not changed:
            self.peer.send(b"\x00")
            return
        for state in changed:
            self.sent(state.token)
        self.peer.send(f"beat {len(changed)} {now_ms}")


class TestSimulator(Simulator):
    """A broker with one socket, one page and a login."""

    __test__ = False
    name = "test"

    def routes(self) -> list[Route | SocketRoute]:
        return [
            SocketRoute("/feed/{name}", self._feed),
            Route("GET", "/echo/{key}/{rest}", self._echo),
            Route("POST", "/echo/{key}/{rest}", lambda request: Reply(201, request.body)),
            Route("GET", "/bug", lambda _: Reply(int("no number"))),
        ]

    def settings(self, port: int) -> dict[str, Any]:
        return {"url": f"ws://127.0.0.1:{port}/feed/x", "token": self.options.token}

    def _feed(self, request: Request, peer: Peer) -> Conversation | Reply:
        if not self.accepts(request.first("token")):
            return Reply(401, b"login", {"X-Why": "token"})
        if request.parameters["name"] == "away":
            return Reply(302, b"", {"Location": f"ws://{request.headers['host']}/feed/x?token=simulated"})
        return Ticker(peer)

    def _echo(self, request: Request) -> Reply:
        said = {
            "parameters": request.parameters,
            "query": request.query,
            "ua": request.headers.get("user-agent"),
        }
        return Reply.json(said)


OPTIONS = SimulatorOptions(beat=0, rate=1000, start="2026-11-20T12:00")


def serving(options: SimulatorOptions, clock: Clock, port: int = 0) -> SimulatorServer:
    return SimulatorServer(TestSimulator(open_venue(options, clock), options), port=port)


@pytest.fixture
def server(clock: Clock) -> Iterator[SimulatorServer]:
    before = set(threading.enumerate())
    with serving(OPTIONS, clock) as running:
        yield running
    assert set(threading.enumerate()) == before


Connect = Callable[..., websocket.WebSocket]


@pytest.fixture
def connect(server: SimulatorServer) -> Iterator[Connect]:
    opened: list[websocket.WebSocket] = []

    def make(name: str = "x", token: str = "simulated", **options: Any) -> websocket.WebSocket:
        url = f"ws://127.0.0.1:{server.port}/feed/{name}?token={token}"
        client = websocket.create_connection(url, timeout=5, **options)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.shutdown()  # type: ignore[no-untyped-call]  # websocket-client left it so


def fetch(server: SimulatorServer, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    request = UrlRequest(f"http://127.0.0.1:{server.port}{path}", method=method, data=body)
    try:
        with urlopen(request, timeout=5) as reply:
            return reply.status, reply.read()
    except OSError as error:
        return (getattr(error, "code", 0), error.read() if hasattr(error, "read") else b"")


def result(server: SimulatorServer, method: str, path: str, body: bytes | None = None) -> Any:
    status, answer = fetch(server, method, path, body)
    assert status == 200, answer
    return msgspec.json.decode(answer)["result"]


def test_a_conversation_opens_hears_and_answers(server: SimulatorServer, connect: Connect) -> None:
    client = connect()
    assert client.recv() == "welcome"
    client.send("hello")
    assert client.recv() == "hello"
    client.send_binary(b"\x01\x02")
    assert client.recv() == b"\x01\x02"
    assert server.connections == [1]


def test_a_step_hands_what_changed_to_every_conversation(server: SimulatorServer, connect: Connect) -> None:
    clients = [connect(), connect()]
    for client in clients:
        client.recv()
    wait_until(lambda: len(server.connections) == 2)
    assert server.step(0.1) == 100
    for client in clients:
        assert str(client.recv()).startswith("beat 100 ")
    assert server.step(0) == 0
    assert clients[0].recv() == b"\x00"


def test_a_long_step_conflates_nothing(server: SimulatorServer, connect: Connect) -> None:
    client = connect()
    client.recv()
    assert server.step(2) == 2000
    count = 0
    while count < 2000:
        count += int(client.recv().split()[1])
    assert sum(server.sent()[1].values()) == count == 2000


def test_a_refused_handshake_carries_status_body_and_headers(connect: Connect) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        connect(token="wrong")
    assert refused.value.status_code == 401
    assert refused.value.resp_body == b"login"
    assert refused.value.resp_headers is not None
    assert refused.value.resp_headers["x-why"] == "token"


def test_a_handshake_may_be_redirected(connect: Connect) -> None:
    assert connect("away").recv() == "welcome"


def test_rest_routes_get_parameters_query_headers_and_body(server: SimulatorServer) -> None:
    status, body = fetch(server, "GET", "/echo/NSE_EQ%7CINE1/a%20b?i=NSE:INFY&i=NSE:TCS&empty=")
    assert status == 200
    assert msgspec.json.decode(body) == {
        "parameters": {"key": "NSE_EQ|INE1", "rest": "a b"},
        "query": {"i": ["NSE:INFY", "NSE:TCS"], "empty": [""]},
        "ua": f"Python-urllib/3.{sys.version_info.minor}",
    }
    assert fetch(server, "POST", "/echo/a/b", b"form") == (201, b"form")
    assert fetch(server, "DELETE", "/echo/a/b")[0] == 405
    assert fetch(server, "GET", "/nowhere")[0] == 404


def test_a_bug_in_a_route_answers_500_and_logs_no_query(
    server: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert fetch(server, "GET", "/bug?token=hidden")[0] == 500
    assert "/bug failed" in caplog.text
    assert "hidden" not in caplog.text


def test_a_bug_in_a_conversation_ends_only_that_one(
    server: SimulatorServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = connect(), connect()
    bad.recv()
    good.recv()
    bad.send("fail")
    with pytest.raises((websocket.WebSocketException, OSError)):
        bad.recv()
    good.send("still here")
    assert good.recv() == "still here"
    assert "told to" in caplog.text
    assert server.connections == [2]


def test_a_peer_can_ping_and_close_with_a_code(connect: Connect) -> None:
    client = connect()
    client.recv()
    client.send("ping")
    assert client.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PING
    client.send("close")
    code, data = client.recv_data(control_frame=True)
    assert code == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(data[:2], "big") == 4001


def test_a_reader_that_sleeps_is_dropped_at_the_limit(
    server: SimulatorServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect()
    client.recv()
    client.send("flood")
    wait_until(lambda: server.connections == [])
    assert "too slowly" in caplog.text
    assert peer_module.UNREAD_LIMIT == 16 << 20


def test_one_connection_or_all_can_be_dropped(server: SimulatorServer, connect: Connect) -> None:
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.recv()
    assert server.faults.drop(2) == 1
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        clients[1].recv()
    wait_until(lambda: server.connections == [1, 3])
    assert result(server, "POST", "/simulator/drop") == 2
    wait_until(lambda: server.connections == [])


def test_a_stalled_connection_stays_open_and_goes_on_afterwards(
    server: SimulatorServer, connect: Connect
) -> None:
    client = connect()
    client.recv()
    assert server.faults.stall(60) == 1
    client.send("are you there")
    server.step(0.1)
    client.settimeout(0.2)
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.recv()
    client.settimeout(5)
    newcomer = connect()
    assert newcomer.recv() == "welcome"
    result(server, "POST", "/simulator/stall?seconds=0")
    assert client.recv() == "are you there"
    assert server.sent()[1] == {}


def test_a_stall_ends_by_itself(server: SimulatorServer, connect: Connect) -> None:
    client = connect()
    client.recv()
    result(server, "POST", "/simulator/stall?seconds=0.1")
    client.send("at last")
    assert client.recv() == "at last"


def test_the_next_handshakes_can_be_refused(server: SimulatorServer, connect: Connect) -> None:
    server.faults.refuse(429)
    result(server, "POST", "/simulator/refuse?status=503&count=2")
    for _ in range(2):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            connect()
        assert refused.value.status_code == 503
    assert connect().recv() == "welcome"


def test_a_refusal_may_be_a_gateways_page_or_the_brokers_own_json(
    server: SimulatorServer, connect: Connect
) -> None:
    for body, kind in ((b"<html>Blocked</html>", "text/html"), (b'{"error_type":"x"}', "application/json")):
        server.faults.refuse(403, 1, body)
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            connect()
        assert (refused.value.resp_body, refused.value.resp_headers["content-type"]) == (body, kind)
    result(server, "POST", "/simulator/refuse?status=401", b"<p>no")
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        connect()
    assert (refused.value.status_code, refused.value.resp_body) == (401, b"<p>no")


def test_rest_can_be_refused_but_for_what_gives_the_orders(server: SimulatorServer, connect: Connect) -> None:
    server.faults.refuse(403, 2, b"<html>Blocked</html>", "rest")
    assert connect().recv() == "welcome"
    assert result(server, "GET", "/simulator/connections") == [1]
    for _ in range(2):
        assert fetch(server, "GET", "/echo/a/b") == (403, b"<html>Blocked</html>")
    assert fetch(server, "GET", "/echo/a/b")[0] == 200
    assert fetch(server, "POST", "/simulator/refuse?door=window")[0] == 400


def test_an_expired_token_is_refused_until_a_new_one_is_accepted(
    server: SimulatorServer, connect: Connect
) -> None:
    old = connect()
    old.recv()
    server.faults.expire()
    with pytest.raises(websocket.WebSocketBadStatusException):
        connect()
    old.send("alive")
    assert old.recv() == "alive"
    result(server, "POST", "/simulator/accept?token=fresh")
    assert connect(token="fresh").recv() == "welcome"


def test_silence_leaves_the_heartbeats(server: SimulatorServer, connect: Connect) -> None:
    client = connect()
    client.recv()
    server.faults.silence(60)
    server.step(0.1)
    assert client.recv() == b"\x00"
    server.faults.silence(0)
    server.step(0.1)
    assert str(client.recv()).startswith("beat")


def test_silence_without_heartbeats_holds_for_newcomers_too(
    server: SimulatorServer, connect: Connect
) -> None:
    client = connect()
    client.recv()
    result(server, "POST", "/simulator/silence?seconds=60&heartbeats=0")
    newcomer = connect()
    for each in (client, newcomer):
        server.step(0.1)
        each.settimeout(0.1)
        with pytest.raises(websocket.WebSocketTimeoutException):
            each.recv()
        each.settimeout(5)
    server.faults.silence(0)
    server.step(0.1)
    assert str(client.recv()).startswith("beat")
    assert str(newcomer.recv()).startswith("beat")


def test_a_text_reaches_every_conversation(server: SimulatorServer, connect: Connect) -> None:
    client = connect()
    client.recv()
    assert result(server, "POST", "/simulator/say", '{"type":"error","data":"₹"}'.encode()) == 1
    assert client.recv() == '{"type":"error","data":"₹"}'


def test_a_raw_frame_reaches_every_conversation(server: SimulatorServer, connect: Connect) -> None:
    client = connect()
    client.recv()
    assert result(server, "POST", "/simulator/raw", b"00 01ff") == 1
    assert client.recv() == b"\x00\x01\xff"
    assert fetch(server, "POST", "/simulator/raw", b"no hex")[0] == 400


def test_the_judges_log_counts_by_connection_and_token(
    server: SimulatorServer, connect: Connect, tmp_path: Path
) -> None:
    one = connect()
    one.recv()
    server.step(0.1)
    two = connect()
    two.recv()
    server.step(0.05)
    log = result(server, "GET", "/simulator/sent")
    assert log["updates"] == 200
    assert sum(log["connections"]["1"].values()) == 150
    assert sum(log["connections"]["2"].values()) == 50
    assert sum(log["tokens"].values()) == 200
    assert result(server, "GET", "/simulator/connections") == [1, 2]
    one.close()
    wait_until(lambda: server.connections == [2])
    assert sum(server.sent()[1].values()) == 150


def test_the_judges_log_is_written_as_json_lines(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sent.jsonl"
    options = msgspec.structs.replace(OPTIONS, beat=0.02, sent_log=str(path))
    with serving(options, clock) as server:
        client = websocket.create_connection(server.settings()["url"] + "?token=simulated", timeout=5)
        assert client.recv() == "welcome"
        heard = 0
        while heard < 300:
            heard += next_beat(client)[0]
        client.close()
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert {line["connection"] for line in lines} == {1}
    written = sum(sum(line["sent"].values()) for line in lines)
    assert written == sum(server.sent()[1].values())
    assert written >= heard


def test_the_beat_keeps_the_rate(clock: Clock) -> None:
    options = msgspec.structs.replace(OPTIONS, beat=0.02, rate=5000)
    with serving(options, clock) as server:
        client = websocket.create_connection(server.settings()["url"] + "?token=simulated", timeout=5)
        client.recv()
        _, first = next_beat(client)
        heard, last = 0, first
        while last - first < 1000:
            count, last = next_beat(client)
            heard += count
        client.close()
    assert heard == pytest.approx((last - first) * 5, abs=10)


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_a_live_exchange_is_never_before_its_clock_and_hardly_behind_it(speed: float) -> None:
    clock = SetClock.starting(read_moment("2027-01-26T10:00"), speed)
    options = SimulatorOptions(beat=0.02, rate=1000, speed=speed)
    with SimulatorServer(TestSimulator(open_venue(options, clock), options)) as server:
        client = websocket.create_connection(server.settings()["url"] + "?token=simulated", timeout=5)
        client.recv()
        behind = []
        for _ in range(50):
            _, exchange_ms = next_beat(client)
            behind.append(clock.time_ns() / 1e6 - exchange_ms)
        client.close()
    assert 0 <= min(behind) < 250 * speed, "ms: a quarter of a real second for a busy machine"


def test_under_a_clock_that_was_set_the_judges_log_has_its_time(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    clock = SetClock.starting(read_moment("2027-01-26T10:00"))
    options = SimulatorOptions(beat=0.02, rate=1000, sent_log=str(path))
    with SimulatorServer(TestSimulator(open_venue(options, clock), options)) as server:
        client = websocket.create_connection(server.settings()["url"] + "?token=simulated", timeout=5)
        client.recv()
        next_beat(client)
        client.close()
    times = [msgspec.json.decode(line)["time_ms"] for line in path.read_bytes().splitlines()]
    assert times
    assert {ist.iso(each)[:13] for each in times} == {"2027-01-26T10"}


def next_beat(client: websocket.WebSocket) -> tuple[int, int]:
    """How many changed, and the exchange's time; a beat that is late is followed by one without changes."""
    while isinstance(said := client.recv(), bytes):
        pass
    _, count, now_ms = said.split()
    return int(count), int(now_ms)


def test_a_taken_port_is_an_error_and_leaves_nothing(clock: Clock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = threading.active_count()
        server = serving(OPTIONS, clock, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            server.start()
        server.stop()
        assert threading.active_count() == before


CHILD = """
import os
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_server import OPTIONS, TestSimulator
from mdactors.simulator import SimulatorServer, open_venue
server = SimulatorServer(TestSimulator(open_venue(OPTIONS), OPTIONS))
server.run_forever(parent=os.getppid(), ready=lambda port: print(port, flush=True))
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}, sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline().strip(), flush=True)
sys.stdin.read()
"""
HERE = str(Path(__file__).parent)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_run_forever_ends_on_a_signal() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, HERE], stdout=subprocess.PIPE, text=True, env=environment()
    ) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) > 0
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0


def test_a_simulator_that_was_frozen_for_a_while_goes_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, HERE], stdout=subprocess.PIPE, text=True, env=environment()
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        child.send_signal(signal.SIGSTOP)
        time.sleep(1.1)  # longer than it waits for a signal at once
        child.send_signal(signal.SIGCONT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0


def test_a_simulator_dies_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, HERE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        assert port > 0
        assert alive(pid)
        parent.kill()
    wait_until(lambda: not alive(pid))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
