"""``mdactors run``: the daemon."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.arguments import add_clock, add_env_file

if TYPE_CHECKING:
    from mdactors.config import Settings

HELP = "Run the daemon until SIGTERM."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="YAML; see config/reference.yaml"
    )
    add_env_file(parser)
    add_clock(parser)


def read_settings(path: Path, env_file: Path | None) -> Settings:
    """Read a configuration, its brokers' sections checked too.

    Raises:
        ConfigError: with every problem found.
    """
    from mdactors.config import load, read_env_file
    from mdactors.plugins import load_adapter

    environ = {**(read_env_file(env_file, os.environ) if env_file else {}), **os.environ}
    return load(path, environ, lambda broker: load_adapter(broker).settings)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    settings = read_settings(arguments.config, arguments.env_file)
    from mdactors import process

    return process.run(settings, arguments.clock)
