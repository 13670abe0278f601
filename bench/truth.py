"""Each part on a tick's way broken in turn: what the daemon says of itself meanwhile.

Each time the whole program runs under 200 ticks/s, a part is broken and stays so. After 5, 30 and 90 s a
row says how many ticks (or seconds of them) are lost, or not where they belong ten seconds after they are
due, what ``/health`` and ``/api/status`` answer, how many lines of ERROR the log has, and what a client of
``/ws/market?events=1`` heard that is not over. No row may have a loss while all is well. Mended, the daemon
must be UP again, without an alarm.
"""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from bench._market import market, wait_for
from bench._program import program
from bench._trials import TRIALS, Site, Trial
from bench._witness import Account, witness

SECONDS = tuple(float(each) for each in os.environ.get("MDACTORS_TRUTH_SECONDS", "5 30 90").split())
ONLY = os.environ.get("MDACTORS_TRUTH_ONLY", "")
"""What the trials' names contain; empty: all."""
AT_A_TIME = 3
TICKS_PER_SECOND = 200
INSTRUMENTS = 50
FLOWS_SECONDS = 2.0
RECOVERS_WITHIN = 420.0
"""A crash loop's next start may be a minute away, its alarm ends after a minute of life and 30 s."""
GOALS = {
    "rows_missing_and_well": ("<=", 0.0),
    "rows_down_without_reason": ("<=", 0.0),
    "not_recovered": ("<=", 0.0),
    "trials_that_ended_early": ("<=", 0.0),
}


class Row(msgspec.Struct, frozen=True):
    """What was lost, and what was said, so long after a part was broken."""

    name: str
    seconds: float
    missing: int
    account: Account

    def columns(self) -> dict[str, object]:
        """As a row of a table."""
        what = {"broken": self.name, "after": f"{self.seconds:g} s", "missing": f"{self.missing:,}"}
        return what | self.account.columns()


class Outcome(msgspec.Struct, frozen=True):
    """One trial's rows, and how long after it was mended all was well; below 0: never."""

    rows: list[Row]
    recovered_s: float = 0.0
    failure: str = ""


def measure() -> dict[str, object]:
    """Every trial's rows and the verdict."""
    trials = [each for each in TRIALS if ONLY in each.name]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = list(pool.map(_attempt, trials))
    rows = [row for outcome in outcomes for row in outcome.rows]
    return {
        "said": [row.columns() for row in rows],
        "mended": [
            {"mended": trial.name, "well again after": outcome.failure or f"{outcome.recovered_s:.0f} s"}
            for trial, outcome in zip(trials, outcomes, strict=True)
            if trial.starts_up
        ],
        "rows": len(rows),
        "rows_missing_and_well": sum(row.missing > 0 and row.account.all_is_well for row in rows),
        "rows_down_without_reason": sum(
            row.account.health != 200 and not row.account.reasons for row in rows
        ),
        "not_recovered": sum(outcome.recovered_s < 0 for outcome in outcomes),
        "trials_that_ended_early": sum(bool(outcome.failure) for outcome in outcomes),
    }


def _attempt(kind: type[Trial]) -> Outcome:
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as folder, _running(kind(), Path(folder)) as (trial, site):
            trial.break_it()
            site.broken_at = time.monotonic()
            for seconds in SECONDS:
                _pass(trial, site, seconds)
                rows.append(Row(kind.name, seconds, trial.missing(), site.witness.account()))
            trial.mend()
            return Outcome(rows, _recovered(site) if kind.starts_up else 0.0)
    except (RuntimeError, AssertionError, OSError) as error:
        traceback.print_exc()
        return Outcome(rows, failure=str(error))


@contextmanager
def _running(trial: Trial, folder: Path) -> Iterator[tuple[Trial, Site]]:
    with ExitStack() as stack:
        sections = stack.enter_context(trial.set_up(folder))
        source = stack.enter_context(market(folder, TICKS_PER_SECOND, INSTRUMENTS))
        site = trial.site = Site(folder, source)
        brokers = {"kite": trial.settings(source.settings)}
        configuration = source.configuration(folder, **sections, brokers=brokers)
        site.daemon = stack.enter_context(program(folder, configuration, trial.before, trial.module))
        site.daemon.wait_until_up()
        site.witness = stack.enter_context(witness(site.daemon))
        if trial.starts_up:
            wait_for(lambda: site.daemon.get("/ready")[0] == 200, "the daemon can serve")
            wait_for(lambda: site.daemon.get("/health")[0] == 200, "the daemon is UP")
            site.witness.subscribe(source.symbols)
            wait_for(trial.shelf.count, "ticks are stored")
            time.sleep(FLOWS_SECONDS)
        yield trial, site


def _pass(trial: Trial, site: Site, seconds: float) -> None:
    """Wait until so long after the fault."""
    until = site.broken_at + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.25))
        site.note_sent()
        site.daemon.must_live()
        trial.keep()


def _recovered(site: Site) -> float:
    """Seconds until all is well."""
    mended = time.monotonic()
    while not (account := site.witness.account()).all_is_well or account.events:
        if time.monotonic() > mended + RECOVERS_WITHIN:
            return -1.0
        time.sleep(0.5)
    return time.monotonic() - mended
