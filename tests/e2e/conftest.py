"""What the end-to-end tests share: simulated brokers, daemons (thread or process), clients that listen."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websocket
from tests.waiting import wait_until

from mdactors.adapter import BrokerAdapter
from mdactors.app import Daemon
from mdactors.config import Settings, decode_section
from mdactors.plugins import load_simulator, make_adapters
from mdactors.runtime import Clock
from mdactors.simulator import SimulatorOptions, SimulatorServer, Venue, open_venue

DEADLINE = 10.0
ANSWER_SECONDS = 30.0
"""For one answer: a refresh of the instruments gets only idle time, of which a busy machine has little."""
STOPS_WITHIN = 20.0
QUICK = {"beat": 0.02, "rate": 3000.0}
"""A market on which each instrument ticks twenty times a second: no test shall wait for prices."""

Message = dict[str, Any]


def get(port: int, path: str, method: str = "GET", body: str | None = None) -> tuple[int, Any]:
    """Status and answer, JSON decoded."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read()
        is_json = "json" in answer.getheader("Content-Type", "")
        return answer.status, json.loads(text) if is_json else text
    finally:
        connection.close()


# --- clients ------------------------------------------------------------------------------------------


class Client:
    """A client that reads in a thread of its own and keeps what it heard, with the time.

    Decoded is only what a test looks at: a hundred thousand dictionaries more, and Python's garbage collector
    would hold the reading up for long enough to be taken for a slow client.
    """

    def __init__(self, port: int, path: str) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self._decoded: list[Message] = []
        self.close_code: int | None = None
        self._asked = 0
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=DEADLINE, suppress_origin=True
        )
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._read, name=f"client of {path}")
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while True:
                opcode, frame = self._socket.recv_data_frame(control_frame=True)
                if opcode == websocket.ABNF.OPCODE_TEXT:
                    self.heard.append((time.monotonic(), frame.data))
                elif opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.close_code = int.from_bytes(frame.data[:2], "big")
                    return

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive()

    def messages(self, start: int = 0) -> list[Message]:
        decoded = self._decoded
        decoded += [msgspec.json.decode(data) for _, data in self.heard[len(decoded) :]]
        return decoded[start:]

    def tick_times(self) -> list[float]:
        """When each tick came."""
        messages = self.messages()
        return [at for (at, _), message in zip(self.heard, messages, strict=False) if "event" not in message]

    def ticks(self, symbol: str | None = None, start: int = 0) -> list[Message]:
        """What came without an event, of one symbol or of all."""
        return [m for m in self.messages(start) if "event" not in m and symbol in (None, m["symbol"])]

    def events(self, kind: str, start: int = 0) -> list[Message]:
        return [message for message in self.messages(start) if message.get("event") == kind]

    def symbols(self) -> set[str]:
        return {tick["symbol"] for tick in self.ticks()}

    def ask(self, action: str, *symbols: str, **more: Any) -> Message:
        """Send a request and return its answer."""
        self._asked += 1
        named = {"symbols": symbols} if symbols else {}
        request = {"action": action, **named, "id": self._asked, **more}
        self._socket.send(json.dumps(request))
        answers: list[Message] = []

        def answered() -> bool:
            answers[:] = [m for m in self.messages() if "event" in m and m.get("id") == self._asked]
            return bool(answers)

        wait_until(answered, DEADLINE, what=f"the answer to {request}")
        return answers[0]

    def close(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self._socket.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.shutdown()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """``connect(port, path)``: a client that listens until the test is over."""
    with contextlib.ExitStack() as clients:

        def open_client(port: int, path: str) -> Client:
            client = Client(port, path)
            clients.callback(client.close)
            return client

        yield open_client


@pytest.fixture(scope="session")
def lost() -> Callable[[Iterable[Message]], list[str]]:
    """``lost(ticks)``: where ``seq`` of an instrument does not go up by one within an epoch."""

    def find(ticks: Iterable[Message]) -> list[str]:
        last: dict[tuple[int, int], int] = {}
        holes = []
        for tick in ticks:
            key = tick["instrumentToken"], tick["epoch"]
            before, last[key] = last.get(key), tick["seq"]
            if before is not None and tick["seq"] != before + 1:
                holes.append(f"{tick['symbol']}: {before} -> {tick['seq']}")
        return holes

    return find


@pytest.fixture(scope="session")
def by_symbol() -> Callable[[Iterable[Message]], dict[str, list[Message]]]:
    """``by_symbol(ticks)``: symbol -> its ticks in order."""

    def group(ticks: Iterable[Message]) -> dict[str, list[Message]]:
        found: dict[str, list[Message]] = defaultdict(list)
        for tick in ticks:
            found[tick["symbol"]].append(tick)
        return found

    return group


# --- brokers ------------------------------------------------------------------------------------------


@pytest.fixture
def simulate(clock: Clock) -> Iterator[Callable[..., SimulatorServer]]:
    """``simulate(broker, **options)``: a simulated broker in a thread; without options a `QUICK` one.

    ``venue`` makes it another market, ``clock`` another time.
    """
    ours = clock
    with contextlib.ExitStack() as servers:

        def start(
            broker: str,
            venue: Venue | None = None,
            port: int = 0,
            clock: Clock = ours,
            **options: Any,
        ) -> SimulatorServer:
            chosen = SimulatorOptions(**{"speed": clock.speed, **(options or QUICK)})
            market = venue or open_venue(chosen, clock)
            market.clock = clock
            simulator = load_simulator(broker)(market, chosen)
            return servers.enter_context(SimulatorServer(simulator, port=port))

        yield start


# --- daemons ------------------------------------------------------------------------------------------


class RunningDaemon:
    """The whole daemon, its event loop in a thread of this process."""

    def __init__(
        self, raw: Mapping[str, Any], adapters: Mapping[str, BrokerAdapter] | None, clock: Clock
    ) -> None:
        self.settings = decode_section(dict(raw), Settings, "")
        adapters = make_adapters(self.settings) if adapters is None else adapters
        self.daemon = Daemon(self.settings, adapters, clock)
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="daemon's loop")
        self._thread.start()
        try:
            self._started.result(DEADLINE)
        except BaseException:
            self.stop()
            raise

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as ending:
            ending.push_async_callback(self.daemon.stop)
            try:
                await self.daemon.start()
            except Exception as error:  # noqa: BLE001 - the test's thread raises it
                self._started.set_exception(error)
                return
            self._started.set_result(None)
            await self.daemon.wait()

    @property
    def port(self) -> int:
        return self.daemon.port

    def get(self, path: str) -> tuple[int, Any]:
        return get(self.port, path)

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return get(self.port, path, "POST", json.dumps(body))

    def actors(self) -> dict[str, Message]:
        """Every actor's part of the tree, by its name."""

        def walk(node: Message) -> Iterator[Message]:
            yield node
            for child in node.get("children", ()):
                yield from walk(child)

        return {node["name"]: node for node in walk(self.daemon.describe_tree())}

    def summary(self) -> str:
        """What the service manager shows."""
        assert self.daemon is not None
        return asyncio.run_coroutine_threadsafe(self.daemon.summary(), self._loop).result(DEADLINE)

    def tell(self, actor: str, message: Any) -> None:
        next(each for each in self.daemon.addresses() if each.name == actor).tell(message)

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.daemon.request_stop)
        self._thread.join(STOPS_WITHIN)
        assert not self._thread.is_alive(), f"the daemon does not stop within {STOPS_WITHIN:g} s"


@pytest.fixture
def configuration(tmp_path: Path) -> Callable[..., Message]:
    """``configuration({broker: settings}, **sections)``: as YAML would say it; a free port, always open."""
    made = 0

    def make(brokers: Mapping[str, Any], **sections: Any) -> Message:
        nonlocal made
        made += 1
        return {
            "data_dir": str(tmp_path / f"data-{made}"),
            "server": {"port": 0},
            "brokers": dict(brokers),
            "calendar": {"always_open": True},
            **sections,
        }

    return make


@pytest.fixture
def run_daemon(clock: Clock) -> Iterator[Callable[..., RunningDaemon]]:
    """``run_daemon(configuration, adapters=None, clock=clock)``: a daemon in a thread of this process."""
    ours = clock
    with contextlib.ExitStack() as daemons:

        def start(
            raw: Mapping[str, Any],
            adapters: Mapping[str, BrokerAdapter] | None = None,
            clock: Clock = ours,
        ) -> RunningDaemon:
            daemon = RunningDaemon(raw, adapters, clock)
            daemons.callback(daemon.stop)
            return daemon

        yield start


class Process:
    """A command of ours as a child process, and what it has said so far."""

    def __init__(self, words: Iterable[str], folder: Path, environ: Mapping[str, str]) -> None:
        number = len(list(folder.glob("*.out")))
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.started = time.monotonic()
            self.child = subprocess.Popen(
                [sys.executable, "-m", "mdactors", *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env={**os.environ, "TMPDIR": str(folder), **environ},
            )  # fmt: skip

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def port(self) -> int:
        """Where it listens, as its log or its greeting says; waits for it."""
        found: list[str] = []

        def said() -> bool:
            found[:] = re.findall(r"http://127\.0\.0\.1:(\d+)", self.out + self.err)
            return bool(found) or self.child.poll() is not None

        wait_until(said, DEADLINE, what="the address of a process")
        assert found, self.err
        return int(found[0])

    def get(self, path: str) -> tuple[int, Any]:
        return get(self.port, path)

    def end(self, number: int) -> int:
        """Send a signal; the exit code."""
        self.child.send_signal(number)
        return self.child.wait(DEADLINE)

    def memory_mb(self) -> float:
        """What it holds now."""
        fields = Path(f"/proc/{self.child.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE") / 1e6


@pytest.fixture
def mdactors(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """``mdactors("run", "--config", path, NAME="environment")``: the program as a child process."""
    processes: list[Process] = []

    def start(*words: object, **environ: str) -> Process:
        processes.append(Process(map(str, words), tmp_path, environ))
        return processes[-1]

    yield start
    for process in processes:
        if process.child.poll() is None:
            process.child.terminate()
    for process in processes:
        try:
            process.child.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.child.kill()
            process.child.wait()
