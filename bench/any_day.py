"""The tests as if it were another day: every one must pass on any date, at any hour, in any zone.

The whole of ``make test``, first at the true time, then with the wall clock moved to a moment from which it
runs on: a year that ends while they run, a holiday of a year that no shipped calendar knows, a Sunday, a
Tuesday on which options expire and trading opens while they run, and a zone in which it is still yesterday.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from bench._wall_clock import At, ClockFixedError, movable_clock, true_time
from mdactors.runtime import SystemClock

ROOT = Path(__file__).parent.parent
INDIA = "Asia/Kolkata"
MOMENTS = (
    ("2026-12-31 23:58:00", INDIA),
    ("2027-01-26 10:00:00", INDIA),
    ("2026-12-06 12:00:00", INDIA),
    ("2026-12-29 09:14:55", INDIA),
    ("2026-12-14 20:30:00", "America/Los_Angeles"),
)
GOALS = {"failed": ("<=", 0.0), "longest_seconds": ("<=", 720.0)}

Command = Callable[[Path], list[str]]
"""The command whose pytest reports into a file."""


class Run(TypedDict):
    """What became of the tests at one moment."""

    date: str
    zone: str
    passed: int
    failed: int
    skipped: int
    seconds: int


def measure() -> dict[str, object]:
    """``make test`` at the true time and at every moment."""
    now = dt.datetime.fromtimestamp(SystemClock().time_ns() // 10**9, ZoneInfo(INDIA))
    with movable_clock() as at:
        runs = [_run(f"{now:%F %T}", INDIA, true_time() | {"TZ": INDIA}, _make_test)]
        runs += _at_each_moment(at, _make_test)
    return {
        "failed": sum(run["failed"] for run in runs),
        "longest_seconds": max(run["seconds"] for run in runs),
        "runs": runs,
    }


def _at_each_moment(at: At, command: Command) -> Iterator[Run]:
    for date, zone in MOMENTS:
        moment = dt.datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(zone))
        yield _run(date, zone, at(moment) | {"TZ": zone}, command)


def _make_test(report: Path) -> list[str]:
    return ["make", "test", f"ARGS=-q --junitxml={report}"]


def _run(date: str, zone: str, environment: dict[str, str], command: Command) -> Run:
    """Run the tests; what they say goes to stderr.

    Raises:
        RuntimeError: they did not come to their end.
    """
    print(f"{date} {zone} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    with TemporaryDirectory(prefix="mdactors-") as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(command(report), cwd=ROOT, env=environment, stdout=sys.stderr, check=False)
        if not report.exists():
            raise RuntimeError(f"the tests of {date} {zone} ended with {done.returncode} before their end")
        counts = next(ElementTree.parse(report).iter("testsuite")).attrib  # noqa: S314 - pytest wrote it
    tests, failed, errors, skipped = (int(counts[n]) for n in ("tests", "failures", "errors", "skipped"))
    failed += errors
    return Run(
        date=date,
        zone=zone,
        passed=tests - failed - skipped,
        failed=failed,
        skipped=skipped,
        seconds=round(time.monotonic() - began),
    )


def _line(run: Run) -> str:
    counts = (f"{run[name]} {name}" for name in ("passed", "failed", "skipped", "seconds"))
    return f"{run['date']} {run['zone']}: {', '.join(counts)}"


def main() -> int:
    """Run the tests that pytest's arguments choose at every moment, or say why the clock cannot be moved."""

    def chosen(report: Path) -> list[str]:
        return [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *sys.argv[1:]]

    runs = []
    try:
        with movable_clock() as at:
            for run in _at_each_moment(at, chosen):
                runs.append(run)
                print(_line(run), flush=True)
    except ClockFixedError as error:
        print(f"any-day is skipped: {error}", file=sys.stderr)
    return int(any(run["failed"] for run in runs))


if __name__ == "__main__":
    sys.exit(main())
