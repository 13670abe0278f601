"""``mdactors sectors``: which sectors there are, and the lists that say what belongs to them."""

from __future__ import annotations

import argparse
import difflib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.arguments import add_env_file
from mdactors.errors import MdactorsError

if TYPE_CHECKING:
    from mdactors.config import Settings
    from mdactors.market.sectors import Sectors

HELP = "List the sectors and how many shares belong to each, or import a list of shares."
IMPORT = (
    "Keep a list of shares as NSE publishes it for an index (CSV); a running daemon takes it within seconds."
)


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    _add_config(parser)
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(title="actions", metavar="[ACTION]")
    # Without defaults of its own, so that what is given before the action is not undone behind it.
    importing = actions.add_parser(
        "import", help=IMPORT, description=IMPORT, argument_default=argparse.SUPPRESS
    )
    importing.add_argument("file", type=Path, metavar="FILE", help="such as ind_niftybanklist.csv")
    importing.add_argument(
        "--index",
        default="",
        metavar="NAME",
        help="whose shares they are (default: by FILE's name)",
    )
    _add_config(importing)
    importing.set_defaults(action=_import)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the daemon's (default: all defaults)")
    add_env_file(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    code: int = arguments.action(arguments)
    return code


def _settings(arguments: argparse.Namespace) -> Settings:
    from mdactors.cli.run import read_settings
    from mdactors.config import Settings

    return read_settings(arguments.config, arguments.env_file) if arguments.config else Settings()


def _sectors(settings: Settings) -> Sectors:
    from mdactors.store.lists import load_sectors

    return load_sectors(settings.sectors, Path(settings.data_dir))


# --- list ----------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    sectors = _sectors(_settings(arguments))
    rows = [("CODE", "SHARES", "NAME")]
    for code in sectors.codes():
        found = sectors.find(code)
        rows.append((code, str(len(sectors.members(code))), found.name if found else ""))
    rows += [("", "", ""), ("INDEX", "SHARES", "")]
    rows += [(name, str(len(sectors.index_members(name) or ())), "") for name in sectors.indices()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for code, count, name in rows:
        print(f"{code.ljust(widths[0])}  {count.rjust(widths[1])}  {name}".rstrip())
    return 0


# --- import --------------------------------------------------------------------------------------------


def _import(arguments: argparse.Namespace) -> int:
    from mdactors.store.lists import Lists, index_of_file, lists_folder, read_list

    settings = _settings(arguments)
    shares = read_list(arguments.file)
    index = _index(arguments.index) if arguments.index else index_of_file(arguments.file)
    folder = lists_folder(settings.sectors, Path(settings.data_dir))
    kept = Lists(folder).keep(index or arguments.file.stem, arguments.file.read_bytes())
    print(f"{index or arguments.file.stem}: {_shares(len(shares))}, kept as {kept}")
    if not index:
        print("no index goes by the file's name: only the industries count, unless --index names one")
    sectors = _sectors(settings)
    codes = (sectors.sector_of(share.isin, share.symbol)[0] for share in shares)
    left = Counter(share.industry for share, code in zip(shares, codes, strict=True) if not code)
    for industry, count in sorted(left.items()):
        print(f"no sector takes the industry {industry} ({_shares(count)}): see sectors.definition")
    return 0


def _shares(count: int) -> str:
    return f"{count} share{'s' if count != 1 else ''}"


def _index(name: str) -> str:
    from mdactors.market import indices

    index = indices.by_name(name)
    if index is None:
        symbols = [each.symbol for each in indices.all_indices()]
        close = difflib.get_close_matches(name.upper(), symbols, n=3)
        question = f"; did you mean {', '.join(close)}?" if close else ""
        raise MdactorsError(f"no index is called {name!r}{question}")
    return index.symbol
