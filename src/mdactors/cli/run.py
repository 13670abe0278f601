"""``mdactors run``: the daemon."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdactors.cli.program import Commands
    from mdactors.config import Settings


def add_to(commands: Commands) -> None:
    """Describe the command line."""
    parser = commands.add_parser("run", help="run the daemon", description="Run the daemon until SIGTERM.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML; see reference.yaml")
    add_env_file(parser)
    parser.set_defaults(command=_run)


def add_env_file(parser: argparse.ArgumentParser) -> None:
    """Let a command take variables from a file."""
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="KEY=VALUE lines; the environment itself goes first"
    )


def read_settings(path: Path, env_file: Path | None) -> Settings:
    """Read a configuration, its brokers' sections checked too.

    Raises:
        ConfigError: with every problem found.
    """
    from mdactors.config import load, read_env_file
    from mdactors.plugins import load_adapter

    environ = {**(read_env_file(env_file) if env_file else {}), **os.environ}
    return load(path, environ, lambda broker: load_adapter(broker).settings)


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config, arguments.env_file)
    from mdactors import app

    return app.run(settings)
