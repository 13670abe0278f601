"""REST of stored ticks: ``/api/ticks/historical``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from mdactors.errors import StoreError
from mdactors.market.columns import choose
from mdactors.market.quote import MODES, Mode
from mdactors.market.tick import Tick
from mdactors.market.tick_formats import CONTENT_TYPES, format_ticks
from mdactors.market.view import NS_PER_MS, read_quote
from mdactors.store.pages import as_sent, ticks_between
from mdactors.store.ticks import TickStore
from mdactors.web.gateway import Gateway
from mdactors.web.handler import Failure
from mdactors.web.rest_today import AHEAD_NS, PATIENCE_SECONDS
from mdactors.web.streamed import StreamedHandler

_OF_CACHE: tuple[Mode, ...] = ("ltp", "quote")
"""Modes in which a cached tick is as it was sent."""


class TicksOfHistory(StreamedHandler):
    """``GET /api/ticks/historical?symbol=&startTime=&endTime=``."""

    parameters = (
        "symbol", "instrumentToken", "exchange", "startTime", "endTime", "mode", "format", "fields", "limit",
    )  # fmt: skip

    async def get(self) -> None:
        """Answer an instrument's stored ticks as on the websocket, oldest first."""
        from_ns, to_ns = self._range()
        mode = cast(Mode, self.choice("mode", MODES, "quote"))
        name = self.choice("format", tuple(CONTENT_TYPES), "json")
        fields = self._fields(mode)
        limit = self.whole_number("limit")
        token = await self._token()
        shelf = Shelf(self._store(), self.parts.gateway, Asked(token, from_ns, to_ns, limit, mode))
        try:
            found = await self._find(shelf)
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error
        if not found.complete:
            self.mark_incomplete()
        parts = format_ticks(found.pages, name, mode, fields)
        await self.stream(parts, CONTENT_TYPES[name], of_store=found.of_store)

    async def _find(self, shelf: Shelf) -> Found:
        """What the store has, or while it is away the cache.

        Raises:
            StoreError: the store is away, and the cache knows nothing of that time.
        """
        try:
            return await self.in_store(shelf.stored, seconds=PATIENCE_SECONDS if shelf.is_cached() else None)
        except StoreError:
            remembered = await self.in_pool(shelf.remembered)
            if remembered is None:
                raise
            return remembered

    def _store(self) -> TickStore:
        store = self.parts.gateway.history
        if store is None:
            raise Failure(503, "unavailable", "ticks are not stored here: see store.ticks")
        return store

    def _range(self) -> tuple[int, int]:
        """Begin and end, both inclusive, in nanoseconds since 1970."""
        from_ns = self.moment("startTime")
        if from_ns is None:
            message = "startTime must say from when on, such as 2026-11-20T09:15:00"
            raise Failure(400, "invalid_parameter", message, field="startTime")
        to_ns = self.moment("endTime", last=True)
        to_ns = self.now_ns if to_ns is None else to_ns
        if from_ns > to_ns:
            message = "startTime is after endTime, which is now where it is not given"
            raise Failure(400, "invalid_parameter", message, field="startTime")
        return from_ns, to_ns

    def _fields(self, mode: Mode) -> Sequence[str]:
        given = self.get_query_argument("fields", "")
        names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
        try:
            choose(mode, names)
        except ValueError as error:
            raise Failure(400, "invalid_parameter", f"fields: {error}", field="fields") from None
        return names

    async def _token(self) -> int:
        """Our token of the instrument that is meant; by number, also of one that has expired."""
        token = self.whole_number("instrumentToken")
        symbol = self.get_query_argument("symbol", "")
        if (token is None) == (symbol == ""):
            message = "either symbol or instrumentToken must say whose ticks are meant"
            raise Failure(400, "invalid_parameter", message, field="symbol")
        if token is not None:
            return token
        exchange = self.get_query_argument("exchange", "").strip().upper()
        found = self.parts.gateway.table().resolve(symbol)
        if exchange and (found is None or found.exchange != exchange):
            symbol = f"{exchange}:{symbol}"
        return (await self.instrument(symbol, "symbol")).token


class Asked(NamedTuple):
    """The first ``limit`` ticks of an instrument between two times, both inclusive."""

    token: int
    from_ns: int
    to_ns: int
    limit: int | None
    mode: Mode


class Found(NamedTuple):
    """Ticks by their time, oldest first."""

    pages: Iterable[Sequence[Tick]]
    """Read from the store while one goes through them, which blocks."""
    complete: bool
    """Whether no part of what was asked for is out of reach."""
    of_store: bool


class Shelf:
    """What was asked for, out of the store or out of the cache; blocks."""

    def __init__(self, store: TickStore, gateway: Gateway, asked: Asked) -> None:
        self._store = store
        self._gateway = gateway
        self._asked = asked

    def stored(self) -> Found:
        """What the store has, its first page read.

        Raises:
            StoreError: it cannot be read.
        """
        asked = self._asked
        pages = ticks_between(self._store, asked.token, asked.from_ns, asked.to_ns, asked.limit)
        rows = itertools.chain(list(itertools.islice(pages, 1)), pages)
        sent = (as_sent(page, self._gateway.quotes) for page in rows)
        return Found(sent, complete=True, of_store=True)

    def is_cached(self) -> bool:
        """Whether the cache knows of that time, or of its end; asks nobody."""
        covered_ns = self._gateway.cache.covered_from()
        return covered_ns is not None and covered_ns <= self._asked.to_ns

    def remembered(self) -> Found | None:
        """What the cache has, without books; None where it knows nothing of that time."""
        asked, cache = self._asked, self._gateway.cache
        instrument = self._gateway.table().by_token.get(asked.token)
        if instrument is None:
            return None
        begin_ns = max(0, asked.from_ns - AHEAD_NS)
        try:
            covered_ns = cache.covered_from()
            written = cache.today(instrument, begin_ns)
        except StoreError:
            return None
        ticks = (read_quote(data, instrument) for data in written)
        within = [tick for tick in ticks if asked.from_ns <= _time_ns(tick) <= asked.to_ns]
        if not within and not self.is_cached():
            return None
        is_whole = asked.mode in _OF_CACHE and covered_ns is not None and covered_ns <= begin_ns
        pages = [sorted(within, key=_place)[: asked.limit]] if within else []
        return Found(pages, is_whole, of_store=False)


def _time_ns(tick: Tick) -> int:
    time = tick.quote.exchange_time
    return tick.received_ns if time is None else time * NS_PER_MS


def _place(tick: Tick) -> tuple[int, int, int, str]:
    """As the store has them in order."""
    return _time_ns(tick) // NS_PER_MS, tick.epoch, tick.seq, tick.source
