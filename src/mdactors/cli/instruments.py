"""``mdactors instruments``: load the brokers' lists of instruments, and search them."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.arguments import add_env_file
from mdactors.cli.stored import progress
from mdactors.errors import BrokerError, MdactorsError

if TYPE_CHECKING:
    from mdactors.config import Settings
    from mdactors.market.instrument import InstrumentRow
    from mdactors.store.catalogue_process import Progress

HELP = "Load the brokers' lists of instruments, or search them; the daemon may run meanwhile."
SYNC = (
    "Load every list anew, as the daemon does twice a day; exit 1 if one of them, or a part of it, is "
    "missing and stays as it was, or if more than one row in a thousand cannot be read."
)
SEARCH = "Find instruments by symbol, name or terms, such as: nifty 25000 ce."
_TYPES = ("INDEX", "STOCK", "FUTURE", "OPTION")
_EXCHANGES = ("NSE", "BSE", "MCX", "NSEIX", "GLOBAL")


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    sync = actions.add_parser("sync", help=SYNC, description=SYNC)
    sync.add_argument(
        "--from",
        action="append",
        default=[],
        dest="files",
        metavar="FILE",
        help="a broker's list, instead of the network; whose is recognised, or named: BROKER=FILE. May be "
        "given several times; all other lists are then taken as they were last loaded",
    )
    sync.set_defaults(action=_sync)
    search = actions.add_parser("search", help=SEARCH, description=SEARCH)
    search.add_argument("words", nargs="*", metavar="WORD", help="without any, the most important first")
    search.add_argument("--type", type=str.upper, choices=_TYPES, default="", help="only these")
    search.add_argument("--sector", default="", metavar="NAME", help="code, name or industry: BANKING")
    search.add_argument("--exchange", type=str.upper, choices=_EXCHANGES, default="", help="only its own")
    search.add_argument("--underlying", default="", metavar="NAME", help="such as NIFTY")
    search.add_argument("--expiry", type=_date, metavar="DATE", help="such as 2026-11-24")
    search.add_argument(
        "--limit", type=_count, default=20, metavar="N", help="at most so many (default %(default)s)"
    )
    search.set_defaults(action=_search)
    for action in (sync, search):
        action.add_argument(
            "--config", type=Path, metavar="FILE", help="the daemon's (default: all defaults)"
        )
        add_env_file(action)


def _date(text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, such as 2026-11-24") from None


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than one")
    return number


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.cli.run import read_settings
    from mdactors.config import Settings

    settings = read_settings(arguments.config, arguments.env_file) if arguments.config else Settings()
    code: int = arguments.action(arguments, settings)
    return code


# --- sync ----------------------------------------------------------------------------------------------


def _sync(arguments: argparse.Namespace, settings: Settings) -> int:
    from mdactors.plugins import make_adapters, plain_sections
    from mdactors.store.catalogue_process import Order, load

    files = dict(_identified(text) for text in arguments.files)
    settings = _with_sources(settings, files)
    Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
    order = Order.of(settings, plain_sections(make_adapters(settings)), files)
    with progress() as bar:
        tasks = {}

        def show(read: Progress) -> None:
            if read.source not in tasks:
                tasks[read.source] = bar.add_task(read.source, total=None)
            bar.update(tasks[read.source], completed=read.rows, total=read.expected or None)

        loaded = load(order, show)
    for source, rows in loaded.sources.items():
        print(f"{source}: {rows} rows")
    print(", ".join(f"{count} {kind}" for kind, count in loaded.counts.items()))
    if loaded.apart:
        print(f"{len(loaded.apart)} instruments are not recognised in the other list, and stay apart:")
    for line in loaded.apart:
        print(f"  {line}")
    for note in loaded.notes:
        print(note)
    for trouble in (*loaded.failures, *loaded.doubts):
        print(f"mdactors: {trouble}", file=sys.stderr)
    return 1 if loaded.failures or loaded.doubts else 0


def _with_sources(settings: Settings, files: Iterable[str]) -> Settings:
    """The settings with the files' adapters among the sources."""
    import msgspec

    from mdactors.plugins import sources_of

    sources = list(dict.fromkeys([*sources_of(settings), *files]))
    if not sources:
        raise MdactorsError("no source of instruments: name a configuration with brokers, or --from FILE")
    told = msgspec.structs.replace(settings.instruments, sources=sources)
    return msgspec.structs.replace(settings, instruments=told)


def _identified(text: str) -> tuple[str, str]:
    """The source that a file is of, and its path."""
    from mdactors.plugins import ADAPTERS, available

    name, mark, path = text.partition("=")
    installed = list(available(ADAPTERS))
    if mark and name.partition("/")[0] in installed:
        return name, path
    try:
        data = Path(text).read_bytes()
    except OSError as error:
        raise MdactorsError(f"{text}: cannot be read: {error.strerror}") from None
    for adapter in installed:
        if _reads(adapter, data):
            return adapter, text
    raise MdactorsError(f"{text}: is no list of instruments of {', '.join(installed)}; say BROKER=FILE")


def _reads(name: str, data: bytes) -> bool:
    from mdactors.adapter import Listing
    from mdactors.config import decode_section
    from mdactors.plugins import load_adapter

    try:
        kind = load_adapter(name)
        adapter = kind(decode_section({}, kind.settings, name))
        return any(isinstance(each, Listing) for each in adapter.listings(data))
    except (BrokerError, MdactorsError):
        return False


# --- search --------------------------------------------------------------------------------------------


def _search(arguments: argparse.Namespace, settings: Settings) -> int:
    from mdactors.store.instruments import FILE, Filter, InstrumentStore

    path = Path(settings.data_dir) / FILE
    if not path.exists():
        raise MdactorsError(f"{path}: there is none yet; load it with: mdactors instruments sync")
    narrowed = Filter(
        type=arguments.type,
        sector=_sector_code(arguments.sector, settings) if arguments.sector else "",
        exchange=arguments.exchange,
        underlying=arguments.underlying,
        expiry=arguments.expiry or "",
    )
    store = InstrumentStore(path)
    try:
        found = store.search(" ".join(arguments.words), narrowed, arguments.limit)
    finally:
        store.close()
    if not found:
        print("mdactors: no instrument is like that", file=sys.stderr)
        return 1
    _print(found)
    return 0


def _sector_code(name: str, settings: Settings) -> str:
    from mdactors.config import load_definition
    from mdactors.market.sectors import Sectors

    sectors = Sectors(load_definition(settings.sectors))
    sector = sectors.find(name)
    if sector is None:
        raise MdactorsError(f"no sector is called {name!r}; {sectors.known()}")
    return sector.code


def _print(rows: Sequence[InstrumentRow]) -> None:
    shown = [("SYMBOL", "EXCHANGE", "TYPE", "TOKEN", "KEY", "SECTOR", "NAME")]
    shown += [
        (
            row.answered,
            row.exchange,
            "ETF" if row.etf else row.type,
            str(row.token),
            row.key,
            row.sector,
            _what(row),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _what(row: InstrumentRow) -> str:
    if not row.is_derivative:
        return row.name
    terms = f"{row.strike:.10g} {row.option_type}" if row.option_type else "FUT"
    return f"{row.underlying} {row.expiry} {terms}, lot {row.lot_size}"
