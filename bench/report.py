"""Every measurement in turn, with its goals, as the page ``docs/measurements.md``.

``MDACTORS_SOAK`` names those to run; the sections of the others stay as they are.
"""

from __future__ import annotations

import datetime as dt
import importlib
import operator
import os
import pathlib
import platform
import re
import subprocess
import sys
import traceback

from mdactors.runtime import MACHINE

NAMES = (
    "decode", "fanout", "load", "kills", "persist", "cache", "minutes", "instruments", "refresh", "chaos",
    "outages", "long_outage", "truth", "stops", "replay",
)  # fmt: skip
SELDOM = ("any_day",)
"""Those that run only when they are named: they take an hour."""
ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "docs" / "measurements.md"
HEAD = """# Measurements

Made by `make soak`. Machines are noisy: what counts are the ratios within one run, and that nothing is
lost. How fast this one was is told by `decode`: the official Kite parser takes 77,000 packets a second on
the machine for which the goals were set.
"""
COMPARE = {">=": operator.ge, "<=": operator.le}


def measure() -> dict[str, object]:
    """Run them and write the page after each; which goals were missed."""
    names = os.environ.get("MDACTORS_SOAK", "").split() or NAMES
    sections = _known()
    missed: dict[str, object] = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"bench.{name}")
        try:
            figures: dict[str, object] = module.measure()
        except (RuntimeError, AssertionError, OSError) as error:
            traceback.print_exc()
            figures = {}
            missed[f"{name}: ended early"] = str(error)
        sections[name] = _section(name, module.__doc__ or "", figures, module.GOALS)
        missed |= {
            f"{name}: {goal}": figures[goal]
            for goal in module.GOALS
            if goal in figures and not _met(figures, goal, module.GOALS)
        }
        whole = [HEAD, *(sections[name] for name in (*NAMES, *SELDOM) if name in sections)]
        PAGE.write_text("\n".join(whole), encoding="utf-8")
    return {"page": "docs/measurements.md", "goals_missed": len(missed)} | missed


def _known() -> dict[str, str]:
    """The page's sections as they are, by name."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0].removeprefix("## "): part.rstrip() + "\n" for part in parts}


def _origin() -> str:
    """When and where this was measured, and of which commit."""
    now = dt.datetime.fromtimestamp(MACHINE.time_ns() / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # ours
    commit = said.stdout.strip() or "no checkout"
    return f"{now}, commit {commit}, Python {platform.python_version()}, {os.cpu_count()} cores."


def _met(figures: dict[str, object], name: str, goals: dict[str, tuple[str, float]]) -> bool:
    sign, wanted = goals[name]
    measured = figures[name]
    assert isinstance(measured, int | float), name
    return bool(COMPARE[sign](measured, wanted))


def _section(name: str, text: str, figures: dict[str, object], goals: dict[str, tuple[str, float]]) -> str:
    lines = [f"## {name}\n", text.strip() + "\n", _origin() + "\n"]
    lines += ["| figure | measured | goal | met |", "|---|--:|--:|---|"]
    for figure, value in figures.items():
        if isinstance(value, list):
            continue
        shown = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
        goal, met = "", ""
        if figure in goals:
            goal = f"{goals[figure][0]} {goals[figure][1]:g}"
            met = "yes" if _met(figures, figure, goals) else "**no**"
        lines.append(f"| {figure.replace('_', ' ')} | {shown} | {goal} | {met} |")
    if not figures:
        lines.append("| it ended early | | | **no** |")
    for value in figures.values():
        lines += table(value) if isinstance(value, list) else []
    return "\n".join(lines) + "\n"


def table(rows: list[dict[str, object]]) -> list[str]:
    """Rows of the same columns as a table of their own."""
    lines = ["", f"| {' | '.join(rows[0])} |", "|---" * len(rows[0]) + "|"]
    return lines + [f"| {' | '.join(map(str, row.values()))} |" for row in rows]
