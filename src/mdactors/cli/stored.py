"""What the commands over stored ticks share: whose ticks, of when, and out of which store."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.arguments import add_env_file
from mdactors.errors import MdactorsError, StoreError

if TYPE_CHECKING:
    from rich.progress import Progress

    from mdactors.config import Settings
    from mdactors.store.bars import BarStore
    from mdactors.store.ticks import TickStore

INSTRUMENTS = "instruments.msgpack"
"""What the daemon knows of instruments, below its ``data_dir``."""


def describe_range(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Let a command take a range of time and the configuration of a daemon."""
    parser.add_argument("--from", type=_begin, required=True, dest="from_ns", metavar="TIME", help=meaning)
    parser.add_argument(
        "--to",
        type=_end,
        required=True,
        dest="to_ns",
        metavar="TIME",
        help="inclusive; a date means all of it",
    )
    describe_config(parser)


def describe_config(parser: argparse.ArgumentParser) -> None:
    """Let a command take the configuration of a daemon."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the daemon's (default: all defaults)")
    add_env_file(parser)


def describe_actions(
    parser: argparse.ArgumentParser, actions: Mapping[str, tuple[str, Callable[..., int]]]
) -> None:
    """Let a command take the name of an action (name -> help, what to do) and a daemon's configuration."""
    choice = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, (text, action) in actions.items():
        described = choice.add_parser(name, help=text, description=text)
        describe_config(described)
        described.set_defaults(action=action)


def _begin(text: str) -> int:
    return _moment(text, last=False)


def _end(text: str) -> int:
    return _moment(text, last=True)


def _moment(text: str, *, last: bool) -> int:
    from mdactors.market.moment import read_moment

    try:
        return read_moment(text, last=last)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The configuration that the command line names, beside a range of time.

    Raises:
        ConfigError: it has problems.
        MdactorsError: the range of time is none.
    """
    if arguments.from_ns > arguments.to_ns:
        raise MdactorsError("--from is after --to")
    return configuration(arguments)


def configuration(arguments: argparse.Namespace) -> Settings:
    """The configuration that the command line names.

    Raises:
        ConfigError: it has problems.
    """
    from mdactors.cli.run import read_settings
    from mdactors.config import Settings

    if arguments.config is None:
        return Settings()
    return read_settings(arguments.config, arguments.env_file)


@contextmanager
def stores(settings: Settings) -> Iterator[tuple[TickStore, BarStore]]:
    """The stores of a daemon, which may run meanwhile.

    Raises:
        StoreError: there are none, or they cannot be opened.
    """
    from mdactors.store.opening import open_stores

    ticks, bars = open_stores(settings.store, Path(settings.data_dir), create=False)
    try:
        yield ticks, bars
    finally:
        ticks.close()


def tokens(settings: Settings, names: list[str]) -> dict[int, str]:
    """Our token of every instrument that is meant -> its symbol; by number also what has expired.

    Raises:
        MdactorsError: a name means nothing here.
    """
    from mdactors.market.instruments import InstrumentTable

    path = Path(settings.data_dir) / INSTRUMENTS
    try:
        table = InstrumentTable.load(path)
    except StoreError:
        if not all(map(str.isdecimal, names)):
            raise
        table = InstrumentTable.build({})
    found: dict[int, str] = {}
    for name in names:
        instrument = table.resolve(name)
        if instrument is not None:
            found[instrument.token] = instrument.answered
        elif name.isdecimal():
            found[int(name)] = name
        else:
            alike = table.suggest(name)
            question = f"; did you mean {', '.join(alike)}?" if alike else ""
            raise MdactorsError(f"no instrument is called {name!r}{question}")
    return found


def progress() -> Progress:
    """A bar on standard error, drawn only where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
