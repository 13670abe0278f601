"""``mdactors check-config``: whether `run` would accept a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.arguments import add_env_file
from mdactors.cli.run import read_settings
from mdactors.errors import ConfigError

if TYPE_CHECKING:
    from mdactors.config import Settings


HELP = "Name every problem of a configuration by its path; exit 1 if there are any."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("file", type=Path, metavar="FILE")
    add_env_file(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.plugins import make_adapters

    try:
        settings = read_settings(arguments.file, arguments.env_file)
        make_adapters(settings)
    except ConfigError as error:
        print(*error.problems, sep="\n")
        return 1
    print(f"{arguments.file}: OK")
    print(_summary(settings))
    return 0


def _summary(settings: Settings) -> str:
    server, store = settings.server, settings.store
    streamed = len(settings.subscriptions.symbols)
    return "\n".join(
        (
            f"  brokers   {', '.join(settings.brokers) or 'none'}",
            f"  server    http://{server.host}:{server.port}",
            f"  streamed  {streamed} symbols always ({settings.subscriptions.mode}), the others on demand",
            f"  ticks     {Path(settings.data_dir) / store.path if store.ticks else 'not stored'}",
        )
    )
