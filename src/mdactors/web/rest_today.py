"""REST of today's ticks, ``/api/ticks/today/{symbol}``: out of the cache, and of the store beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.moment import FARTHEST_NS
from mdactors.market.quote import Quote
from mdactors.market.view import NS_PER_MS, encode
from mdactors.store.cache import Cache
from mdactors.store.pages import as_sent, ticks_between
from mdactors.store.ticks import StoredTick, TickStore
from mdactors.web.handler import Failure, Handler

MINUTE_NS = 60 * ist.SECOND_NS
AHEAD_NS = 60 * MINUTE_NS
"""How far the exchange's clock may be before ours."""
PATIENCE_SECONDS = 10.0
"""How long a store may take before the answer is what the cache has."""
TRIES = 3
"""How often the cache is read while it forgets its oldest ticks under our hands."""
_QUOTE = View("quote")


class TicksOfToday(Handler):
    """``GET /api/ticks/today/{symbol}``."""

    parameters = ("lastMinutes", "limit")

    async def get(self, symbol: str) -> None:
        """Answer today's ticks as on the websocket, in the order in which they came."""
        minutes = self.whole_number("lastMinutes")
        limit = self.whole_number("limit")
        instrument = await self.instrument(symbol, "symbol")
        gateway = self.parts.gateway
        today = Today(gateway.cache, gateway.history, gateway.quotes)
        try:
            moved = (*self.table().formers(instrument.token), instrument)
            found = await self._find(today, Asked(moved, since_ns(self.now_ns, minutes), limit))
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error
        if not found.complete:
            self.mark_incomplete()
        self.answer_bytes(b"[" + b",".join(found.ticks) + b"]")

    async def _find(self, today: Today, asked: Asked) -> Found:
        """What was asked for, or as much of it as can be had.

        Raises:
            StoreError: nothing of it can be had.
        """
        cached = await self.in_pool(today.cached, asked)
        if not today.lacks(cached, asked):
            return cached
        try:
            return await self.in_store(today.completed, cached, asked, seconds=PATIENCE_SECONDS)
        except StoreError:
            remains = await self.in_pool(today.remains, cached, asked)
            if remains is None:
                raise
            return remains


class Asked(NamedTuple):
    """The newest ``limit`` ticks of an instrument that were received since a time."""

    listed: Sequence[Instrument]
    """As it was listed earlier today, under other tokens, and as it is now: one after the other."""
    since_ns: int
    limit: int | None


class Found(NamedTuple):
    """Ticks as JSON, in the order in which they came."""

    ticks: list[bytes]
    complete: bool = True
    """Whether no part of what was asked for is out of reach."""
    covered_ns: int = 0
    """From when on nothing is missing."""


class Today:
    """Ticks by their receipt, out of cache and store; blocks.

    A millisecond belongs to one of the two: the store keeps the time of receipt no finer.
    """

    def __init__(self, cache: Cache, store: TickStore | None, quotes: Mapping[str, type[Quote]]) -> None:
        self._cache = cache
        self._store = store
        self._quotes = quotes

    def cached(self, asked: Asked) -> Found:
        """What the cache has of it: where there is a store, without what it may have in part only.

        Raises:
            StoreError: the cache is away, and there is no store.
        """
        if self._store is not None:
            return self._covered(asked)
        ticks = self._of_cache(asked)
        return Found(ticks, self._cache.covered_from() is not None or not self._cache.keeps_today)

    def lacks(self, cached: Found, asked: Asked) -> bool:
        """Whether there may be more in the store."""
        is_enough = asked.limit is not None and len(cached.ticks) >= asked.limit
        return self._store is not None and cached.covered_ns > asked.since_ns and not is_enough

    def completed(self, cached: Found, asked: Asked) -> Found:
        """That, and before it what the store has.

        Raises:
            StoreError: the store cannot be read.
        """
        assert self._store is not None, "nothing is lacking"
        store, upto_ns = self._store, cached.covered_ns - 1
        before = [
            row for each in asked.listed for row in _received(store, each.token, asked.since_ns, upto_ns)
        ]
        if asked.limit is not None:
            before = before[len(cached.ticks) - asked.limit :]
        stored = [encode(tick, _QUOTE) for tick in as_sent(before, self._quotes)]
        # What is not stored yet is in the cache alone; one that is to keep nothing of today is not missed.
        is_covered = cached.covered_ns < FARTHEST_NS
        return Found(stored + cached.ticks, is_covered or not self._cache.keeps_today)

    def remains(self, cached: Found, asked: Asked) -> Found | None:
        """All that the cache has of it, although that may be a part; None where it knows nothing."""
        try:
            ticks = self._of_cache(asked)
        except StoreError:
            ticks = []
        if not ticks and cached.covered_ns == FARTHEST_NS:
            return None
        return Found(ticks or cached.ticks, complete=False)

    def _of_cache(self, asked: Asked) -> list[bytes]:
        lists = [self._cache.today(each, asked.since_ns, asked.limit) for each in asked.listed]
        # Redis has those of one name in one list, whatever their tokens.
        ticks = list(dict.fromkeys(chain.from_iterable(lists)))
        return ticks if asked.limit is None else ticks[-asked.limit :]

    def _covered(self, asked: Asked) -> Found:
        """What the cache has since it has everything; when it is away, nothing, since the end of time."""
        try:
            for _ in range(TRIES):
                covered_ns = self._cache.covered_from()
                if covered_ns is None:
                    break
                covered_ns = -(-covered_ns // NS_PER_MS) * NS_PER_MS
                ticks = self._of_cache(asked._replace(since_ns=max(asked.since_ns, covered_ns)))
                # What it forgot meanwhile would be missing on both sides of the seam.
                still = self._cache.covered_from()
                if still is not None and still <= covered_ns:
                    return Found(ticks, covered_ns=covered_ns)
        except StoreError:
            pass  # that is what the store is for
        return Found([], covered_ns=FARTHEST_NS)


def _received(store: TickStore, token: int, from_ns: int, to_ns: int) -> list[StoredTick]:
    """What the store has of an instrument by its receipt, both ends inclusive, in the order in which it came.

    The store finds an instrument's ticks by the exchange's time: looked through is what the exchange, too,
    says to be of that day, and not long after the last receipt.
    """
    first, last = from_ns // NS_PER_MS, to_ns // NS_PER_MS
    pages = ticks_between(store, token, midnight_ns(from_ns), min(to_ns + AHEAD_NS, FARTHEST_NS))
    rows = [row for page in pages for row in page if first <= row.received_at <= last]
    rows.sort(key=lambda row: (row.received_at, row.epoch, row.seq))
    return rows


def midnight_ns(at_ns: int) -> int:
    """The begin of the day in India."""
    return (at_ns // ist.SECOND_NS - ist.second_of_day(at_ns)) * ist.SECOND_NS


def since_ns(now_ns: int, minutes: int | None) -> int:
    """From when on ticks are of today, and of the last minutes where those are bounded."""
    midnight = midnight_ns(now_ns)
    return midnight if minutes is None else max(midnight, now_ns - minutes * MINUTE_NS)
