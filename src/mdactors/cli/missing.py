"""``mdactors missing``: ticks that the database never got, since the journal had let go of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mdactors.cli.stored import configuration, describe_actions, stores

if TYPE_CHECKING:
    from mdactors.store.gaps import Gaps

HELP = "Say which ticks the database lacks because the journal had let go of them; the daemon may run."
LIST = "List them: how many, and between which times; exit 1 if there are any."
FORGET = "Forget them, and end the alarm: they were looked after, or nobody wants them."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    describe_actions(parser, {"list": (LIST, _list), "forget": (FORGET, _forget)})


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    with stores(configuration(arguments)) as (ticks, _bars):
        code: int = arguments.action(ticks.gaps)
    return code


def _list(gaps: Gaps) -> int:
    found = gaps.all()
    for gap in found:
        print(f"{gap.ticks:,} ticks of journal {gap.journal}, received {gap.period()}")
    if not found:
        print("no tick is known to be missing")
    return 1 if found else 0


def _forget(gaps: Gaps) -> int:
    print(f"forgot {gaps.forget()} gaps")
    return 0
