"""The daemon killed at random moments under 5,000 ticks/s: whether its store holds what was sent.

Simulator, daemon and store are processes of their own. Each of 30 seeded rounds a store kills the daemon
(``kill -9``) while ticks flow or while it recovers from the kill before, often with small batches and
small journal segments, so that kills fall between files and transactions as well. At the end the
simulator falls silent and the daemon is asked to stop. The simulator's own log is the judge: every life's
rows are seq 1..n of each instrument, once, with the content that was sent, and n reaches to at most a
second before the kill.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench._judge import Run, Verdict, judge
from bench._market import Market, market, wait_for
from bench._program import program, wall_ms
from bench._servers import postgres
from bench._shelf import PostgresShelf, Shelf, SqliteShelf

ROUNDS = int(os.environ.get("MDACTORS_CHAOS_ROUNDS", "30"))
SEED = int(os.environ.get("MDACTORS_CHAOS_SEED", "3"))
TICKS_PER_SECOND = 5_000
INSTRUMENTS = 500
LONGEST_SECONDS = 4.0
RECOVERING = 0.2
"""This share of the rounds kills a daemon that has hardly started, at most so many seconds old."""
RECOVERS_SECONDS = 2.0
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"store": {"batch_rows": 200, "batch_age": "100ms"}},
    {"store": {"batch_rows": 5000, "batch_age": "1s"}},
    {"journal": {"segment_bytes": 65_536}, "store": {"batch_rows": 300, "batch_age": "50ms"}},
    {"journal": {"segment_bytes": 262_144}},
)
"""One of them each round, by chance."""
WRONG = ("gaps", "doubles", "strangers", "changed", "owed", "findings")
GOALS = {
    f"{store}_{figure}": ("<=", limit)
    for store in ("sqlite", "postgres")
    for figure, limit in (*((wrong, 0.0) for wrong in WRONG), ("worst_missing_tail_s", 1.0))
}


class Round(msgspec.Struct, frozen=True):
    """How one life ends."""

    settings: dict[str, Any]
    seconds: float
    """From the first tick to the kill, or from the start where it is killed while it recovers."""
    recovering: bool = False


def measure() -> dict[str, object]:
    """The verdicts on both stores."""
    figures: dict[str, object] = {"rounds": ROUNDS, "seed": SEED}
    with tempfile.TemporaryDirectory() as folder:
        embedded = SqliteShelf(Path(folder))
        figures |= _figures("sqlite", torment(Path(folder), embedded, plan(ROUNDS, SEED)))
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        served = PostgresShelf(server.dsn)
        figures |= _figures("postgres", torment(Path(folder), served, plan(ROUNDS, SEED + 1)))
    return figures


def plan(rounds: int, seed: int, longest: float = LONGEST_SECONDS) -> list[Round]:
    """So many rounds by a seed; ticks flow for at most ``longest`` seconds."""
    chance = random.Random(seed)
    rounded = []
    for _ in range(rounds):
        recovering = chance.random() < RECOVERING
        most = RECOVERS_SECONDS if recovering else longest
        rounded.append(Round(chance.choice(SETTINGS), chance.uniform(most / 8, most), recovering))
    return rounded


def torment(folder: Path, shelf: Shelf, rounds: list[Round]) -> Verdict:
    """Run and kill the daemon by plan, stop it well, and judge what it stored.

    Args:
        folder: for data and logs of the daemon and the simulator, without any yet.
        shelf: its store, empty.
        rounds: how each life ends.

    Raises:
        RuntimeError: the daemon did not come up, did not stop, or did not store everything in time.
    """
    with market(folder, TICKS_PER_SECOND, INSTRUMENTS) as source:
        runs = [_live_and_die(folder, source, shelf, each) for each in rounds]
        runs.append(_live_on(folder, source, shelf))
        source.sent.read()
        return judge(source.sent, runs, shelf.rows())


def _live_and_die(folder: Path, source: Market, shelf: Shelf, how: Round) -> Run:
    before = source.newest()
    with program(folder, _configuration(folder, source, shelf, how.settings)) as daemon:
        if not how.recovering:
            wait_for(_alive(daemon.must_live, lambda: source.newest() > before), "ticks flow")
        time.sleep(how.seconds)
        daemon.must_live()
        killed_ms = daemon.kill()
    # Its connection must be gone, or the log could not tell the next one's from it.
    wait_for(lambda: not source.connections(), "the simulator has noticed the kill")
    source.sent.read()
    return Run(daemon.started_ms, killed_ms)


def _live_on(folder: Path, source: Market, shelf: Shelf) -> Run:
    """A life that ends as it should: the market closes, everything is stored, the daemon is asked to stop."""
    before = source.newest()
    with program(folder, _configuration(folder, source, shelf, {})) as daemon:
        wait_for(_alive(daemon.must_live, lambda: source.newest() > before), "ticks flow")
        time.sleep(1.0)
        source.silence()
        daemon.wait_until_up()
        sent = _sent_to(source, source.newest())
        wait_for(lambda: _received(daemon.counters("kite/normalizer")) >= sent, "everything is received")
        daemon.stop()
    return Run(daemon.started_ms, wall_ms(), clean=True)


def _configuration(folder: Path, source: Market, shelf: Shelf, more: dict[str, Any]) -> dict[str, Any]:
    sections = {**more, "store": {**shelf.settings, **more.get("store", {})}}
    return source.configuration(folder, **sections)


def _alive(must_live: Callable[[], None], condition: Callable[[], bool]) -> Callable[[], bool]:
    """The condition, but an error at once when the daemon has ended."""

    def check() -> bool:
        must_live()
        return condition()

    return check


def _sent_to(source: Market, connection: int) -> int:
    """How many updates one connection was sent; the log is complete once two readings agree."""
    while True:
        before = sum(sum(beat.sent.values()) for beat in source.sent.beats[connection])
        time.sleep(0.2)
        source.sent.read()
        after = sum(sum(beat.sent.values()) for beat in source.sent.beats[connection])
        if after == before:
            return after


def _received(counters: dict[str, Any]) -> int:
    return int(counters.get("ticks", 0))


def _figures(store: str, verdict: Verdict) -> dict[str, object]:
    for finding in verdict.findings:
        print(f"{store}: {finding}", file=sys.stderr)
    figures: dict[str, object] = {"rows": verdict.rows, "worst_missing_tail_s": verdict.worst_tail_seconds}
    figures |= {wrong: getattr(verdict, wrong) for wrong in WRONG[:-1]} | {"findings": len(verdict.findings)}
    return {f"{store}_{name}": value for name, value in figures.items()}
