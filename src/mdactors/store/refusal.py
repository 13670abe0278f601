"""A batch in which some ticks can never be kept: those are set aside, all others are kept.

Pure rules for every store; the store gives the statements and says which of its errors are a row's fault.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

import msgspec

from mdactors.market.tick import Tick
from mdactors.store.ticks import COLUMNS, row_of

Item = TypeVar("Item")
LONGEST_REASON = 200
SLICE = 100
"""Ticks that are made rows at once: so many are still in the processor's cache when they are written."""
_NUMBERS = (
    "last_price", "open", "high", "low", "previous_close", "average_price", "iv",
)  # fmt: skip
_PLACES = [(name, itemgetter(COLUMNS.index(name))) for name in _NUMBERS]
_encode = msgspec.msgpack.Encoder().encode


class NotFiniteError(ValueError):
    """A price is not a number or infinite: one database makes NULL of it, another keeps it."""


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


def insert_sparing(
    items: Sequence[Item],
    insert: Callable[[Sequence[Item]], None],
    savepoint: Callable[[], AbstractContextManager[object]],
    faults: tuple[type[Exception], ...],
) -> list[tuple[Item, str]]:
    """Insert all items but those that the store will never take, found by halving.

    ``savepoint()`` is a block that is undone when an exception leaves it; ``faults`` are the errors that
    blame a row. Every other error is raised.

    Returns:
        What was refused, in order, each with the reason in one line.
    """
    try:
        with savepoint():
            insert(items)
    except faults as error:
        if len(items) == 1:
            return [(items[0], _reason(error))]
    else:
        return []
    middle = len(items) // 2
    return [
        *insert_sparing(items[:middle], insert, savepoint, faults),
        *insert_sparing(items[middle:], insert, savepoint, faults),
    ]


def packed(tick: Tick) -> bytes:
    """A refused tick for a person to look at: msgpack as in the journal, else what Python shows of it."""
    try:
        return _encode(tick)
    except (OverflowError, TypeError, ValueError):
        return repr(tick).encode("utf-8", "backslashreplace")


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
