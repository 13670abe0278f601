"""Kite's REST as a data daemon sees it, over a market of our own."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from mdactors.adapter import Level
from mdactors.market.instrument import InstrumentRow
from mdactors.simulator import PriceState, Reply, Request, Route, Venue
from mdactors_kite.rest import MORE_COLUMNS

IST = timezone(timedelta(hours=5, minutes=30))

_EXCHANGES = {"NSE_FO": "NFO", "BSE_FO": "BFO", "NCD_FO": "CDS", "BCD_FO": "BCD", "NSE_COM": "NCO"}
_OWNERS = {"NFO": "NSE", "CDS": "NSE", "NCO": "NSE", "BFO": "BSE", "BCD": "BSE"}
_HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
_SECONDS_BETWEEN_CALLS = 1.0


def error(status: int, error_type: str, message: str) -> Reply:
    """Kite's envelope of an error."""
    return Reply.json({"status": "error", "message": message, "data": None, "error_type": error_type}, status)


class KiteRest:
    """The list of instruments, which is open to all, and the quotes and the profile, which are not."""

    def __init__(self, market: Venue, api_key: str, accepts: Callable[[str], bool]) -> None:
        self._market = market
        self._api_key = api_key
        self._accepts = accepts
        self._asked: dict[str, float] = {}

    def routes(self) -> Sequence[Route]:
        """All of it."""
        return [
            Route("GET", "/instruments", self._instruments),
            Route("GET", "/instruments/{exchange}", self._instruments),
            Route("GET", "/instruments/historical/{token}/day", self._candles),
            Route("GET", "/quote", self._quotes(500, _full)),
            Route("GET", "/quote/ohlc", self._quotes(1000, _ohlc)),
            Route("GET", "/quote/ltp", self._quotes(1000, _ltp)),
            Route("GET", "/user/profile", self._profile),
        ]

    def _instruments(self, request: Request) -> Reply:
        wanted = request.parameters.get("exchange", "")
        wants_isin = request.headers.get(MORE_COLUMNS, "") == "isin"
        rows = [
            f"{_row(listed)},{listed.isin}" if wants_isin else _row(listed)
            for listed in self._market.instruments
            if wanted in ("", exchange_of(listed))
        ]
        # This market is in no other broker's list, which would say the ISINs.
        body = "\n".join((f"{_HEADER},isin" if wants_isin else _HEADER, *rows, "")).encode()
        headers = {"Content-Type": "text/csv"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return Reply(200, gzip.compress(body), {**headers, "Content-Encoding": "gzip"})
        return Reply(200, body, headers)

    def _candles(self, request: Request) -> Reply:
        """The last day before the market's own, which is all that it knows of earlier ones."""
        if not self._is_known(request):
            return _forbidden()
        state = self._state(request.parameters["token"])
        if state is None:
            return error(400, "InputException", "invalid token")
        close = state.previous_close
        return _data(
            {"candles": [[f"{request.first('to')[:10]}T00:00:00+0530", close, close, close, close, 0]]}
        )

    def _profile(self, request: Request) -> Reply:
        if not self._is_known(request):
            return _forbidden()
        return _data({"user_id": "SIM001", "user_name": "Simulated", "broker": "ZERODHA", "exchanges": []})

    def _quotes(self, most: int, write: Callable[[PriceState], dict[str, Any]]) -> Callable[[Request], Reply]:
        def answer(request: Request) -> Reply:
            if not self._is_known(request):
                return _forbidden()
            if self._is_too_soon(request.path):
                return error(429, "NetworkException", "Too many requests")
            keys = request.query.get("i", [])
            if len(keys) > most:
                return error(400, "InputException", f"Invalid `i`: at most {most} instruments are permitted.")
            found = {key: state for key in keys if (state := self._state(key)) is not None}
            return _data({key: write(state) for key, state in found.items()})

        return answer

    def _is_known(self, request: Request) -> bool:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        api_key, _, token = credentials.partition(":")
        return scheme == "token" and api_key == self._api_key and self._accepts(token)

    def _is_too_soon(self, path: str) -> bool:
        now = time.monotonic()
        if now - self._asked.get(path, float("-inf")) < _SECONDS_BETWEEN_CALLS:
            return True
        self._asked[path] = now
        return False

    def _state(self, key: str) -> PriceState | None:
        """Kite takes EXCHANGE:SYMBOL and plain tokens, and leaves out what it does not know."""
        if key.isdecimal():
            return self._market.state(int(key))
        exchange, _, symbol = key.partition(":")
        state = self._market.by_name(_OWNERS.get(exchange, exchange), symbol)
        return state if state is not None and exchange_of(state.instrument) == exchange else None


def exchange_of(listed: InstrumentRow) -> str:
    """Kite's word for the exchange: the derivatives' markets are exchanges of their own."""
    return _EXCHANGES.get(listed.segment, listed.exchange)


def _row(listed: InstrumentRow) -> str:
    exchange = exchange_of(listed)
    kind = {"FUTURE": "FUT", "OPTION": listed.option_type}.get(listed.type, "EQ")
    segment = exchange if kind == "EQ" else f"{exchange}-{'FUT' if kind == 'FUT' else 'OPT'}"
    lot, tick = listed.lot_size, listed.tick_size
    if listed.type == "INDEX":
        segment, lot, tick = "INDICES", 0, 0.0
    name = (listed.underlying or listed.name).replace('"', '""')
    fields = (
        listed.token, listed.token >> 8, listed.symbol,
        f'"{name}"', 0, listed.expiry, f"{listed.strike:.10g}",
        f"{tick:.10g}", lot, kind, segment, exchange,
    )  # fmt: skip
    return ",".join(map(str, fields))


def _ltp(state: PriceState) -> dict[str, Any]:
    return {"instrument_token": state.token, "last_price": state.last_price}


def _ohlc(state: PriceState) -> dict[str, Any]:
    day = {"open": state.open, "high": state.high, "low": state.low, "close": state.previous_close}
    return {**_ltp(state), "ohlc": day}


def _full(state: PriceState) -> dict[str, Any]:
    close = state.previous_close
    return {
        **_ohlc(state),
        "timestamp": _time(state.exchange_time),
        "last_trade_time": _time(state.last_trade_time) if state.last_trade_time else None,
        "last_quantity": state.last_quantity,
        "buy_quantity": state.buy_quantity,
        "sell_quantity": state.sell_quantity,
        "volume": state.volume,
        "average_price": round(state.average_price, 2),
        "oi": state.open_interest,
        "oi_day_high": state.open_interest_high,
        "oi_day_low": state.open_interest_low,
        "net_change": round(state.last_price - close, 4),
        "lower_circuit_limit": round(close * 0.9, 2),
        "upper_circuit_limit": round(close * 1.1, 2),
        "depth": {"buy": list(_rungs(state.bids())), "sell": list(_rungs(state.asks()))},
    }


def _rungs(levels: Iterable[Level]) -> Iterator[dict[str, Any]]:
    """Always five, the missing ones all zero."""
    written = [
        {"price": level.price, "quantity": level.quantity, "orders": level.orders or 0} for level in levels
    ]
    yield from written
    for _ in range(5 - len(written)):
        yield {"price": 0, "quantity": 0, "orders": 0}


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms // 1000, IST).strftime("%Y-%m-%d %H:%M:%S")


def _data(value: object) -> Reply:
    return Reply.json({"status": "success", "data": value})


def _forbidden() -> Reply:
    return error(403, "TokenException", "Incorrect `api_key` or `access_token`.")
