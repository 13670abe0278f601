"""Instruments refreshed under 5,000 ticks/s: what clients notice of it, and what it costs in memory.

The whole program on a simulated Kite of 2,000 instruments that all stream, five clients that parse every
tick. Kite lists 120,000 options besides; at each refresh, asked for over REST, 2,000 of them have left and
as many others have come. After each refresh comes a stretch of the same length without one.

Latencies run from a tick's receipt to a client: *calm* is such a stretch, *loading* lasts until another
process has put the new table there, *swap* from then until a second after the answer, in which the daemon
takes the table and everybody takes it over. Each p99 is the median over the refreshes.

Memory is what the daemon holds, without a cache of today's ticks. It grows by live ticks alone until every
instrument has its latest bars of a second, so that is waited for (*live*); those of a minute add a little
for some minutes more. Then *refresh* and *calm* are the first stretch of each kind, before, at its worst and
after; *grew* adds up what all stretches of a kind left behind. At its worst a refresh has two tables, the
old and the new one. The process that loads the lists is another one, and gives its memory back.
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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from bench._crowd import Crowd, crowd
from bench._lists import ROWS, contracts
from bench._market import market, wait_for
from bench._program import DATA, Program, program
from mdactors.market.instruments import FILE

INSTRUMENTS = 2000
TICKS_PER_SECOND = 5_000
REFRESHES = int(os.environ.get("MDACTORS_REFRESHES", "5"))
CHANGED = 2_000
LIVE_SECONDS = 60.0
"""Of live ticks alone, before the first refresh: longer than bars of a second take late trades."""
SWAP_SECONDS = 1.0
"""In which everybody takes the table over, once there is an answer."""
SETTLES_SECONDS = 5.0
LOADED_WITHIN = 120.0
LOOK_SECONDS = 0.02
REFRESH = "/api/ticks/admin/refresh-instruments"
KINDS = ("indices", "stocks", "futures", "options")
GOALS = {
    "clients_missing": ("<=", 0.0),
    "clients_disconnected": ("<=", 0.0),
    "failed": ("<=", 0.0),
    "refreshes_grew_mb": ("<=", 10.0),
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


class Memory(msgspec.Struct):
    """What the daemon held in a stretch, and at most the process that loads for it; MB."""

    before: float
    worst: float
    after: float = 0.0
    loading: float = 0.0

    @property
    def grew(self) -> float:
        """What the stretch left behind."""
        return self.after - self.before

    def figures(self, stretch: str) -> dict[str, object]:
        """As figures of a stretch of this name."""
        return {f"{stretch}_{name}_mb": getattr(self, name) for name in ("before", "worst", "after")}


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[Memory]:
    """Look many times a second while the block lasts."""
    memory = Memory(_resident_mb(pid), 0.0)
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            memory.worst = max(memory.worst, _resident_mb(pid))
            memory.loading = max([memory.loading, *map(_resident_mb, _loading(pid))])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()
        memory.after = _resident_mb(pid)
        memory.worst = max(memory.worst, memory.before, memory.after)


def _loading(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended
            for child in (task / "children").read_text().split():
                if b"mdactors.catalogue" in Path(f"/proc/{child}/cmdline").read_bytes():
                    yield int(child)


class Round(msgspec.Struct, frozen=True):
    """One refresh, and the stretch of the same length that followed."""

    ok: bool
    seconds: float
    refresh: Memory
    calm: Memory
    p99_ms: dict[str, float]
    """By the part of the round."""


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
                live = {"live_first_mb": daemon.rss_mb()}
                time.sleep(LIVE_SECONDS)
                live["live_settled_mb"] = daemon.rss_mb()
                table = Path(name) / DATA / FILE
                rounds = [_round(daemon, clients, table) for _ in range(REFRESHES)]
                rows = sum(daemon.counters("instrument_master").get(kind, 0) for kind in KINDS)
                noticed = clients.leave()
            daemon.stop()
    return {"table_rows": rows, **live, **_figures(rounds)} | {
        f"clients_{name}": value for name, value in noticed.items()
    }


def _round(daemon: Program, clients: Crowd, table: Path) -> Round:
    p99: dict[str, float] = {}
    clients.latencies()
    began = time.monotonic()
    with _watched(daemon.pid) as refresh, ThreadPoolExecutor(1) as pool:
        there = table.stat().st_ino
        asked = pool.submit(daemon.post, REFRESH, LOADED_WITHIN)
        while not asked.done() and table.stat().st_ino == there:
            time.sleep(LOOK_SECONDS)
        p99["loading"] = clients.latencies()["p99_ms"]
        status, _answer = asked.result()
        took = time.monotonic() - began
        time.sleep(SWAP_SECONDS)
        p99["swap"] = clients.latencies()["p99_ms"]
        time.sleep(SETTLES_SECONDS)
    clients.latencies()
    with _watched(daemon.pid) as calm:
        time.sleep(took + SWAP_SECONDS + SETTLES_SECONDS)
    p99["calm"] = clients.latencies()["p99_ms"]
    return Round(status == 200, took, refresh, calm, p99)


def _figures(rounds: Sequence[Round]) -> dict[str, object]:
    p99 = {part: [each.p99_ms[part] for each in rounds] for part in ("calm", "loading", "swap")}
    return {
        "refreshes": len(rounds),
        "failed": sum(not each.ok for each in rounds),
        "refresh_median_s": statistics.median(each.seconds for each in rounds),
        **{f"{part}_p99_ms": statistics.median(each) for part, each in p99.items()},
        "calm_worst_p99_ms": max(p99["calm"]),
        "swap_worst_p99_ms": max(p99["swap"]),
        **rounds[0].refresh.figures("refresh"),
        **rounds[0].calm.figures("calm"),
        "refreshes_worst_mb": max(each.refresh.worst for each in rounds),
        "refreshes_after_mb": rounds[-1].refresh.after,
        "refreshes_grew_mb": sum(each.refresh.grew for each in rounds),
        "calm_grew_mb": sum(each.calm.grew for each in rounds),
        "loading_process_worst_mb": max(each.refresh.loading for each in rounds),
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
