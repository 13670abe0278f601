"""Instruments refreshed under 5,000 ticks/s: what clients notice of it, and what it costs in memory.

The whole program on a simulated Kite of 2,000 instruments that all stream, five clients that parse every
tick. Kite lists 120,000 options besides; at each refresh, asked for over REST, 2,000 of them have left and
as many others have come. Latencies run from a tick's receipt to a client: *calm*
is a stretch before each refresh, *during* its whole length until the new table is there, *after* the stretch
that follows, in which everybody takes it over; each p99 is the median over the refreshes. Memory is what the
daemon holds, without a cache of today's ticks, before the first refresh, after it and after the last; the
process that loads the lists is another one, and gives its back.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench._crowd import Crowd, crowd
from bench._lists import ROWS, contracts
from bench._market import market, wait_for
from bench._program import Program, program

INSTRUMENTS = 2000
TICKS_PER_SECOND = 5_000
REFRESHES = int(os.environ.get("MDACTORS_REFRESHES", "5"))
CHANGED = 2_000
CALM_SECONDS = 5.0
SETTLES_SECONDS = 5.0
LOADED_WITHIN = 120.0
LOOK_SECONDS = 0.1
REFRESH = "/api/ticks/admin/refresh-instruments"
KINDS = ("indices", "stocks", "futures", "options")
GOALS = {
    "clients_missing": ("<=", 0.0),
    "clients_disconnected": ("<=", 0.0),
    "failed": ("<=", 0.0),
}


class _Source:
    """Kite's list with many options more; the next one is another."""

    def __init__(self, listed: str) -> None:
        with urllib.request.urlopen(listed) as answer:  # noqa: S310 # our own simulator
            streamed: bytes = answer.read()
        self._lists = itertools.cycle([streamed + contracts(first) for first in (0, CHANGED)])

    def take(self) -> bytes:
        """The two lists in turn."""
        return next(self._lists)


class _Memory:
    """The most that the daemon, and the process that loads for it, held while somebody looked; MB."""

    def __init__(self, pid: int) -> None:
        self.daemon = 0.0
        self.loading = 0.0
        self._pid = pid
        self._over = threading.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look many times a second while the block lasts."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._over.clear()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.daemon = max(self.daemon, _resident_mb(self._pid))
            self.loading = max([self.loading, *map(_resident_mb, self._loading())])

    def _loading(self) -> Iterator[int]:
        for task in Path(f"/proc/{self._pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it ended
                for child in (task / "children").read_text().split():
                    if b"mdactors.catalogue" in Path(f"/proc/{child}/cmdline").read_bytes():
                        yield int(child)


def measure() -> dict[str, object]:
    """Latencies around the refreshes, losses, memory."""
    with tempfile.TemporaryDirectory() as name, market(Path(name), TICKS_PER_SECOND, INSTRUMENTS) as wire:
        # Today's ticks, kept at hand, would be most of what the daemon holds after a few minutes.
        configuration = wire.configuration(Path(name), cache={"today": "off"})
        kite = configuration["brokers"]["kite"]
        with (
            _served(_Source(f"{kite['rest_url']}/instruments")) as kite["rest_url"],
            program(Path(name), configuration) as daemon,
        ):
            daemon.wait_until_up()
            wait_for(lambda: _options(daemon) >= ROWS, "the whole table", LOADED_WITHIN)
            wait_for(wire.newest, "ticks flow")
            with crowd(daemon.port, wire.symbols) as clients:
                time.sleep(SETTLES_SECONDS)
                figures = _refresh(daemon, clients)
                noticed = clients.leave()
            daemon.stop()
    return figures | {f"clients_{name}": value for name, value in noticed.items()}


def _refresh(daemon: Program, clients: Crowd) -> dict[str, object]:
    """Refresh again and again, with a calm stretch before and after each."""
    memory = _Memory(daemon.pid)
    held_mb = [daemon.rss_mb()]
    p99: dict[str, list[float]] = {"calm": [], "during": [], "after": []}
    took: list[float] = []
    failed = 0
    for _ in range(REFRESHES):
        clients.latencies()
        time.sleep(CALM_SECONDS)
        p99["calm"].append(clients.latencies()["p99_ms"])
        began = time.monotonic()
        with memory.watched():
            status, _answer = daemon.post(REFRESH, LOADED_WITHIN)
        took.append(time.monotonic() - began)
        held_mb.append(daemon.rss_mb())
        failed += status != 200
        p99["during"].append(clients.latencies()["p99_ms"])
        time.sleep(CALM_SECONDS)
        p99["after"].append(clients.latencies()["p99_ms"])
    return {
        "refreshes": REFRESHES,
        "failed": failed,
        "table_rows": sum(daemon.counters("instrument_master").get(kind, 0) for kind in KINDS),
        "refresh_median_s": statistics.median(took),
        **{f"{name}_p99_ms": statistics.median(each) for name, each in p99.items()},
        "during_worst_p99_ms": max(p99["during"]),
        "daemon_before_mb": held_mb[0],
        "daemon_after_first_mb": held_mb[1],
        "daemon_after_last_mb": held_mb[-1],
        "daemon_peak_mb": memory.daemon,
        "loading_process_peak_mb": memory.loading,
    }


def _options(daemon: Program) -> int:
    return int(daemon.counters("instrument_master").get("options", 0))


@contextlib.contextmanager
def _served(source: _Source) -> Iterator[str]:
    """The source behind a web server that ends with the block; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = source.take()
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _resident_mb(pid: int) -> float:
    """What a process holds; 0 when it ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 1e6
