"""Many websocket clients in one process: ``python -m bench._swarm`` with a plan on standard input.

The plan is JSON: ``{"port": …, "seconds": …, "clients": [{"path": …, "request": {…}|null, "way": …}]}``. It
says ``ready`` when all are connected and prints its report at the end; with ``"until_told": true`` a line
on standard input ends it sooner, while the line ``"window"`` asks for the latencies since the last one. The
ways: *parse* reads every frame as a stranger would and checks that no ``seq`` is missing; *scan* looks for
token and seq in the byte stream, cheap enough for a few hundred thousand deliveries a second on a third of a
core, and checks that there are as many as the numbers say; *drain* counts bytes; *stalled* reads nothing.
Latencies run from the monotonic microsecond that a made-up tick has as its volume; with ``"since":
"receipt"`` from the time at which the daemon received the tick.
"""

from __future__ import annotations

import base64
import datetime as dt
import gc
import json
import os
import select
import selectors
import socket
import statistics
import sys
import time
from collections import Counter
from typing import Any

import msgspec

from mdactors.runtime import MACHINE

TOKEN, EPOCH, SEQ = b'"instrumentToken":', b'"epoch":', b',"seq":'
TOKEN_BYTES = 12
"""A token and what follows it: no two tokens begin with the same so many bytes."""
EVERY = 50
"""A latency is kept of each so many'th tick."""
WARM_SECONDS = 1.5
"""So long after a client's first live tick no latency counts: routes are found, memory is taken."""


class Seen(msgspec.Struct):
    """What a parsing client reads of a tick."""

    instrumentToken: int = 0  # noqa: N815 # the wire's name
    epoch: int = 0
    seq: int = 0
    volume: int = 0
    event: str = ""
    snapshot: bool = False
    receivedAt: dt.datetime | None = None  # noqa: N815 # the wire's name


class Client:
    """One websocket, read as fast as it comes (or, stalled, not at all)."""

    def __init__(self, port: int, plan: dict[str, Any], *, since_receipt: bool = False) -> None:
        self.way: str = plan["way"]
        self._since_receipt = since_receipt
        self.bytes = 0
        self.ticks = 0
        self.missing = 0
        self.closed = False
        self.latencies: list[int] = []
        """Microseconds."""
        self.longest_silence = 0.0
        self._buffer = bytearray()
        self._runs: dict[tuple[int, int], list[int]] = {}
        """Token and epoch -> first seq, last seq, how many came."""
        self._rest = b""
        self._counts: Counter[bytes] = Counter()
        self._first: dict[bytes, bytes] = {}
        self._last: dict[bytes, bytes] = {}
        """Of what is scanned: token -> how many came, the first and the last of them."""
        self._decode = msgspec.json.Decoder(Seen).decode
        self._heard = time.monotonic()
        self._warm_at = 0.0
        self._request = plan.get("request")
        self.socket = self._ask(port, plan["path"])

    def _ask(self, port: int, path: str) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port))
        if self.way == "stalled":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return sock

    def is_answered(self) -> bool:
        """Whether `begin` has not to wait: the others must be read meanwhile."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def begin(self) -> None:
        """Read the handshake's answer and ask for ticks."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        assert b" 101 " in head.split(b"\r\n")[0], head
        if self._request:
            self._send(json.dumps(self._request).encode())
        self.socket.setblocking(False)

    def _send(self, payload: bytes) -> None:
        head = bytes([0x81]) + (
            bytes([0x80 | len(payload)])
            if len(payload) < 126
            else bytes([0x80 | 126]) + len(payload).to_bytes(2)
        )
        self.socket.sendall(head + bytes(4) + payload)

    def read(self) -> None:
        """Take what is there."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        now = time.monotonic()
        if self.ticks:
            self.longest_silence = max(self.longest_silence, now - self._heard)
        self._heard = now
        self.bytes += len(data)
        if self.way == "parse":
            self._buffer += data
            self._read_frames()
        elif self.way == "scan":
            self._scan(self._rest + data)

    def _scan(self, stream: bytes) -> None:
        _, *ticks = stream.split(TOKEN)
        if not ticks:
            self._rest = stream
            return
        self._rest = TOKEN + ticks.pop()  # it may go on
        self.ticks += len(ticks)
        # Whole lists at a time: a step of the interpreter per tick would cost more than all of this.
        tokens = [tick[:TOKEN_BYTES] for tick in ticks]
        self._counts.update(tokens)
        self._last.update(zip(tokens, ticks, strict=True))
        if len(self._first) < len(self._last):
            self._first = dict(zip(reversed(tokens), reversed(ticks), strict=True)) | self._first

    def _read_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 4:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4]), 4
            elif length == 127:
                if len(buffer) - at < 10:
                    break
                length, head = int.from_bytes(buffer[at + 2 : at + 10]), 10
            if len(buffer) - at < head + length:
                break
            if buffer[at] == 0x81:
                self._read_tick(bytes(buffer[at + head : at + head + length]))
            at += head + length
        del buffer[:at]

    def _read_tick(self, payload: bytes) -> None:
        tick = self._decode(payload)
        if tick.event:
            return
        self._note((tick.instrumentToken, tick.epoch), tick.seq)
        if tick.snapshot:
            return
        self._warm_at = self._warm_at or self._heard + WARM_SECONDS
        if self.ticks % EVERY == 0 and self._heard > self._warm_at:
            if self._since_receipt and tick.receivedAt is not None:
                self.latencies.append(MACHINE.time_ns() // 1000 - int(tick.receivedAt.timestamp() * 1e6))
            elif tick.volume:
                self.latencies.append(time.monotonic_ns() // 1000 - tick.volume)

    def _note(self, key: tuple[int, int], seq: int) -> None:
        self.ticks += 1
        run = self._runs.get(key)
        if run is None:
            self._runs[key] = [seq, seq, 1]
            return
        if seq != run[1] + 1:
            self.missing += abs(seq - run[1] - 1)
        run[1] = seq
        run[2] += 1

    def report(self) -> dict[str, Any]:
        """What came; ``wrong`` counts the instruments whose count is not last − first + 1."""
        for token, count in self._counts.items():
            (epoch, first), (_, last) = _numbers(self._first[token]), _numbers(self._last[token])
            self._runs[int(token.split(b",")[0]), epoch] = [first, last, count]
        wrong = sum(count != last - first + 1 for first, last, count in self._runs.values())
        return {
            "ticks": self.ticks,
            "bytes": self.bytes,
            "instruments": len({token for token, _ in self._runs}),
            "epochs": len({epoch for _, epoch in self._runs}),
            "missing": self.missing,
            "wrong": wrong,
            "closed": self.closed,
            "way": self.way,
            "longest_silence": round(self.longest_silence, 3),
        }


def _numbers(tick: bytes) -> tuple[int, int]:
    """A scanned tick's epoch and seq."""
    epoch, seq = tick.split(EPOCH)[1].split(SEQ)[:2]
    return int(epoch), int(seq.split(b",")[0])


def main() -> None:
    """Connect all, say ready, read for the planned time, report."""
    plan = json.loads(sys.stdin.readline())
    gc.disable()  # a pause of a client would count as a latency of the server
    selector = selectors.DefaultSelector()
    clients = []
    for each in plan["clients"]:
        client = Client(plan["port"], each, since_receipt=plan.get("since") == "receipt")
        while not client.is_answered():
            _read(selector, 0.01)
        client.begin()
        clients.append(client)
        if client.way != "stalled":
            selector.register(client.socket, selectors.EVENT_READ, client)
    print(json.dumps("ready"), flush=True)
    started, cpu = time.monotonic(), time.process_time()
    before = sum(client.ticks for client in clients)
    if plan.get("until_told"):
        selector.register(sys.stdin, selectors.EVENT_READ)
    while (left := started + plan["seconds"] - time.monotonic()) > 0 and not sys.stdin.closed:
        if _read(selector, min(left, 0.5)):
            _obey(selector, clients)
    report = {
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "ticks": sum(client.ticks for client in clients) - before,
        **_latencies(clients),
        "clients": [client.report() for client in clients],
    }
    print(json.dumps(report), flush=True)


def _obey(selector: selectors.DefaultSelector, clients: list[Client]) -> None:
    """Say the latencies since the last window, or end."""
    if json.loads(sys.stdin.readline() or "null") != "window":
        selector.unregister(sys.stdin)
        sys.stdin.close()
        return
    print(json.dumps(_latencies(clients)), flush=True)
    for client in clients:
        client.latencies.clear()


def _latencies(clients: list[Client]) -> dict[str, float]:
    latencies = sorted(each for client in clients for each in client.latencies)
    return {"p50_ms": _quantile(latencies, 50), "p99_ms": _quantile(latencies, 99)}


def _read(selector: selectors.DefaultSelector, seconds: float) -> bool:
    """Let every client take what is there; whether somebody said something on standard input."""
    told = False
    for key, _ in selector.select(seconds):
        if key.data is None:
            told = True
            continue
        key.data.read()
        if key.data.closed:
            selector.unregister(key.fileobj)
    return told


def _quantile(latencies: list[int], percent: int) -> float:
    """Milliseconds; the latencies are microseconds."""
    if len(latencies) < 2:
        return 0.0
    return statistics.quantiles(latencies, n=100)[percent - 1] / 1000


if __name__ == "__main__":
    main()
