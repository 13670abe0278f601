"""REST of stored ticks: ``/api/ticks/historical``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import cast

import msgspec

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
from mdactors.web.rest_today import AHEAD_NS
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
        shelf = Shelf(self._store(), self.parts.gateway, token)
        try:
            found = await self.in_pool(shelf.find, from_ns, to_ns, limit, mode)
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error
        if not found.complete:
            self.mark_incomplete()
        await self.stream(format_ticks(found.pages, name, mode, fields), CONTENT_TYPES[name])

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


class Found(msgspec.Struct, frozen=True):
    """Ticks by their time, oldest first."""

    pages: Iterable[Sequence[Tick]]
    """Read from the store while one goes through them, which blocks."""
    complete: bool
    """Whether no part of what was asked for is out of reach."""


class Shelf:
    """One instrument's ticks out of the store, or while that is away out of the cache; blocks."""

    def __init__(self, store: TickStore, gateway: Gateway, token: int) -> None:
        self._store = store
        self._gateway = gateway
        self._token = token

    def find(self, from_ns: int, to_ns: int, limit: int | None, mode: Mode) -> Found:
        """The first ``limit`` ticks between these times, both inclusive.

        Raises:
            StoreError: the store is away, and the cache knows nothing of that time.
        """
        pages = ticks_between(self._store, self._token, from_ns, to_ns, limit)
        try:
            first = list(itertools.islice(pages, 1))
        except StoreError:
            if (found := self._remembered(from_ns, to_ns, limit, mode)) is None:
                raise
            return found
        rows = itertools.chain(first, pages)
        return Found((as_sent(page, self._gateway.quotes) for page in rows), complete=True)

    def _remembered(self, from_ns: int, to_ns: int, limit: int | None, mode: Mode) -> Found | None:
        """What the cache has of that time, without books; None where it knows nothing of it."""
        cache, instrument = self._gateway.cache, self._gateway.table().by_token.get(self._token)
        if instrument is None:
            return None
        try:
            covered_ns = cache.covered_from()
            written = cache.today(instrument, max(0, from_ns - AHEAD_NS))
        except StoreError:
            return None
        ticks = (read_quote(data, instrument) for data in written)
        within = sorted((tick for tick in ticks if from_ns <= _time_ns(tick) <= to_ns), key=_place)
        if not within and (covered_ns is None or covered_ns > to_ns):
            return None
        is_whole = mode in _OF_CACHE and covered_ns is not None and covered_ns <= from_ns - AHEAD_NS
        return Found([within[:limit]] if within else [], is_whole)


def _time_ns(tick: Tick) -> int:
    time = tick.quote.exchange_time
    return tick.received_ns if time is None else time * NS_PER_MS


def _place(tick: Tick) -> tuple[int, int, int, str]:
    """As the store has them in order."""
    return _time_ns(tick) // NS_PER_MS, tick.epoch, tick.seq, tick.source
