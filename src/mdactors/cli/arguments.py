"""Arguments that more than one command takes."""

from __future__ import annotations

import argparse
from pathlib import Path


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose one."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{number} is no port")
    return number


def add_env_file(parser: argparse.ArgumentParser) -> None:
    """Let a command take variables from a file."""
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="KEY=VALUE lines; the environment itself goes first"
    )
