"""Each actor killed in turn, 20 times, under load: what the clients and the other actors notice.

5,000 ticks/s over a broker's wire, 20 clients. After every kill the victim must live again, every other
actor must have gone on living, and ticks must flow within a second (a killed connection: once the broker
admits it again). At the end no client may have been disconnected or miss a ``seq`` within an epoch, and the
store must hold every tick that was numbered, exactly once.
"""

from __future__ import annotations

import os
import pathlib
import sqlite3
import tempfile
import time
from typing import Any

from bench._processes import Helper, helper
from bench.fanout import clients
from bench.load import INSTRUMENTS, daemon_order, options, start_daemon
from mdactors.demo import simulator

ROUNDS = int(os.environ.get("MDACTORS_KILL_ROUNDS", "20"))
TICKS_PER_SECOND = 5_000
CLIENTS = 20
PAUSE_SECONDS = 0.3
"""Between two kills; a connection gets longer, because the broker admits it in its own time."""
RAISED = {"supervision": {"max_restarts": 10_000, "backoff_limit_seconds": 0.05}}
SUPERVISORS = {"root", "sinks", "sessions", "brokers", "kite"}
GOALS = {
    "slowest_recovery_s": ("<=", 1.0),
    "clients_disconnected": ("<=", 0.0),
    "seq_missing_within_an_epoch": ("<=", 0.0),
    "stored_runs_with_gaps_or_doubles": ("<=", 0.0),
    "ticks_dropped_in_mailboxes": ("<=", 0.0),
}


def measure() -> dict[str, object]:
    """Kill everybody in turn; raises when a promise is broken."""
    with (
        tempfile.TemporaryDirectory() as data_dir,
        helper("bench._daemon", quiet=True) as daemon,
        helper("bench._swarm") as swarm,
        simulator("kite", *options(TICKS_PER_SECOND, packets=100)) as wire,
    ):
        port = start_daemon(daemon, wire, data_dir, **RAISED)
        symbols = [each for each in wire["symbols"] if ":" not in each][:INSTRUMENTS]
        plan = clients("parse", symbols)[8 : 8 + CLIENTS]
        victims = sorted(set(daemon_order(daemon, "tree")) - SUPERVISORS)
        swarm.tell(
            {"port": port, "seconds": len(victims) * ROUNDS * 3.0, "clients": plan, "until_told": True}
        )
        swarm.hear()
        recoveries = {victim: _kill_often(daemon, victim) for victim in victims}
        swarm.tell("enough")
        heard = swarm.hear()["clients"]
        counted = daemon_order(daemon, "stop")
        figures = _figures(recoveries, heard) | _stored(pathlib.Path(data_dir) / "ticks.db")
    figures["ticks_dropped_in_mailboxes"] = counted["dropped"]
    return figures


def _kill_often(daemon: Helper, victim: str) -> list[float]:
    """Seconds from each kill to the next tick handled after the victim lives again."""
    return [_kill(daemon, victim) for _ in range(ROUNDS)]


def _kill(daemon: Helper, victim: str) -> float:
    before = daemon_order(daemon, "tree")
    killed: float = daemon_order(daemon, "kill", actor=victim)
    deadline = time.monotonic() + 15
    while not _recovered(now := daemon_order(daemon, "tree"), before, victim):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{victim} did not recover within 15 s")
        time.sleep(0.005)
    took = time.monotonic() - killed
    for name, node in now.items():
        if name != victim and node["uptime"] < before[name]["uptime"]:
            raise RuntimeError(f"{name} was restarted when {victim} was killed")
    time.sleep(PAUSE_SECONDS)
    return took


def _recovered(now: dict[str, Any], before: dict[str, Any], victim: str) -> bool:
    """It lives again, and ticks pass the whole way to the hub."""
    mine, flow = now[victim], now["session_hub"]
    if mine["restarts"] == before[victim]["restarts"] or mine["state"] != "running":
        return False
    if "connection" in victim and mine["connection"] != before[victim]["connection"]:
        return False
    return victim == "session_hub" or bool(flow["handled"] > before["session_hub"]["handled"] + 3)


def _figures(recoveries: dict[str, list[float]], heard: list[dict[str, Any]]) -> dict[str, object]:
    figures: dict[str, object] = {
        "actors": len(recoveries),
        "kills_of_each": ROUNDS,
        "slowest_recovery_s": max(max(seconds) for seconds in recoveries.values()),
    }
    figures |= {f"slowest_recovery_s_{victim}": max(seconds) for victim, seconds in recoveries.items()}
    figures["clients_disconnected"] = sum(client["closed"] for client in heard)
    figures["ticks_parsed"] = sum(client["ticks"] for client in heard)
    figures["seq_missing_within_an_epoch"] = sum(client["missing"] for client in heard)
    figures["longest_silence_s"] = max(client["longest_silence"] for client in heard)
    return figures


def _stored(path: pathlib.Path) -> dict[str, object]:
    """Whether the store has every number of each instrument and epoch, once."""
    query = (
        "SELECT count(*), sum(n), sum(n != last OR n != distinct_n) FROM (SELECT count(*) AS n, "
        "max(seq) AS last, count(DISTINCT seq) AS distinct_n FROM ticks GROUP BY instrument_token, epoch)"
    )
    with sqlite3.connect(path) as database:
        runs, rows, wrong = database.execute(query).fetchone()
    database.close()
    return {"stored_ticks": rows, "stored_runs": runs, "stored_runs_with_gaps_or_doubles": wrong}
