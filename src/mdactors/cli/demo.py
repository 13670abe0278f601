"""``mdactors demo``: the daemon beside a simulated broker."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdactors.cli.program import Commands

DEFAULT_PORT = 8081


def add_to(commands: Commands) -> None:
    """Describe the command line."""
    parser = commands.add_parser(
        "demo",
        help="run the daemon on a simulated broker",
        description="Run the daemon on a simulated broker, until Ctrl-C. On a terminal live ticks are shown.",
    )
    parser.add_argument("--broker", default="upstox", help="whose wire is simulated (default %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the server (default %(default)s)")
    parser.set_defaults(command=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from mdactors.demo import demo

    return demo(arguments.broker, arguments.port, watch=sys.stdout.isatty())
