"""Long answers of a store, page by page: never a cursor held open, never the whole in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from mdactors.market.candle import Interval
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.bars import BarStore, StoredBar
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
    store: BarStore, instrument_key: str, interval: Interval, from_ms: int, to_ms: int
) -> Iterator[list[StoredBar]]:
    """The pages of one instrument's stored bars that begin within these times, both ends inclusive.

    Raises:
        StoreError: the store cannot be read.
    """
    for size in _sizes():
        page = store.read(instrument_key, interval, from_ms, to_ms, size)
        if page:
            yield page
            from_ms = page[-1].ts + 1
        if len(page) < size:
            return


def as_sent(rows: Sequence[StoredTick], quotes: Mapping[str, type[Quote]]) -> list[Tick]:
    """The ticks that were sent.

    ``quotes`` says for each source the class of its quotes; a source that it lacks costs the books.
    """
    return [row.tick(quotes.get(row.source, Quote)) for row in rows]


def _sizes() -> Iterator[int]:
    return itertools.chain((FIRST_PAGE,), itertools.repeat(PAGE))
