"""``mdactors check-config``: whether `run` would accept a configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.arguments import add_env_file
from mdactors.cli.lacking import lacking
from mdactors.cli.run import read_settings
from mdactors.errors import ConfigError

if TYPE_CHECKING:
    from mdactors.adapter import BrokerAdapter
    from mdactors.config import Settings
    from mdactors.market.sectors import Sectors


HELP = (
    "Name every problem of a configuration by its path, exit 1 if there are any; warn of what a start would"
    " lack, such as a token. Nothing is started."
)


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("file", type=Path, metavar="FILE", help="such as config/upstox.yaml")
    add_env_file(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    try:
        settings = read_settings(arguments.file, arguments.env_file)
        adapters = _try_parts(settings)
    except ConfigError as error:
        print(*error.problems, sep="\n")
        return 1
    print(f"{arguments.file}: OK")
    print(_summary(settings))
    for lack in lacking(settings, adapters):
        print(f"warning: {lack}")
    return 0


def _try_parts(settings: Settings) -> dict[str, BrokerAdapter]:
    """Make of the settings what can be made without the outside; the adapters.

    Raises:
        ConfigError: with the problems of every part.
    """
    from mdactors.config import load_calendar
    from mdactors.plugins import make_adapters
    from mdactors.store.opening import check_source

    adapters: dict[str, BrokerAdapter] = {}
    parts: list[Callable[[], object]] = [
        lambda: adapters.update(make_adapters(settings)),
        lambda: load_calendar(settings.calendar),
        lambda: _name_groups(settings),
        lambda: _check_store(settings),
        lambda: check_source(settings.instruments),
    ]
    problems: list[str] = []
    for make in parts:
        try:
            make()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return adapters


def _name_groups(settings: Settings) -> None:
    """Find the sectors and indices that are streamed always; the daemon would start without them."""
    from mdactors.config import load_definition
    from mdactors.market.sectors import Sectors

    problems = list(_unknown_groups(settings, Sectors(load_definition(settings.sectors))))
    if problems:
        raise ConfigError(problems)


def _unknown_groups(settings: Settings, sectors: Sectors) -> Iterator[str]:
    from mdactors.market import indices
    from mdactors.market.selectors import MemberSelector, SectorSelector

    for number, selector in enumerate(settings.subscriptions.universe):
        place = f"subscriptions.universe[{number}]"
        if isinstance(selector, SectorSelector) and sectors.find(selector.sector) is None:
            yield f"{place}.sector: no sector is called {selector.sector}; {sectors.known()}"
        if isinstance(selector, MemberSelector) and indices.by_name(selector.members) is None:
            yield f"{place}.members: no index is called {selector.members}"


def _check_store(settings: Settings) -> None:
    """Check the address of a database server without connecting; SQLite's file would be created."""
    from mdactors.store.opening import open_stores

    if settings.store.kind == "postgres":
        ticks, _ = open_stores(settings.store, Path(settings.data_dir))
        ticks.close()


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
