"""``mdactors adapters``: which brokers are installed, and whether their code loads."""

from __future__ import annotations

import argparse

from mdactors.errors import PluginError

HELP = "List the installed broker adapters, and whether they load."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""


def execute(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes them
    """Run the command; its exit code."""
    from mdactors.plugins import ADAPTERS, SIMULATORS, available, distribution

    simulators = available(SIMULATORS)
    rows = [("NAME", "DISTRIBUTION", "SIMULATOR", "STATUS")]
    for name, entry in available(ADAPTERS).items():
        rows.append((name, distribution(entry), "yes" if name in simulators else "no", _status(name)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _status(name: str) -> str:
    from mdactors.plugins import load_adapter

    try:
        load_adapter(name)
    except PluginError as error:
        return str(error)
    return "ok"
