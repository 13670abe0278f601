"""``mdactors refused``: ticks that the database refused and that were set aside."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mdactors.cli.stored import configuration, describe_actions, progress, stores

if TYPE_CHECKING:
    from mdactors.store.refused import RefusedTicks

HELP = "Look at ticks that the database refused, or store them again; the daemon may run."
LIST = "List why ticks were set aside, with their number and times."
RETRY = "Store them again: what is taken now moves, the rest stays; exit 1 if any does."
PAGE = 1000


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    describe_actions(parser, {"list": (LIST, _list), "retry": (RETRY, _retry)})


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    with stores(configuration(arguments)) as (ticks, _bars):
        code: int = arguments.action(ticks.refused)
    return code


def _list(refused: RefusedTicks) -> int:
    from mdactors.market import ist

    reasons = refused.reasons()
    for reason in reasons:
        times = f"{ist.iso(reason.first_ms)} to {ist.iso(reason.last_ms)}"
        print(f"{reason.ticks:,} ticks, received {times}: {reason.text}")
    if not reasons:
        print("no tick is set aside")
    return 0


def _retry(refused: RefusedTicks) -> int:
    waiting = sum(reason.ticks for reason in refused.reasons())
    stored, after = 0, ""
    with progress() as bar:
        task = bar.add_task("store again", total=waiting)
        while page := refused.page(PAGE, after):
            stored += refused.retry(page)
            after = page[-1].place
            bar.advance(task, len(page))
    left = sum(reason.ticks for reason in refused.reasons())
    print(f"stored {stored:,} ticks; {left:,} are still set aside")
    return 1 if left else 0
