"""REST of stored ticks: ``/api/ticks/historical``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from mdactors.market.columns import choose
from mdactors.market.quote import MODES, Mode
from mdactors.market.tick_formats import CONTENT_TYPES, format_ticks
from mdactors.store.pages import as_sent, ticks_between
from mdactors.store.ticks import TickStore
from mdactors.web.handler import Failure
from mdactors.web.streamed import StreamedHandler


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
        store = self._store()
        pages = ticks_between(store, token, from_ns, to_ns, limit)
        ticks = (as_sent(page, self.parts.gateway.quotes) for page in pages)
        await self.stream(format_ticks(ticks, name, mode, fields), CONTENT_TYPES[name])

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
