"""The daemon stopped 40 times, at every phase of a minute: whether its bars are those of the ticks it stored.

Simulator and daemon are processes of their own and live by one clock that goes ten times as fast, so that a
minute takes six seconds; all times here are that clock's. The daemon is killed (``kill -9``) and asked to
stop (``SIGTERM``) in turn, one stop in each 1.5 seconds of a minute's length, and comes back 1 to 60 s later
(and after the second or two of real time that a start takes). At the end what it stored, bars of a second
and of a minute, must be what ``mdactors candles rebuild`` makes of a copy of its data, and what a plain
computation of this measurement makes of the stored ticks.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from bench._market import Market, market, wait_for
from bench._plain_bars import WIDTHS, differences, of_file
from bench._program import DATA, Program, program
from mdactors.config.clock import write_clock
from mdactors.runtime import SetClock

STOPS = int(os.environ.get("MDACTORS_STOPS", "40"))
SEED = int(os.environ.get("MDACTORS_STOPS_SEED", "5"))
START_NS = 1_790_656_200_000_000_000
"""10:00 on a trading day."""
DAY = "2026-09-29"
SPEED = 10.0
TICKS_PER_SECOND = 40
INSTRUMENTS = 60
MINUTE_MS = 60_000
SETTLES_SECONDS = 3.0
"""Real ones, in which the last bars are over and stored."""
GOALS = {
    "missing_or_different_from_the_plain_computation": ("<=", 0.0),
    "missing_or_different_from_a_rebuild": ("<=", 0.0),
    "alarms_for_bars": ("<=", 0.0),
}


class Stop(msgspec.Struct, frozen=True):
    """How one life ends; times are the clock's."""

    phase_ms: int
    """Within the minute."""
    down_seconds: float
    kill: bool


class Verdict(msgspec.Struct):
    """What came of it."""

    stops: int
    ticks: int
    bars: int
    by_plain_computation: list[str]
    """What is missing, too much or different, for a person."""
    by_rebuild: list[str]
    alarms: list[str]


def measure() -> dict[str, object]:
    """The verdict on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        verdict = endure(Path(folder), plan(STOPS, SEED), SPEED)
    for line in [*verdict.by_plain_computation[:20], *verdict.by_rebuild[:20], *verdict.alarms]:
        print(line, file=sys.stderr)
    return {
        "stops": verdict.stops,
        "clock_speed": SPEED,
        "ticks": verdict.ticks,
        "bars": verdict.bars,
        "missing_or_different_from_the_plain_computation": len(verdict.by_plain_computation),
        "missing_or_different_from_a_rebuild": len(verdict.by_rebuild),
        "alarms_for_bars": len(verdict.alarms),
    }


def plan(stops: int, seed: int) -> list[Stop]:
    """So many stops by a seed: their phases are spread over the minute, their order is chance."""
    chance = random.Random(seed)
    width = MINUTE_MS / stops
    phases = [round(width * (number + chance.random())) for number in range(stops)]
    chance.shuffle(phases)
    return [Stop(phase, chance.uniform(1, 60), number % 2 == 0) for number, phase in enumerate(phases)]


def endure(folder: Path, stops: list[Stop], speed: float) -> Verdict:
    """Run and stop the daemon by plan, and judge what it stored.

    Raises:
        RuntimeError: the daemon did not come up, or did not stop.
    """
    clock = SetClock.starting(START_NS, speed)
    words = ["--clock", write_clock(clock.timeline())]
    alarms: list[str] = []
    with market(folder, TICKS_PER_SECOND, INSTRUMENTS, further=words) as source:
        configuration = source.configuration(folder, store={"kind": "sqlite", "bars": ["1s", "1m"]})
        for stop in stops:
            with program(folder, configuration, options=words) as daemon:
                _live(daemon, source)
                _await_phase(clock, stop.phase_ms)
                if stop.kill:
                    daemon.kill()
                else:
                    daemon.stop()
            wait_for(lambda: not source.connections(), "the simulator has noticed the stop")
            time.sleep(stop.down_seconds / speed)
        with program(folder, configuration, options=words) as daemon:
            _live(daemon, source)
            time.sleep(2 * 60 / speed)
            alarms += [text for name, text in daemon.alarms().items() if "bars" in name]
            source.silence()
            time.sleep(60 / speed + SETTLES_SECONDS)
            daemon.stop()
    return _judge(folder, configuration, len(stops), alarms)


def _live(daemon: Program, source: Market) -> None:
    """Wait until ticks flow to this daemon, and no further."""
    before = source.newest()

    def flows() -> bool:
        daemon.must_live()
        return source.newest() > before

    wait_for(flows, "ticks flow")


def _await_phase(clock: SetClock, phase_ms: int) -> None:
    """Let time pass until this moment of a minute comes next."""
    now_ms = clock.time_ns() // 1_000_000
    left = (phase_ms - now_ms) % MINUTE_MS
    time.sleep(left / 1000 / clock.speed)


def _judge(folder: Path, configuration: dict[str, Any], stops: int, alarms: list[str]) -> Verdict:
    data, copy = folder / DATA, folder / "copy"
    shutil.copytree(data, copy)
    made, stored = of_file(data / "ticks.db", WIDTHS)
    path = folder / "rebuild.json"
    path.write_text(json.dumps({**configuration, "data_dir": str(copy)}))  # JSON is YAML, too
    command = [sys.executable, "-m", "mdactors", "candles", "rebuild", "--config", str(path)]
    done = subprocess.run([*command, "--from", DAY, "--to", DAY], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"candles rebuild ended with {done.returncode}: {done.stderr[-2000:]}")
    _, rebuilt = of_file(copy / "ticks.db", WIDTHS)
    return Verdict(
        stops,
        _count(done.stdout),
        len(stored),
        differences(made, stored),
        differences(rebuilt, stored),
        alarms,
    )


def _count(said: str) -> int:
    """How many ticks the rebuild read, by its own words."""
    return sum(int(line.split("ticks ")[1].split(",")[0]) for line in said.splitlines() if "ticks " in line)
