"""A batch in which some ticks can never be kept: those are set aside, all others are kept.

Pure rules for every store; the store gives the statements and says which of its errors blame a row. What is
at fault is found by trying: where most of the rows are refused that our own schema would take, it is the
table, and nothing is set aside.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from operator import itemgetter
from typing import Any, Generic, TypeVar

import msgspec

from mdactors.errors import TableFault
from mdactors.market.tick import Tick
from mdactors.store.ticks import COLUMNS, row_of

Item = TypeVar("Item")
LONGEST_REASON = 200
TRIED = 16
"""So many rows by themselves show whether it is the table. By chance, since frames repeat their order."""
SLICE = 100
"""Ticks that are made rows at once: so many are still in the processor's cache when they are written."""
_NUMBERS = (
    "last_price", "open", "high", "low", "previous_close", "average_price", "iv",
)  # fmt: skip
_PLACES = [(name, itemgetter(COLUMNS.index(name))) for name in _NUMBERS]


class NotFiniteError(ValueError):
    """A price is not a number or infinite: one database makes NULL of it, another keeps it."""


class NotKeptError(Exception):
    """A table raised no error and has fewer rows than it was given: a trigger drops some."""


def check_kept(kept: int, given: int) -> None:
    """Compare how many rows a database says that it inserted with how many it was given.

    Raises:
        NotKeptError: some are not there.
    """
    if kept != given:
        raise NotKeptError("dropped by a trigger, without an error")


def rows_of(
    ticks: Iterable[Tick], *, raw: bool, zero_ms: int = 0, per_ms: int = 1
) -> Iterator[tuple[Any, ...]]:
    """The ticks as rows of `COLUMNS`, made as they are asked for; the rest is as in `row_of`.

    Raises:
        NotFiniteError: soon comes one with a number that is not finite.
    """
    walk = iter(ticks)
    while rows := [row_of(tick, raw=raw, zero_ms=zero_ms, per_ms=per_ms) for tick in islice(walk, SLICE)]:
        _check_finite(rows)
        yield from rows


def _check_finite(rows: Sequence[tuple[Any, ...]]) -> None:
    for name, value in _PLACES:
        # One such number makes the whole sum one, and a sum costs a tenth of looking at each. A sum of
        # finite numbers that overflows is found innocent once each row is looked at by itself.
        if not math.isfinite(sum(filter(None, map(value, rows)))):
            raise NotFiniteError(f"{name} is not a finite number")


class Table(msgspec.Struct, Generic[Item]):
    """A table as `insert_sparing` uses it, within a transaction."""

    where: object
    """Its database, for a person."""
    insert: Callable[[Sequence[Item]], None]
    savepoint: Callable[[], AbstractContextManager[object]]
    """A block that is undone when an exception leaves it."""
    faults: tuple[type[Exception], ...]
    """The errors that blame a row, rightly or not; every other one is raised."""
    is_sound: Callable[[Item], bool]
    """Whether our own schema would take it."""
    is_at_fault: Callable[[Exception], bool] = lambda _error: False
    """Whether an error can only be the table's fault."""

    def refusal(self, items: Sequence[Item], then: Callable[[], None] = lambda: None) -> Exception | None:
        """Why these items are refused; None where they are inserted."""
        try:
            with self.savepoint():
                self.insert(items)
                then()
        except _UndoneError:
            return None
        except self.faults as error:
            return error
        return None


class _UndoneError(Exception):
    """Undoes what was only tried."""


def _undo() -> None:
    raise _UndoneError


def insert_sparing(items: Sequence[Item], table: Table[Item]) -> list[tuple[Item, str]]:
    """Insert all items but those that can never be kept, found by halving.

    Returns:
        What was refused, in order, each with the reason in one line.

    Raises:
        TableFault: most of what our schema would take is refused, or one item for a reason that only a
            table can be blamed for.
    """
    if table.refusal(items) is None:
        return []
    items = list(items)
    sound = [item for item in items if table.is_sound(item)]
    _try_some(sound, table)
    refused = _halves(items, table)
    _check_blame(refused, len(sound), table)
    return [(item, _reason(error)) for item, error in refused]


def insert_taken(items: Sequence[Item], table: Table[Item]) -> list[Item]:
    """Insert all items that are taken; those that are not, whoever is at fault."""
    if not items or table.refusal(items) is None:
        return []
    return [item for item, _ in _halves(items, table)]


def _try_some(sound: Sequence[Item], table: Table[Item]) -> None:
    """Try some of the sound items, each by itself: most faults of a table show at once."""
    tried = random.sample(sound, min(TRIED, len(sound)))
    refused = [(item, error) for item in tried if (error := table.refusal([item], _undo)) is not None]
    _check_blame(refused, len(tried), table)


def _check_blame(refused: Sequence[tuple[Item, Exception]], sound: int, table: Table[Item]) -> None:
    """Raise `TableFault` where the table is to blame for what it refused of so many sound items."""
    for _, error in refused:
        if table.is_at_fault(error):
            raise _table_fault(table, error)
    errors = [error for item, error in refused if table.is_sound(item)]
    if 2 * len(errors) > sound:
        raise _table_fault(table, errors[0])


def _halves(items: Sequence[Item], table: Table[Item]) -> list[tuple[Item, Exception]]:
    """Insert each half, or what of it is taken; what is not, with the error."""
    if len(items) == 1:
        error = table.refusal(items)
        return [] if error is None else [(items[0], error)]
    middle = len(items) // 2
    refused = []
    for half in (items[:middle], items[middle:]):
        if len(half) == 1 or table.refusal(half) is not None:
            refused += _halves(half, table)
    return refused


def _table_fault(table: Table[Item], error: Exception) -> TableFault:
    return TableFault(f"{table.where}: a table refuses good rows and has to be mended: {_reason(error)}")


def log_refused(
    logger: logging.Logger, where: object, refused: Sequence[tuple[Tick, str]], total: int
) -> None:
    """One ERROR line for a batch from which ticks were set aside; nothing when none were."""
    for tick, reason in refused[:1]:
        logger.error(
            "%s: set aside %d of %d ticks that cannot be kept, the first of %s, epoch %d, seq %d: %s",
            where, len(refused), total, tick.instrument.key, tick.epoch, tick.seq, reason,
        )  # fmt: skip


def _reason(error: Exception) -> str:
    first_line = str(error).partition("\n")[0][:LONGEST_REASON] or type(error).__name__
    return first_line.encode("utf-8", "backslashreplace").decode()
