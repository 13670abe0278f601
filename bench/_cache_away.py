"""A Redis that is killed or hangs under load: what clients and REST notice."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from pathlib import Path
from typing import Literal

import msgspec
from redis import Redis as Client

from bench._crowd import Crowd, crowd
from bench._market import Market, market, wait_for
from bench._program import Program, program
from bench._servers import Redis

Kind = Literal["killed", "hung"]
KINDS: tuple[Kind, ...] = ("killed", "hung")
TICKS_PER_SECOND = 5_000
INSTRUMENTS = 500
SYMBOL, TOKEN = "RELIANCE", 738561
ASKS_SECONDS = 0.5
SETTLES_SECONDS = 3.0
REFILLED_WITHIN, AT_REST_WITHIN = 30.0, 300.0
"""How long we wait for it while ticks go on, and once they have stopped."""
ALLOWED_SHARE, ALLOWED_MS = 0.2, 2.0
"""A publishing p99 may be so much above the undisturbed one's, whichever is more."""


class Window(msgspec.Struct):
    """What one stretch of time brought."""

    p99_ms: float
    rest_worst_ms: float
    rest_failures: int


def cache_away(
    folder: Path, server: Redis, pairs: int, seconds: float, rate: int = TICKS_PER_SECOND
) -> dict[str, float]:
    """Kill and hang the server in turn, each time after an undisturbed stretch of the same length.

    Args:
        folder: for data and logs of the daemon and the simulator, without any yet.
        server: running and empty.
        pairs: how many pairs of stretches of each kind.
        seconds: the length of a stretch.
        rate: ticks a second.

    Returns:
        For each kind the medians of the publishing p99 (from receipt to client) and of what it took of
        the allowance; how REST answered; what clients noticed; ticks missing in the refilled cache.
    """
    cache = {"kind": "redis", "redis": {"port": server.port}}
    pairs_of: dict[Kind, list[tuple[Window, Window]]] = {kind: [] for kind in KINDS}
    refilled: list[float] = []
    with (
        market(folder, rate, INSTRUMENTS) as source,
        program(folder, source.configuration(folder, cache=cache)) as daemon,
    ):
        daemon.wait_until_up()
        wait_for(source.newest, "ticks flow")
        with crowd(daemon.port, source.symbols) as clients:
            time.sleep(SETTLES_SECONDS)
            for kind in KINDS * pairs:
                undisturbed = _window(daemon, clients, seconds)
                disturbed = _disturbed(daemon, clients, seconds, server, kind)
                pairs_of[kind].append((undisturbed, disturbed))
                refilled.append(_refilled(source, server))
            noticed = clients.leave()
        missing = _missing_at_rest(source, server)
        daemon.stop()
    figures = {f"clients_{name}": value for name, value in noticed.items()}
    figures |= {"cache_ticks_missing": missing, "cache_refilled_worst_s": max(refilled)}
    for kind in KINDS:
        figures |= {f"{kind}_{name}": value for name, value in _summed(pairs_of[kind]).items()}
    return figures


def _disturbed(daemon: Program, clients: Crowd, seconds: float, server: Redis, kind: Kind) -> Window:
    if kind == "killed":
        server.stop(signal.SIGKILL)
        window = _window(daemon, clients, seconds)
        server.start()
    else:
        server.send(signal.SIGSTOP)
        window = _window(daemon, clients, seconds)
        server.send(signal.SIGCONT)
    return window


def _window(daemon: Program, clients: Crowd, seconds: float) -> Window:
    """Ask REST over and over while clients listen."""
    clients.latencies()
    worst, failures = 0.0, 0
    ends = time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        try:
            status, ticks = daemon.get(f"/api/ticks/today/{SYMBOL}?lastMinutes=1")
            failures += status != 200 or not ticks
        except OSError:
            failures += 1
        worst = max(worst, time.monotonic() - began)
        time.sleep(max(0.0, min(began + ASKS_SECONDS, ends) - time.monotonic()))
    return Window(clients.latencies()["p99_ms"], worst * 1000, failures)


def _missing(source: Market, server: Redis) -> int:
    """How many ticks sent until now the server does not hold half a second later."""
    source.sent.read()
    sent = source.sent.of(TOKEN)
    time.sleep(0.5)
    with contextlib.closing(Client(port=server.port, socket_timeout=5)) as client:
        # Not those of BSE:RELIANCE, another instrument.
        return sent - sum(client.llen(key) for key in client.scan_iter(f"ticks:????-??-??:{SYMBOL}"))


def _refilled(source: Market, server: Redis) -> float:
    """Seconds until the cache holds everything again, at most what it may take."""
    began = time.monotonic()
    while _missing(source, server) > 0 and time.monotonic() < began + REFILLED_WITHIN:
        pass
    return time.monotonic() - began


def _missing_at_rest(source: Market, server: Redis) -> int:
    """How many are missing, or there twice, when nothing comes any more."""
    source.silence()
    deadline = time.monotonic() + AT_REST_WITHIN
    while (missing := _missing(source, server)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return abs(missing)


def _summed(pairs: list[tuple[Window, Window]]) -> dict[str, float]:
    taken = []
    for undisturbed, disturbed in pairs:
        allowed = max(ALLOWED_SHARE * undisturbed.p99_ms, ALLOWED_MS)
        taken.append((disturbed.p99_ms - undisturbed.p99_ms) / allowed)
    return {
        "undisturbed_p99_ms": statistics.median(calm.p99_ms for calm, _ in pairs),
        "p99_ms": statistics.median(storm.p99_ms for _, storm in pairs),
        "p99_of_allowance": statistics.median(taken),
        "rest_failures": sum(storm.rest_failures for _, storm in pairs),
        "rest_worst_ms": max(storm.rest_worst_ms for _, storm in pairs),
        "undisturbed_rest_worst_ms": max(calm.rest_worst_ms for calm, _ in pairs),
    }
