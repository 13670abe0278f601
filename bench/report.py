"""Every measurement in turn, with its goals, as the page ``docs/measurements.md``."""

from __future__ import annotations

import datetime as dt
import importlib
import operator
import os
import pathlib
import platform
import sys

NAMES = ("decode", "fanout", "load", "kills", "persist", "cache", "chaos", "outages")
PAGE = pathlib.Path(__file__).parent.parent / "docs" / "measurements.md"
COMPARE = {">=": operator.ge, "<=": operator.le}


def measure() -> dict[str, object]:
    """Run them all and write the page; which goals were missed."""
    sections: list[str] = [_head()]
    missed: dict[str, object] = {}
    for name in NAMES:
        print(f"{name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"bench.{name}")
        figures: dict[str, object] = module.measure()
        sections.append(_section(name, module.__doc__ or "", figures, module.GOALS))
        missed |= {
            f"{name}: {goal}": figures[goal] for goal in module.GOALS if not _met(figures, goal, module.GOALS)
        }
    PAGE.write_text("\n".join(sections), encoding="utf-8")
    return {"page": "docs/measurements.md", "goals_missed": len(missed)} | missed


def _head() -> str:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return (
        "# Measurements\n\n"
        f"Made by `make soak` on {today}, Python {platform.python_version()}, {os.cpu_count()} cores. "
        "Machines are noisy: what counts are the ratios within one run, and that nothing is lost.\n"
    )


def _met(figures: dict[str, object], name: str, goals: dict[str, tuple[str, float]]) -> bool:
    sign, wanted = goals[name]
    measured = figures[name]
    assert isinstance(measured, int | float), name
    return bool(COMPARE[sign](measured, wanted))


def _section(name: str, text: str, figures: dict[str, object], goals: dict[str, tuple[str, float]]) -> str:
    lines = [f"## {name}\n", text.strip() + "\n", "| figure | measured | goal | met |", "|---|--:|--:|---|"]
    for figure, value in figures.items():
        shown = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
        goal, met = "", ""
        if figure in goals:
            goal = f"{goals[figure][0]} {goals[figure][1]:g}"
            met = "yes" if _met(figures, figure, goals) else "**no**"
        lines.append(f"| {figure.replace('_', ' ')} | {shown} | {goal} | {met} |")
    return "\n".join(lines) + "\n"
