"""REST of today's ticks, ``/api/ticks/today/{symbol}``: out of the cache, and of the store beyond."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

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
        since = since_ns(self.now_ns, minutes)
        try:
            found = await self.in_pool(today.read, instrument, since, limit)
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error
        if not found.complete:
            self.mark_incomplete()
        self.answer_bytes(b"[" + b",".join(found.ticks) + b"]")


class Found(msgspec.Struct, frozen=True):
    """Ticks as JSON, in the order in which they came."""

    ticks: list[bytes]
    complete: bool
    """Whether no part of what was asked for is out of reach."""


class Today:
    """One instrument's ticks by their receipt, from cache and store; used by one thread, blocks.

    A millisecond belongs to one of the two: the store keeps the time of receipt no finer.
    """

    def __init__(self, cache: Cache, store: TickStore | None, quotes: Mapping[str, type[Quote]]) -> None:
        self._cache = cache
        self._store = store
        self._quotes = quotes

    def read(self, instrument: Instrument, since_ns: int, limit: int | None) -> Found:
        """The newest ``limit`` ticks received since then.

        Raises:
            StoreError: none of them can be had at the moment.
        """
        if self._store is None:
            ticks = self._cache.today(instrument, since_ns, limit)
            return Found(ticks, self._cache.covered_from() is not None or not self._cache.keeps_today)
        covered_ns, cached = self._cached(instrument, since_ns, limit)
        if covered_ns <= since_ns or (limit is not None and len(cached) >= limit):
            return Found(cached, complete=True)
        try:
            before = _received(self._store, instrument.token, since_ns, covered_ns - 1)
        except StoreError:
            cached = self._remains(instrument, since_ns, limit) or cached
            if not cached and covered_ns == FARTHEST_NS:
                raise
            return Found(cached, complete=False)
        if limit is not None:
            before = before[len(cached) - limit :]
        stored = [encode(tick, _QUOTE) for tick in as_sent(before, self._quotes)]
        # What is not stored yet is in the cache alone; one that is to keep nothing of today is not missed.
        return Found(stored + cached, covered_ns < FARTHEST_NS or not self._cache.keeps_today)

    def _remains(self, instrument: Instrument, since_ns: int, limit: int | None) -> list[bytes]:
        """What the cache has, although that may not be everything; nothing where it is away."""
        try:
            return self._cache.today(instrument, since_ns, limit)
        except StoreError:
            return []

    def _cached(self, instrument: Instrument, since_ns: int, limit: int | None) -> tuple[int, list[bytes]]:
        """From when on the cache has everything, and that; when it is away, nothing, from the end of time."""
        try:
            for _ in range(TRIES):
                covered_ns = self._cache.covered_from()
                if covered_ns is None:
                    break
                covered_ns = -(-covered_ns // NS_PER_MS) * NS_PER_MS
                cached = self._cache.today(instrument, max(since_ns, covered_ns), limit)
                # What it forgot meanwhile would be missing on both sides of the seam.
                still = self._cache.covered_from()
                if still is not None and still <= covered_ns:
                    return covered_ns, cached
        except StoreError:
            pass  # that is what the store is for
        return FARTHEST_NS, []


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
