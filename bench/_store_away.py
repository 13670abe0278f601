"""A database server that is stopped and started again under load: what it costs."""

from __future__ import annotations

import time
from pathlib import Path

from bench._crowd import crowd
from bench._judge import Run, Verdict, judge
from bench._market import Market, market, wait_for
from bench._program import Program, program, wall_ms
from bench._servers import Postgres
from bench._shelf import PostgresShelf, Shelf

TICKS_PER_SECOND = 5_000
INSTRUMENTS = 500
SETTLES_SECONDS = 3.0
"""The load before the outage and after it."""
DRAINED_WITHIN = 900.0


def store_away(folder: Path, server: Postgres, seconds: float) -> dict[str, float]:
    """Stop the server for so long under 5,000 ticks/s, start it again, and judge what is stored.

    Args:
        folder: for data and logs of the daemon and the simulator, without any yet.
        server: running and empty; it runs again afterwards.
        seconds: how long it is away.

    Returns:
        What the judge found, what clients noticed, the daemon's memory before and at its worst, and
        as ``drained_s`` how long the store took to catch up.
    """
    shelf = PostgresShelf(server.dsn)
    # What the memory cache keeps of the day grows by design: memory is watched without it.
    sections = {"store": shelf.settings, "cache": {"today": "off"}}
    with market(folder, TICKS_PER_SECOND, INSTRUMENTS) as source:
        with program(folder, source.configuration(folder, **sections)) as daemon:
            daemon.wait_until_up()
            wait_for(source.newest, "ticks flow")
            with crowd(daemon.port, source.symbols) as clients:
                time.sleep(SETTLES_SECONDS)
                memory = [daemon.rss_mb()]
                server.stop()
                _watch(daemon, seconds, memory)
                server.start()
                returned = time.monotonic()
                _watch(daemon, SETTLES_SECONDS, memory)
                noticed = clients.leave()
            _drain(source, shelf, daemon, memory)
            drained = time.monotonic() - returned
            daemon.stop()
            run = Run(daemon.started_ms, wall_ms(), clean=True)
        source.sent.read()
        verdict = judge(source.sent, [run], shelf.rows())
    figures = _found(verdict) | {f"clients_{name}": value for name, value in noticed.items()}
    return figures | {
        "away_s": seconds,
        "drained_s": drained,
        "rss_before_mb": memory[0],
        "rss_worst_mb": max(memory),
        "rss_growth_mb": max(memory) - memory[0],
    }


def _watch(daemon: Program, seconds: float, memory: list[float]) -> None:
    """Note the memory twice a second, and that the daemon answers."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
        memory.append(daemon.rss_mb())
        daemon.get("/live")


def _drain(source: Market, shelf: Shelf, daemon: Program, memory: list[float]) -> None:
    """Let the market fall silent and wait until everything sent is stored."""
    deadline = time.monotonic() + DRAINED_WITHIN
    source.silence()
    _watch(daemon, 1.0, memory)
    source.sent.read()
    sent = source.sent.updates()
    while shelf.count() < sent:
        daemon.must_live()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{shelf.count():,} of {sent:,} ticks are stored after {DRAINED_WITHIN:g} s")
        _watch(daemon, 1.0, memory)


def _found(verdict: Verdict) -> dict[str, float]:
    return {
        "rows": verdict.rows,
        "lost": verdict.owed + verdict.gaps,
        "doubled": verdict.doubles,
        "wrong": verdict.strangers + verdict.changed,
        "findings": len(verdict.findings),
    }
