"""``mdactors check-config``: whether `run` would accept a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.run import add_env_file, read_settings
from mdactors.errors import ConfigError

if TYPE_CHECKING:
    from mdactors.cli.program import Commands
    from mdactors.config import Settings


def add_to(commands: Commands) -> None:
    """Describe the command line."""
    parser = commands.add_parser(
        "check-config",
        help="check a configuration",
        description="Name every problem of a configuration by its path; exit 1 if there are any.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    add_env_file(parser)
    parser.set_defaults(command=_check_config)


def _check_config(arguments: argparse.Namespace) -> int:
    from mdactors.app import make_adapters

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
