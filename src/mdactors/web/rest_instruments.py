"""REST of what can be streamed: ``/api/instruments`` and ``/api/instruments/{symbol}``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import msgspec

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument, InstrumentType
from mdactors.store.instruments import Filter
from mdactors.web.handler import Failure, Handler

Found = TypeVar("Found")

ROWS = 20
"""How many instruments are answered where nobody says how many."""
MOST_ROWS = 500
"""More would hold up those who search meanwhile."""


class Listed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An instrument as it is answered: what is not known of it, or not so, is left out. Prices are rupees."""

    symbol: str
    instrument_token: int
    instrument_key: str
    exchange: str
    segment: str
    type: InstrumentType
    series: str | None = None
    etf: bool | None = None
    expiry: str | None = None
    strike: float | None = None
    option_type: str | None = None
    underlying: str | None = None
    name: str | None = None
    isin: str | None = None
    lot_size: int | None = None
    tick_size: float | None = None
    sector: str | None = None
    industry: str | None = None
    tradable: bool | None = None
    mtf: bool | None = None
    mis: bool | None = None
    trading_class: str | None = None

    @classmethod
    def of(cls, instrument: Instrument) -> Listed:
        """The instrument, with as much as its class holds."""
        fields = msgspec.structs.asdict(instrument)
        fields["symbol"] = fields.pop("own_name") or instrument.symbol
        fields.pop("cas_eligible", None)  # its class says it
        known = {name: value for name, value in fields.items() if value or name == "tradable"}
        if instrument.type == "INDEX":  # which nobody buys
            known |= {"lot_size": None, "tick_size": None}
        return cls(instrument_token=known.pop("token"), instrument_key=known.pop("key"), **known)


class _StoreHandler(Handler):
    """What both paths share: the store of instruments."""

    async def look_up(self, function: Callable[..., Found], *arguments: Any) -> Found:
        """Ask the store in a thread of the pool; one that cannot be read is a 503."""
        try:
            return await self.in_pool(function, *arguments)
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error


class SearchedInstruments(_StoreHandler):
    """``GET /api/instruments?q=&type=&sector=&exchange=&underlying=&expiry=&mtf=&mis=&limit=``."""

    parameters = ("q", "type", "sector", "exchange", "underlying", "expiry", "mtf", "mis", "limit")

    async def get(self) -> None:
        """Answer the instruments that are meant, the likeliest first."""
        text = self.get_query_argument("q", "")
        narrowed, limit = self._filter(), self._limit()
        self.table()
        rows = await self.look_up(self.parts.gateway.instrument_store.search, text, narrowed, limit)
        self.answer([Listed.of(row) for row in rows])

    def _filter(self) -> Filter:
        sector = self.get_query_argument("sector", "")
        return Filter(
            type=self.choice("type", get_args(InstrumentType), ""),
            sector=self.sector(sector, "sector").code if sector else "",
            exchange=self.get_query_argument("exchange", ""),
            underlying=self.get_query_argument("underlying", ""),
            expiry=self.date("expiry"),
            mtf=self.flag("mtf"),
            mis=self.flag("mis"),
        )

    def _limit(self) -> int:
        limit = self.whole_number("limit") or ROWS
        if limit > MOST_ROWS:
            raise Failure(400, "invalid_parameter", f"limit must be at most {MOST_ROWS}", field="limit")
        return limit


class OneInstrument(_StoreHandler):
    """``GET /api/instruments/{symbol}``."""

    async def get(self, symbol: str) -> None:
        """Answer all that is known of an instrument, by any of its names."""
        instrument = await self.instrument(symbol, "symbol")
        row = await self.look_up(self.parts.gateway.instrument_store.get, instrument.token)
        self.answer(Listed.of(row or instrument))
