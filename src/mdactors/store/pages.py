"""Long answers of a store, page by page: never a cursor held open, never the whole in memory."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence

from mdactors.market.candle import Interval
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.bars import BarStore, StoredBar, keys
from mdactors.store.ticks import StoredTick, TickStore

PAGE = 5_000
"""Rows of a page."""
FIRST_PAGE = 500
"""Rows of the first page: who waits for the answer sees its begin sooner."""


def ticks_between(
    store: TickStore, token: int, from_ns: int, to_ns: int, limit: int | None = None
) -> Iterator[list[StoredTick]]:
    """The pages of one instrument's ticks by ``tick_timestamp``, oldest first, both ends inclusive.

    At most the first ``limit`` ticks. Each step blocks for one page; no page is empty.

    Raises:
        StoreError: the store cannot be read.
    """
    after: StoredTick | None = None
    left = limit
    for size in _sizes():
        wanted = size if left is None else min(size, left)
        page = store.read(token, from_ns, to_ns, wanted, after) if wanted else []
        if page:
            yield page
            after = page[-1]
            left = None if left is None else left - len(page)
        if len(page) < wanted or not wanted:
            return


def bars_between(
    store: BarStore, instrument: Instrument, interval: Interval, from_ms: int, to_ms: int
) -> Iterator[StoredBar]:
    """One instrument's stored bars that begin within these times, both ends inclusive, oldest first.

    Under whatever key they were stored; of two that begin together the one of the current key counts.
    A step may block for a page of each key.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = (_bars_under(store, key, interval, from_ms, to_ms) for key in keys(instrument))
    before = None
    # The merge leaves bars that begin together in the order of their keys.
    for bar in heapq.merge(*kept, key=_begin):
        if bar.ts != before:
            yield bar
        before = bar.ts


def _bars_under(
    store: BarStore, key: str, interval: Interval, from_ms: int, to_ms: int
) -> Iterator[StoredBar]:
    for size in _sizes():
        page = store.read(key, interval, from_ms, to_ms, size)
        yield from page
        if len(page) < size:
            return
        from_ms = page[-1].ts + 1


def as_sent(rows: Sequence[StoredTick], quotes: Mapping[str, type[Quote]]) -> list[Tick]:
    """The ticks that were sent.

    ``quotes`` says for each source the class of its quotes; a source that it lacks costs the books.
    """
    return [row.tick(quotes.get(row.source, Quote)) for row in rows]


def _begin(bar: StoredBar) -> int:
    return bar.ts


def _sizes() -> Iterator[int]:
    return itertools.chain((FIRST_PAGE,), itertools.repeat(PAGE))
