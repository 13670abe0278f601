"""Arguments that more than one command takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdactors.runtime import Clock

MACHINES = "machine"
"""The default clock: the machine's."""


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose one."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{number} is no port")
    return number


def add_clock(
    parser: argparse.ArgumentParser, read: Callable[[str], object] | None = None, more: str = ""
) -> None:
    """Let a command run at another time than the machine's; ``more`` tells of what else ``read`` reads."""
    parser.add_argument(
        "--clock",
        type=read or read_clock,
        default=MACHINES,
        metavar="START[@SPEED]",
        help="run as if it were START now (2026-10-01T09:10, without an offset in India) and time went SPEED "
        f"times as fast (default 1); the log says how another process gets the same clock{more}",
    )


def read_clock(text: str) -> Clock:
    """The clock that is meant."""
    from mdactors.config import clock
    from mdactors.runtime import MACHINE

    if text == MACHINES:
        return MACHINE
    try:
        return clock.read_clock(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_env_file(parser: argparse.ArgumentParser) -> None:
    """Let a command take variables from a file."""
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="KEY=VALUE lines; the environment itself goes first"
    )
