"""``mdactors export``: stored ticks as a file of rows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mdactors.cli.stored import describe_range, progress, settings_of, stores, tokens

if TYPE_CHECKING:
    from rich.progress import Progress

    from mdactors.market.quote import Quote
    from mdactors.market.tick import Tick
    from mdactors.store.ticks import TickStore

HELP = "Write stored ticks to a CSV or Parquet file, one row a tick."
_MODES = ("ltp", "quote", "full", "depth30")
_SUFFIXES = (".csv", ".parquet")


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--symbol",
        action="append",
        required=True,
        dest="symbols",
        metavar="NAME",
        help="for instance RELIANCE, BSE:RELIANCE or 738561; may be given several times",
    )
    describe_range(parser, "by the exchange's time, such as 2026-11-20 or 2026-11-20T09:15")
    parser.add_argument("--out", type=_file, required=True, metavar="FILE", help="ends with .csv or .parquet")
    parser.add_argument(
        "--mode", choices=_MODES, default="quote", help="how much of each (default %(default)s)"
    )


def _file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text} must end with {' or '.join(_SUFFIXES)}")
    return path


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.cli.tables import writer
    from mdactors.plugins import quote_classes
    from mdactors.replacing import replacing

    write = writer(arguments.out.suffix)
    settings = settings_of(arguments)
    wanted = tokens(settings, arguments.symbols)
    classes = quote_classes() if arguments.mode in ("full", "depth30") else {}
    with stores(settings) as (store, _), progress() as bar, replacing(arguments.out) as file:
        source = _Source(store, arguments.from_ns, arguments.to_ns, classes, bar)
        write(file, source.pages(wanted), arguments.mode)
    print(f"{arguments.out}: {source.count} ticks of {', '.join(wanted.values())}")
    return 0


class _Source:
    """Reads the ticks, counts them and moves the bar on with their time."""

    def __init__(
        self, store: TickStore, from_ns: int, to_ns: int, classes: Mapping[str, type[Quote]], bar: Progress
    ) -> None:
        self.count = 0
        self._store = store
        self._from_ns, self._to_ns = from_ns, to_ns
        self._classes = classes
        self._bar = bar

    def pages(self, wanted: Mapping[int, str]) -> Iterator[Sequence[Tick]]:
        """The pages of one instrument after another."""
        from mdactors.store.pages import as_sent, ticks_between

        for token, symbol in wanted.items():
            task = self._bar.add_task(symbol, total=self._to_ns - self._from_ns)
            for page in ticks_between(self._store, token, self._from_ns, self._to_ns):
                self.count += len(page)
                self._bar.update(task, completed=page[-1].tick_timestamp * 1_000_000 - self._from_ns)
                yield as_sent(page, self._classes)
            self._bar.update(task, completed=self._to_ns - self._from_ns)
