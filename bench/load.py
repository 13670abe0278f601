"""The whole daemon under load: 20,000 ticks/s over a broker's wire to 100 clients for a minute.

Simulator, daemon and clients are processes of their own on real sockets; five clients parse everything and
must miss no ``seq``, the others check that they got as many ticks of each instrument as its numbers say.
Every mailbox's depth is read 20 times a second: one grew when more waited in it in the last ten seconds
than in seconds 10 to 20, by the median of what was read. The peaks stand beside it.

Once with the broker in mode ``full``, the default, which keeps every book; once in mode ``quote``, which is
what the clients want. Simulator and clients share the machine with the daemon: on two cores all of it
together needs nearly all the time that there is, and a client that reads late is conflated.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from typing import Any

from bench._processes import Helper, helper
from bench.fanout import clients
from mdactors.demo import simulator

INSTRUMENTS = 2053
"""2,000 shares of NSE, which the clients want, and 53 others."""
TICKS_PER_SECOND = 20_800
"""So that 20,000 and more are of those shares: of some updates the wire has nothing new to say."""
SECONDS = float(os.environ.get("MDACTORS_LOAD_SECONDS", "60"))
PACKETS_PER_FRAME = 800
BEAT_SECONDS = 0.04
LOOKS_PER_SECOND = 20
MODES = ("full", "quote")
_EACH = {
    "deliveries_per_second": (">=", 290_000.0),
    "parsing_clients_missing_seq": ("<=", 0.0),
    "instruments_with_wrong_count": ("<=", 0.0),
    "disconnected": ("<=", 0.0),
    "mailboxes_that_grew": ("<=", 0.0),
}
GOALS = {f"{mode}_{name}": goal for mode in MODES for name, goal in _EACH.items()}


def measure() -> dict[str, object]:
    """Deliveries, losses and mailbox depths in each mode."""
    return {f"{mode}_{name}": figure for mode in MODES for name, figure in _run(mode).items()}


def _run(mode: str) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory() as data_dir,
        helper("bench._daemon") as daemon,
        helper("bench._swarm") as swarm,
        simulator("kite", *options(TICKS_PER_SECOND)) as wire,
    ):
        wanted = {"symbols": wire["symbols"], "mode": mode}
        port = start_daemon(daemon, wire, data_dir, subscriptions=wanted)
        symbols = [each for each in wire["symbols"] if ":" not in each][:INSTRUMENTS]
        swarm.tell({"port": port, "seconds": SECONDS, "clients": clients("scan", symbols)})
        swarm.hear()
        depths = _watch_depths(daemon)
        heard = swarm.hear()
        usage = daemon_order(daemon, "usage")
    return _figures(heard, depths, usage)


def options(rate: int, packets: int = PACKETS_PER_FRAME) -> tuple[str, ...]:
    """The simulator's options for so many ticks a second."""
    names = ("--instruments", "--rate", "--packets-per-frame", "--beat")
    values = (INSTRUMENTS, rate, packets, BEAT_SECONDS)
    return tuple(text for name, value in zip(names, values, strict=True) for text in (name, str(value)))


def start_daemon(daemon: Helper, wire: dict[str, Any], data_dir: str, **changed: Any) -> int:
    """Configure and start it on the simulator; its port, once every symbol streams."""
    raw = {
        "data_dir": data_dir,
        "server": {"port": 0},
        "brokers": {"kite": wire["settings"]},
        "subscriptions": {"symbols": wire["symbols"]},
        "calendar": {"always_open": True},
        "log": {"level": "ERROR"},
    }
    daemon.tell(raw | changed)
    port = int(daemon.hear())
    deadline = time.monotonic() + 30
    while daemon_order(daemon, "tree").get("session_hub", {}).get("handled", 0) < 200:
        if time.monotonic() > deadline:
            raise RuntimeError("no ticks within 30 s")
        time.sleep(0.2)
    return port


def daemon_order(daemon: Helper, order: str, **more: Any) -> Any:
    """Tell the daemon an order and hear its answer."""
    daemon.tell({"order": order, **more})
    return daemon.hear()


def _watch_depths(daemon: Helper) -> list[dict[str, int]]:
    """Every mailbox's depth, over and over until shortly before the clients end."""
    depths = []
    due = time.monotonic()
    for _ in range(int(SECONDS - 2) * LOOKS_PER_SECOND):
        due += 1 / LOOKS_PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        depths.append(daemon_order(daemon, "depths"))
    return depths


def _figures(heard: dict[str, Any], depths: list[dict[str, int]], usage: dict[str, Any]) -> dict[str, object]:
    each = heard["clients"]
    ten = 10 * LOOKS_PER_SECOND
    early, late = _by_mailbox(depths[ten : 2 * ten]), _by_mailbox(depths[-ten:])
    return {
        "seconds": heard["seconds"],
        "deliveries_per_second": heard["ticks"] / heard["seconds"],
        "clients": len(each),
        "parsing_clients_missing_seq": sum(client["missing"] for client in each if client["way"] == "parse"),
        "instruments_with_wrong_count": sum(client["wrong"] for client in each),
        "disconnected": sum(client["closed"] for client in each),
        "mailboxes_that_grew": sum(
            statistics.median(late[name]) > statistics.median(early[name]) for name in late
        ),
        "highest_median_depth_last_10_seconds": max(statistics.median(read) for read in late.values()),
        "peak_depth_seconds_10_20": max(map(max, early.values())),
        "peak_depth_last_10_seconds": max(map(max, late.values())),
        "daemon_cpu_seconds": usage["cpu"],
        "daemon_max_rss_mb": usage["max_rss_mb"],
    }


def _by_mailbox(depths: list[dict[str, int]]) -> dict[str, list[int]]:
    return {name: [depth[name] for depth in depths] for name in depths[0]}
