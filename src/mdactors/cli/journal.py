"""``mdactors journal``: what is in a journal's folder, and whether it can be read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdactors.errors import StoreError

if TYPE_CHECKING:
    from mdactors.store.journal_survey import Survey

HELP = "Show or check a journal's folder; a daemon may be writing it meanwhile."
INSPECT = "List its segments, their ticks and times."
VERIFY = "Read every record; exit 1 if any is damaged."

_UNKNOWN = "-"


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    inspect = actions.add_parser("inspect", help=INSPECT, description=INSPECT)
    inspect.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    inspect.set_defaults(action=_inspect)
    verify = actions.add_parser("verify", help=VERIFY, description=VERIFY)
    verify.set_defaults(action=_verify)
    for action in (inspect, verify):
        action.add_argument(
            "folder", type=Path, metavar="DIR", help="the journal's folder, such as data/journal"
        )


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    code: int = arguments.action(arguments)
    return code


# --- inspect -------------------------------------------------------------------------------------------


def _inspect(arguments: argparse.Namespace) -> int:
    import msgspec

    rows = [_row(found) for found in _surveys(arguments.folder, check=False)]
    whole = {
        "journal": _found_in(arguments.folder)[0].journal,
        "bytes": sum(row["bytes"] for row in rows),
        "ticks": sum(row["ticks"] for row in rows),
        "first": next((row["first"] for row in rows if row["first"]), None),
        "last": next((row["last"] for row in reversed(rows) if row["last"]), None),
        "segments": rows,
    }
    print(msgspec.json.encode(whole).decode() if arguments.json else _table(whole))
    return 0


def _row(found: Survey) -> dict[str, Any]:
    """One segment in words; times of receipt, None where it holds no tick."""
    return {
        "number": found.segment.number,
        "bytes": found.size,
        "records": found.records,
        "ticks": found.ticks,
        "first": _received(found, found.first, 0),
        "last": _received(found, found.last, -1),
    }


def _received(found: Survey, offset: int | None, place: int) -> str | None:
    """When a tick of the record at ``offset`` was received."""
    import msgspec

    from mdactors.market import ist
    from mdactors.store.journal_reader import TickDecoder
    from mdactors.store.journal_segment import SegmentFile

    if offset is None:
        return None
    try:
        with SegmentFile(found.segment) as file:
            record = file.next(offset, found.size)
            ticks = TickDecoder().decode(record.payload) if record is not None else []
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return ist.iso(ticks[place].received_ns // 1_000_000) if ticks else None


def _table(whole: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("SEGMENT", "BYTES", "RECORDS", "TICKS", "FIRST", "LAST")]
    rows += [tuple(map(_cell, row.values())) for row in whole["segments"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"journal {whole['journal']}: {whole['ticks']:,} ticks in {whole['bytes']:,} bytes"]
    for cells in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cell(value: int | str | None) -> str:
    return f"{value:,}" if isinstance(value, int) else value or _UNKNOWN


# --- verify --------------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> int:
    ticks, damage, torn = 0, 0, 0
    size = sum(_size(segment.path) for segment in _found_in(arguments.folder))
    with _progress(size) as advance:
        for found in _surveys(arguments.folder, check=True, advance=advance):
            ticks += found.ticks
            torn = found.torn
            damage += len(found.damage)
            for text in found.damage:
                print(text)
    if torn:
        print(f"{torn} bytes behind the last whole record: torn by a crash, or being written; not damage")
    if damage:
        print(f"{damage} damaged ranges; {ticks:,} ticks can be read")
    else:
        print(f"OK: {ticks:,} ticks")
    return 1 if damage else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; gives what to call with the bytes that are done more."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verify", total=size)
        yield lambda done: progress.advance(task, done)


# --- both ----------------------------------------------------------------------------------------------


def _found_in(folder: Path) -> list[Any]:
    from mdactors.store.journal_segment import segments

    found = segments(folder)
    if not found:
        raise StoreError(f"{folder}: holds no journal")
    return found


def _surveys(
    folder: Path, *, check: bool, advance: Callable[[int], None] = lambda _done: None
) -> Iterator[Survey]:
    """Look through every segment that is still there; what is missing is damage of the one behind it."""
    from mdactors.store.journal_survey import gap, survey

    before: Survey | None = None
    found = _found_in(folder)
    for place, segment in enumerate(found):
        try:
            looked = survey(segment, found[place + 1 :], check=check, advance=advance)
        except FileNotFoundError:
            continue  # the daemon has stored it meanwhile
        if before is not None and (text := gap(before, looked)):
            looked.damage.insert(0, text)
        before = looked
        yield looked
