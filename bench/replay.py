"""A whole recorded day through the daemon at 60 times its speed, on SQLite and on PostgreSQL.

The day is made up, of 150 instruments, and recorded as raw frames; where a real day's ticks lie beside the
checkout, they are played as well. What is stored must be what the simulator's own log says: as many, in the
order of epoch and seq without a gap or a double, and the same bytes. ``late`` says how many seconds longer
than planned it took: a replay waits for its readers and leaves nothing out.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._day import record_day
from bench._judge import Run, judge
from bench._market import Market, wait_for
from bench._program import program
from bench._servers import postgres
from bench._shelf import PostgresShelf, Shelf, SqliteShelf
from mdactors.config.clock import read_clock
from mdactors.demo import simulator
from mdactors.simulator.sources import open_recording

SPEED = 60.0
HOURS = float(os.environ.get("MDACTORS_REPLAY_HOURS", "6.25"))
UPDATES_PER_SECOND = 20.0
"""Of the day; 60 times as many of ours."""
REAL = Path(__file__).parents[2] / "shared" / "data" / "nse_ticks_2025-12-15.csv.gz"
STORES = ("sqlite", "postgres")
STORED_WITHIN = 120.0
PATIENCE = 600.0
"""Seconds by which a day may be late."""
_WORDS = ("not_stored", "gaps", "doubles", "strangers", "changed", "findings")
GOALS = {
    f"{day}_{store}_{word}": ("<=", 0.0) for day in ("made_up", "real") for store in STORES for word in _WORDS
}


def measure() -> dict[str, object]:
    """Play every day on every store."""
    figures: dict[str, object] = {"speed": SPEED, "hours_of_the_made_up_day": HOURS}
    with tempfile.TemporaryDirectory() as folder:
        made_up = Path(folder) / "day.frames.gz"
        record_day(made_up, HOURS, UPDATES_PER_SECOND)
        days = {"made_up": made_up, **({"real": REAL} if REAL.exists() else {})}
        for day, path in days.items():
            for store in STORES:
                played = _play(path, store)
                figures |= {f"{day}_{store}_{name}": figure for name, figure in played.items()}
    return figures


def _play(path: Path, store: str) -> dict[str, object]:
    recording = open_recording(path)
    planned = (recording.ends_ms - recording.begins_ms) / 1000 / SPEED
    # Below the root's temporary folder: a PostgreSQL is another user's.
    with tempfile.TemporaryDirectory(prefix="mdactors-") as below, _shelf(Path(below), store) as shelf:
        folder = Path(below)
        log = folder / "sent.jsonl"
        words = ("--replay", str(path), "--clock", f"recording@{SPEED:g}", "--sent-log", str(log))
        with simulator("kite", *words) as wire:
            market = Market(wire, log)
            clock = read_clock(wire["clock"])
            started_ms = clock.time_ns() // 1_000_000
            configuration = market.configuration(folder, store=shelf.settings, calendar={})
            with program(folder, configuration, options=("--clock", wire["clock"])) as daemon:
                daemon.wait_until_up()
                wait_for(market.newest, "the first update", 60.0)
                began = time.monotonic()
                _await_end(market, planned + PATIENCE)
                took = time.monotonic() - began - QUIET_SECONDS
                sent = market.sent.updates()
                wait_for(lambda: shelf.count() >= sent, "all of it stored", STORED_WITHIN)
                daemon.stop()
                ended_ms = clock.time_ns() // 1_000_000
        market.sent.read()
        verdict = judge(market.sent, [Run(started_ms, ended_ms, clean=True)], shelf.rows())
        return {
            "instruments": len(recording.instruments),
            "recorded": recording.count or 0,
            "sent": market.sent.updates(),
            "stored": verdict.rows,
            "seconds": took,
            "late": took - planned,
            "not_stored": verdict.owed,
            "gaps": verdict.gaps,
            "doubles": verdict.doubles,
            "strangers": verdict.strangers,
            "changed": verdict.changed,
            "findings": len(verdict.findings) + shelf.complaints(),
        }


QUIET_SECONDS = 20.0
"""Without an update, after which a day is over: twenty minutes of the recording's."""


def _await_end(market: Market, within: float) -> None:
    """Return once nothing more is sent."""
    deadline = time.monotonic() + within
    sent, since = 0, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not over within {within:g} s")
        time.sleep(0.5)
        market.sent.read()
        if (now := market.sent.updates()) != sent:
            sent, since = now, time.monotonic()


@contextmanager
def _shelf(folder: Path, store: str) -> Iterator[Shelf]:
    if store == "sqlite":
        yield SqliteShelf(folder)
        return
    below = folder / "server"
    below.mkdir(mode=0o755)
    with postgres(below) as server:
        yield PostgresShelf(server.dsn)
