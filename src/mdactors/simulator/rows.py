"""Recorded rows as updates: minute bars, a broker's ticks, last prices, and the ticks that we export."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from mdactors.errors import SimulatorError
from mdactors.market.instrument import InstrumentRow, InstrumentType
from mdactors.market.ist import IST
from mdactors.market.quote import Greeks, Level
from mdactors.simulator.events import Event, Tick, Update
from mdactors.simulator.listing import completed
from mdactors.simulator.state import FixedBook

Row: TypeAlias = Mapping[str, Any]
"""Texts where the file is one, else values; nested ones under dotted names."""

_BARS = {"symbol", "timestamp", "open", "high", "low", "close", "volume"}
_TICKS = {"symbol", "recv_time", "ltt_ms", "ltp", "vtt"}
_LAST_PRICES = {"recv_time", "tradingsymbol", "ltp"}
_EXPORTED = {"symbol", "instrumentToken", "timestamp"}
_QUARTER_MS = 15_000
_GREEKS = ("delta", "theta", "gamma", "vega", "rho")


def reader(columns: Collection[str], path: object) -> Callable[[Row], Iterator[Update]]:
    """What makes updates of the rows of a file with these columns.

    Raises:
        SimulatorError: it is of no known kind.
    """
    there = set(columns)
    for needed, read in (
        (_EXPORTED, _exported), (_BARS, _bar), (_TICKS, _tick), (_LAST_PRICES, _last_price),
    ):  # fmt: skip
        if there >= needed:
            return read
    raise SimulatorError(f"{path}: neither minute bars nor ticks, its columns are {sorted(there)}")


def name_of(row: Row) -> tuple[str, str]:
    """The row's own name for its instrument, and a token or key where it has one."""
    if "instrumentToken" in row:
        return str(row["instrumentToken"]), ""
    hint = row.get("instrument_key") or row.get("instrument_token") or ""
    return row.get("symbol") or row["tradingsymbol"], hint


def exported_instrument(row: Row) -> InstrumentRow | None:
    """The instrument that an exported row names whole; None for other rows."""
    if "instrumentToken" not in row:
        return None
    key, symbol = str(row.get("instrumentKey") or ""), str(row["symbol"])
    exchange = str(row.get("exchange") or "NSE")
    kind: InstrumentType = msgspec.convert(row.get("type") or "STOCK", InstrumentType)
    segment = key.partition("|")[0] if "|" in key else f"{exchange}_{'INDEX' if kind == 'INDEX' else 'EQ'}"
    symbol = symbol.removeprefix(f"{exchange}:")
    return completed(
        InstrumentRow(
            int(row["instrumentToken"]), symbol, exchange, segment, kind,
            key or f"{segment}|{symbol}", name=symbol, series="EQ" if segment == "NSE_EQ" else "",
            etf=row.get("etf") in (True, "true"),
        )
    )  # fmt: skip


def _time_ms(value: Any) -> int:
    """Epoch milliseconds of a time, or its ISO text; without an offset it is Indian."""
    if not value:
        return 0
    time = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
    if time.tzinfo is None:
        time = time.replace(tzinfo=IST)
    return round(time.timestamp() * 1000)


def _number(value: Any) -> float:
    return float(value) if value not in (None, "") else 0.0


def _whole(value: Any) -> int:
    try:
        return int(value or 0)
    except ValueError:
        return int(float(value))


def _bar(row: Row) -> Iterator[Event]:
    """Open, the two extremes and close, each with its share of the volume, within the minute."""
    start = _time_ms(row["timestamp"])
    first, high, low, last = (float(row[name]) for name in ("open", "high", "low", "close"))
    extremes = (low, high) if last >= first else (high, low)
    volume = _whole(row["volume"])
    share = volume // 4
    for place, price in enumerate((first, *extremes, last)):
        quantity = share if place < 3 else volume - 3 * share
        yield Event(start + place * _QUARTER_MS, row["symbol"], price, quantity)


def _last_price(row: Row) -> Iterator[Event]:
    yield Event(_time_ms(row["recv_time"]), row["tradingsymbol"], float(row["ltp"]))


def _tick(row: Row) -> Iterator[Tick]:
    yield Tick(
        time_ms=_time_ms(row["recv_time"]),
        name=row["symbol"],
        price=_number(row["ltp"]),
        quantity=_whole(row["ltq"]),
        traded_ms=_whole(row["ltt_ms"]),
        previous_close=_number(row["prev_close"]),
        volume=_whole(row["vtt"]),
        open_interest=_whole(row["oi"]),
        average_price=_number(row["atp"]),
        buy_quantity=_whole(row["tbq"]),
        sell_quantity=_whole(row["tsq"]),
        book=FixedBook(
            *(_side(row, f"{side}{{}}_p", f"{side}{{}}_q", "", 5) for side in ("bid", "ask")),
        ),
    )


def _exported(row: Row) -> Iterator[Tick]:
    """A row of `export`, or a line of NDJSON: a tick as clients get it."""
    received = _time_ms(row.get("receivedAt") or row["timestamp"])
    exchange = row.get("timestampSource", "exchange") == "exchange"
    rungs = 30 if "depth.buy.6.price" in row or "depth.sell.6.price" in row else 5
    greeks = [row.get(f"greeks.{name}") for name in _GREEKS]
    iv = row.get("iv")
    yield Tick(
        time_ms=received,
        name=str(row["instrumentToken"]),
        price=_number(row.get("lastTradedPrice")),
        quantity=_whole(row.get("lastQuantity")),
        traded_ms=_time_ms(row.get("lastTradeTime")),
        previous_close=_number(row.get("ohlc.close")),
        volume=_whole(row.get("volume")),
        open_interest=_whole(row.get("openInterest")),
        average_price=_number(row.get("averagePrice")),
        buy_quantity=_whole(row.get("buyQuantity")),
        sell_quantity=_whole(row.get("sellQuantity")),
        book=FixedBook(
            *(
                _side(row, f"{side}.{{}}.price", f"{side}.{{}}.quantity", f"{side}.{{}}.orders", rungs)
                for side in ("depth.buy", "depth.sell")
            )
        ),
        exchange_ms=_time_ms(row["timestamp"]) if exchange else 0,
        open=_number(row.get("ohlc.open")),
        high=_number(row.get("ohlc.high")),
        low=_number(row.get("ohlc.low")),
        open_interest_high=_whole(row.get("openInterestHigh")),
        open_interest_low=_whole(row.get("openInterestLow")),
        greeks=Greeks(*map(_number, greeks)) if any(greeks) else None,
        iv=float(iv) if iv not in (None, "") else None,
        epoch=_whole(row.get("epoch")),
        seq=_whole(row.get("seq")),
    )


def _side(row: Row, price: str, quantity: str, orders: str, rungs: int) -> tuple[Level, ...]:
    levels = []
    for rung in range(1, rungs + 1):
        count = row.get(quantity.format(rung))
        if count not in (None, "") and (pieces := _whole(count)):
            said = row.get(orders.format(rung)) if orders else None
            levels.append(Level(_number(row.get(price.format(rung))), pieces, _whole(said) or 1))
    return tuple(levels)
