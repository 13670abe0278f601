"""Upstox's REST as a data daemon sees it, over a market of our own."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

import msgspec

from mdactors.adapter import Level
from mdactors.market.instrument import InstrumentRow
from mdactors.simulator import Candle, PriceState, Reply, Request, Route, Venue

IST = timezone(timedelta(hours=5, minutes=30))

_MOST_KEYS = 500
_SEGMENTS = {
    "NSE": "NSE_EQ", "NFO": "NSE_FO", "CDS": "NCD_FO", "BSE": "BSE_EQ", "BFO": "BSE_FO", "BCD": "BCD_FO",
    "MCX": "MCX_FO", "NSCOM": "NSE_COM",
}  # fmt: skip
_HOLIDAYS = (
    (1, 26, "Republic Day"),
    (8, 15, "Independence Day"),
    (10, 2, "Gandhi Jayanti"),
    (12, 25, "Christmas"),
)


def error(status: int, code: str, message: str) -> Reply:
    """Upstox's envelope of an error, with the older spelling of each name beside the newer."""
    trouble = {
        "errorCode": code, "message": message, "propertyPath": None, "invalidValue": None,
        "error_code": code, "property_path": None, "invalid_value": None,
    }  # fmt: skip
    return Reply.json({"status": "error", "errors": [trouble]}, status)


class UpstoxRest:
    """The list of instruments, which is open to all, and the quotes and the calendar, which are not."""

    def __init__(self, market: Venue, has_token: Callable[[Request], bool]) -> None:
        self._market = market
        self._has_token = has_token

    def routes(self) -> Sequence[Route]:
        """All of it."""
        return [
            Route("GET", "/market-quote/instruments/exchange/complete.json.gz", self._instruments),
            Route("GET", "/v3/market-quote/ltp", self._quotes("UDAPI100043", lambda state, _: _ltp(state))),
            Route("GET", "/v3/market-quote/ohlc", self._guarded(self._ohlc)),
            Route(
                "GET", "/v3/market-quote/quotes", self._quotes("UDAPI100042", lambda state, _: _full(state))
            ),
            Route("GET", "/v3/historical-candle/{key}/days/1/{to}/{from}", self._guarded(self._past_candles)),
            Route("GET", "/v2/market/status/{exchange}", self._guarded(self._status)),
            Route("GET", "/v2/market/holidays", self._guarded(self._holidays)),
            Route("GET", "/v2/market/holidays/{date}", self._guarded(self._holidays)),
        ]

    def _guarded(self, answer: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
        def guarded(request: Request) -> Reply:
            if not self._has_token(request):
                return error(401, "UDAPI100050", "Invalid token used to access API")
            return answer(request)

        return guarded

    def _instruments(self, request: Request) -> Reply:
        if not request.headers.get("User-Agent"):
            return Reply(403, b"AccessDenied")
        rows = msgspec.json.encode([row(listed) for listed in self._market.instruments])
        etag = f'"{zlib.crc32(rows):08x}"'
        if request.headers.get("If-None-Match") == etag:
            return Reply(304, b"", {"ETag": etag})
        return Reply(200, gzip.compress(rows, 1), {"Content-Type": "application/gzip", "ETag": etag})

    def _quotes(
        self, too_many: str, write: Callable[[PriceState, Request], dict[str, Any]]
    ) -> Callable[[Request], Reply]:
        def answer(request: Request) -> Reply:
            keys = [key for key in request.first("instrument_key").split(",") if key]
            if not keys:
                return error(400, "UDAPI1009", "instrument_key is required")
            if len(keys) > _MOST_KEYS:
                return error(400, too_many, f"At most {_MOST_KEYS} instrument keys are allowed")
            found = [state for key in keys if (state := self._market.by_key(key)) is not None]
            if len(found) < len(keys):  # one bad key fails them all
                return error(400, "UDAPI100095", "Invalid instrument key")
            return _data({_name(state.instrument): write(state, request) for state in found})

        return self._guarded(answer)

    def _past_candles(self, request: Request) -> Reply:
        """The last day before the market's own, which is all that it knows of earlier ones."""
        state = self._market.by_key(request.parameters["key"])
        if state is None:
            return error(400, "UDAPI100011", "Invalid instrument key")
        close = state.previous_close
        midnight = f"{request.parameters['to']}T00:00:00+05:30"
        return _data({"candles": [[midnight, close, close, close, close, 0, 0]]})

    def _ohlc(self, request: Request) -> Reply:
        if request.first("interval") not in ("1d", "I1"):
            return error(400, "UDAPI1028" if request.first("interval") else "UDAPI1027", "Invalid interval")
        return self._quotes("UDAPI100043", lambda state, asked: _candles(state, asked.first("interval")))(
            request
        )

    def _status(self, request: Request) -> Reply:
        exchange = request.parameters["exchange"]
        segment = _SEGMENTS.get(exchange)
        if segment is None:
            return error(400, "UDAPI1089", "Invalid exchange")
        status = self._market.statuses()[segment]
        return _data({"exchange": exchange, "status": status, "last_updated": self._market.now_ms})

    def _holidays(self, request: Request) -> Reply:
        asked = request.parameters.get("date", "")
        year = datetime.fromtimestamp(self._market.now_ms / 1000, IST).year
        days = [
            {
                "date": date(year, month, day).isoformat(),
                "description": name,
                "holiday_type": "TRADING_HOLIDAY",
                "closed_exchanges": list(_SEGMENTS),
                "open_exchanges": [],
            }
            for month, day, name in _HOLIDAYS
        ]
        return _data([day for day in days if asked in ("", day["date"])])


def row(listed: InstrumentRow) -> dict[str, Any]:
    """An object of the list of instruments: fields that do not apply are left out."""
    common: dict[str, Any] = {
        "segment": listed.segment,
        "exchange": listed.exchange,
        "name": listed.underlying or listed.name,
        "instrument_type": {"INDEX": "INDEX", "FUTURE": "FUT", "OPTION": listed.option_type}.get(
            listed.type, listed.series or "EQ"
        ),
        "instrument_key": listed.key,
        "exchange_token": str(listed.token >> 8),
        "trading_symbol": _trading_symbol(listed),
    }
    if listed.type == "INDEX":
        return common
    common |= {
        "lot_size": listed.lot_size,
        "tick_size": round(listed.tick_size * 100, 4),
        "freeze_quantity": 100000.0,
    }
    if listed.type == "STOCK":
        share = {**common, "isin": listed.isin, "qty_multiplier": 1.0}
        return {**share, "cas_eligible": True} if listed.cas_eligible else share
    last_day = date.fromisoformat(listed.expiry)
    midnight = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), IST)
    return {
        **common,
        "expiry": int(midnight.timestamp()) * 1000 - 1000,
        "strike_price": listed.strike,
        "weekly": f"{last_day:%y%b}".upper() not in listed.symbol,
        "minimum_lot": listed.lot_size,
        "underlying_symbol": listed.underlying,
    }


def _trading_symbol(listed: InstrumentRow) -> str:
    if listed.type == "STOCK":
        return listed.symbol.removesuffix(f"-{listed.series}")
    if not listed.expiry:
        return listed.symbol
    day = f"{date.fromisoformat(listed.expiry):%d %b %y}".upper()
    terms = f"{listed.strike:.10g} {listed.option_type}" if listed.option_type else "FUT"
    return f"{listed.underlying} {terms} {day}"


def _name(listed: InstrumentRow) -> str:
    """Upstox answers under a name of its own, not under the key that was asked for."""
    if listed.type == "INDEX":
        return listed.key.replace("|", ":")
    return f"{listed.segment}:{_trading_symbol(listed)}"


def _ltp(state: PriceState) -> dict[str, Any]:
    return {
        "last_price": state.last_price,
        "instrument_token": state.instrument.key,
        "ltq": state.last_quantity,
        "volume": state.volume,
        "cp": state.previous_close,
    }


def _candles(state: PriceState, interval: str) -> dict[str, Any]:
    before: dict[str, Any] | None
    live: dict[str, Any] | None
    if interval == "1d":
        before, live = None, _day(state)
    else:
        before, live = _candle(state.last_minute), _candle(state.minute)
    return {
        "last_price": state.last_price,
        "instrument_token": state.instrument.key,
        "prev_ohlc": before,
        "live_ohlc": live,
    }


def _day(state: PriceState) -> dict[str, Any]:
    now = datetime.fromtimestamp(state.exchange_time / 1000, IST)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "open": state.open,
        "high": state.high,
        "low": state.low,
        "close": state.last_price,
        "volume": state.volume,
        "ts": int(midnight.timestamp()) * 1000,
    }


def _candle(candle: Candle | None) -> dict[str, Any] | None:
    if candle is None:
        return None
    return {
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": candle.volume,
        "ts": candle.start_ms,
    }


def _full(state: PriceState) -> dict[str, Any]:
    close = state.previous_close
    return {
        "instrument_token": state.instrument.key,
        "symbol": _trading_symbol(state.instrument),
        "timestamp": datetime.fromtimestamp(state.exchange_time / 1000, IST).isoformat(
            timespec="milliseconds"
        ),
        "last_price": state.last_price,
        "last_trade_time": str(state.last_trade_time),
        "volume": state.volume,
        "average_price": round(state.average_price, 2),
        "net_change": round(state.last_price - close, 2),
        "oi": float(state.open_interest),
        "oi_day_high": float(state.open_interest_high),
        "oi_day_low": float(state.open_interest_low),
        "total_buy_quantity": float(state.buy_quantity),
        "total_sell_quantity": float(state.sell_quantity),
        "lower_circuit_limit": round(close * 0.9, 2),
        "upper_circuit_limit": round(close * 1.1, 2),
        "prev_close_price": close,
        "ohlc": _day(state),
        "depth": {"buy": list(_rungs(state.bids())), "sell": list(_rungs(state.asks()))},
    }


def _rungs(levels: Sequence[Level]) -> Iterator[dict[str, Any]]:
    """Always five, the missing ones all zero."""
    for level in (*levels, *[Level(0.0, 0)] * (5 - len(levels))):
        yield {"quantity": level.quantity, "price": level.price, "orders": level.orders or 0}


def _data(value: object) -> Reply:
    return Reply.json({"status": "success", "data": value})
