"""Fan-out of 20,000 ticks/s to 100 clients, against one ``write_message`` a tick and client.

There are 2,000 instruments; ten clients want everything, ninety want 100 symbols each: 290,000
deliveries a second. Server and clients are processes of their own; the server's CPU per delivery
includes making the ticks. The usual way runs at a tenth of the rate, because it could not keep up.
Latencies run from the tick's making to its being parsed by a client. A third run adds a client that
reads nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from bench._processes import helper

INSTRUMENTS = 2000
TICKS_PER_SECOND = 20_000
SECONDS = 20.0
USUAL_SHARE = 10
"""The usual way gets this fraction of the rate."""
GOALS = {"ratio": (">=", 12.0), "ours_p99_ms": ("<=", 10.0), "stalled_p99_ms": ("<=", 10.0)}


def measure() -> dict[str, object]:
    """CPU per delivery of both ways, their ratio, latencies without and with a stalled client."""
    usual = _run("usual", TICKS_PER_SECOND // USUAL_SHARE)
    ours = _run("ours", TICKS_PER_SECOND)
    stalled = _run("ours", TICKS_PER_SECOND, stalled=1)
    return {
        "usual_us_per_delivery": usual["us_per_delivery"],
        "ours_us_per_delivery": ours["us_per_delivery"],
        "ratio": usual["us_per_delivery"] / ours["us_per_delivery"],
        "ours_deliveries_per_second": ours["deliveries"] / ours["seconds"],
        "ours_cpu": ours["cpu"] / ours["seconds"],
        "ours_p50_ms": ours["p50_ms"],
        "ours_p99_ms": ours["p99_ms"],
        "usual_p50_ms": usual["p50_ms"],
        "usual_p99_ms": usual["p99_ms"],
        "stalled_p50_ms": stalled["p50_ms"],
        "stalled_p99_ms": stalled["p99_ms"],
        "stalled_us_per_delivery": stalled["us_per_delivery"],
    }


def clients(way: str, symbols: Sequence[str], parsing: int = 5) -> list[dict[str, Any]]:
    """The plan of 100 clients: 10 on everything, 90 on 100 symbols each; some of both kinds parse."""
    chance = random.Random(11)
    plans: list[dict[str, Any]] = [{"path": "/ws/stocks/nse/all", "way": way} for _ in range(10)]
    for _ in range(90):
        request = {"action": "SUBSCRIBE", "symbols": chance.sample(symbols, 100)}
        plans.append({"path": "/ws/stocks", "request": request, "way": way})
    for plan in [plans[0], *plans[10 : 10 + parsing - 1]]:
        plan["way"] = "parse"
    return plans


def _run(way: str, rate: int, stalled: int = 0) -> dict[str, Any]:
    with helper("bench._fanout_server") as server, helper("bench._swarm") as swarm:
        server.tell({"way": way, "rate": rate, "instruments": INSTRUMENTS})
        port = server.hear()
        names = [f"SHARE{n}" for n in range(1, INSTRUMENTS + 1)]
        plan = clients("drain", names) + [{"path": "/ws/stocks/nse/all", "way": "stalled"}] * stalled
        swarm.tell({"port": port, "seconds": SECONDS, "clients": plan})
        swarm.hear()
        server.tell({"seconds": SECONDS - 2})
        figures = server.hear()
        heard = swarm.hear()
    missing = sum(client["missing"] for client in heard["clients"])
    assert not missing, f"{missing} ticks are missing at clients that parse"
    figures["us_per_delivery"] = figures["cpu"] / figures["deliveries"] * 1e6
    return {**figures, "p50_ms": heard["p50_ms"], "p99_ms": heard["p99_ms"]}
