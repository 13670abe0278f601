"""``mdactors demo``: the daemon beside a simulated broker."""

from __future__ import annotations

import argparse
import sys

from mdactors.cli.arguments import add_clock, port

DEFAULT_BROKER = "upstox"
DEFAULT_PORT = 8081


HELP = "Run the daemon on a simulated broker until Ctrl-C; on a terminal, show live ticks."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--broker", default=DEFAULT_BROKER, help="whose wire is simulated (default %(default)s)"
    )
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="of the server (default %(default)s)")
    add_clock(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.demo import demo

    return demo(arguments.broker, arguments.port, arguments.clock, watch=sys.stdout.isatty())
