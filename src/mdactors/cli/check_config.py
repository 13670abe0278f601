"""``mdactors check-config``: whether `run` would accept a configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
    try:
        settings = read_settings(arguments.file, arguments.env_file)
        _try_parts(settings)
    except ConfigError as error:
        print(*error.problems, sep="\n")
        return 1
    print(f"{arguments.file}: OK")
    print(_summary(settings))
    return 0


def _try_parts(settings: Settings) -> None:
    """Make of the settings what can be made without the outside.

    Raises:
        ConfigError: with the problems of every part.
    """
    from mdactors.config import load_calendar, load_definition
    from mdactors.plugins import make_adapters

    parts: list[Callable[[], object]] = [
        lambda: make_adapters(settings),
        lambda: load_calendar(settings.calendar),
        lambda: load_definition(settings.sectors),
    ]
    problems: list[str] = []
    for make in parts:
        try:
            make()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _summary(settings: Settings) -> str:
    server, store = settings.server, settings.store
    subscriptions = settings.subscriptions
    always = ", ".join(map(str, subscriptions.selectors())) or "nothing"
    return "\n".join(
        (
            f"  brokers   {', '.join(settings.brokers) or 'none'}",
            f"  server    http://{server.host}:{server.port}",
            f"  streamed  {always} always ({subscriptions.mode}), the others on demand",
            f"  ticks     {_place(settings) if store.ticks else 'not stored'}",
        )
    )


def _place(settings: Settings) -> str:
    """Where ticks are stored; a database's address may hold a secret."""
    store = settings.store
    if store.kind == "sqlite":
        return str(Path(settings.data_dir) / store.path)
    return f"{store.kind}, schema {store.schema}"
