"""Recorded market data as a flat list of events: minute bars, full ticks or last prices."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from mdactors.errors import SimulatorError
from mdactors.market.quote import Level
from mdactors.simulator.session import IST_MS
from mdactors.simulator.state import FixedBook

_Row = dict[str, str]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One recorded update: when, of what (by the file's own name for it), which price."""

    time_ms: int
    name: str
    price: float
    quantity: int = 0
    """Traded at this price, where only bars were recorded."""


class Tick(msgspec.Struct, frozen=True):
    """A recorded update with everything that the broker said; absent words are zero."""

    time_ms: int
    name: str
    price: float
    quantity: int
    traded_ms: int
    previous_close: float
    volume: int
    open_interest: int
    average_price: float
    buy_quantity: int
    sell_quantity: int
    book: FixedBook


def read_recording(path: Path) -> tuple[list[Event | Tick], dict[str, str]]:
    """The events of a CSV file in the order of time, and each name's token or key where the file has one.

    Raises:
        SimulatorError: the file is missing, damaged or of no known kind.
    """
    names: dict[str, str] = {}
    try:
        with _open(path) as text:
            rows = csv.DictReader(text)
            read = _reader(set(rows.fieldnames or ()), path)
            events: list[Event | Tick] = []
            for row in rows:
                name = row.get("symbol") or row["tradingsymbol"]
                names[name] = row.get("instrument_key") or row.get("instrument_token") or ""
                events.extend(read(row))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise SimulatorError(f"{path}: not a readable recording: {error}") from error
    if not events:
        raise SimulatorError(f"{path}: holds no rows")
    events.sort(key=lambda event: event.time_ms)
    return events, names


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _reader(columns: set[str], path: Path) -> Callable[[_Row], Iterator[Event | Tick]]:
    if columns >= {"symbol", "timestamp", "open", "high", "low", "close", "volume"}:
        return _bar
    if columns >= {"symbol", "recv_time", "ltt_ms", "ltp", "vtt"}:
        return _tick
    if columns >= {"recv_time", "tradingsymbol", "ltp"}:
        return _last_price
    raise SimulatorError(f"{path}: neither minute bars nor ticks, its columns are {sorted(columns)}")


def _time_ms(text: str) -> int:
    """Epoch milliseconds of an ISO time; without an offset it is Indian."""
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt.timezone(dt.timedelta(milliseconds=IST_MS)))
    return round(time.timestamp() * 1000)


def _bar(row: _Row) -> Iterator[Event]:
    """Open, the two extremes and close, each with its share of the volume, within the minute."""
    start = _time_ms(row["timestamp"])
    first, high, low, last = (float(row[name]) for name in ("open", "high", "low", "close"))
    extremes = (low, high) if last >= first else (high, low)
    volume = int(float(row["volume"]))
    share = volume // 4
    for place, price in enumerate((first, *extremes, last)):
        quantity = share if place < 3 else volume - 3 * share
        yield Event(start + place * 15_000, row["symbol"], price, quantity)


def _last_price(row: _Row) -> Iterator[Event]:
    yield Event(_time_ms(row["recv_time"]), row["tradingsymbol"], float(row["ltp"]))


def _tick(row: _Row) -> Iterator[Tick]:
    yield Tick(
        time_ms=_time_ms(row["recv_time"]),
        name=row["symbol"],
        price=_number(row["ltp"]),
        quantity=int(_number(row["ltq"])),
        traded_ms=int(_number(row["ltt_ms"])),
        previous_close=_number(row["prev_close"]),
        volume=int(_number(row["vtt"])),
        open_interest=int(_number(row["oi"])),
        average_price=_number(row["atp"]),
        buy_quantity=int(_number(row["tbq"])),
        sell_quantity=int(_number(row["tsq"])),
        book=FixedBook(_side(row, "bid"), _side(row, "ask")),
    )


def _number(text: str) -> float:
    return float(text) if text else 0.0


def _side(row: _Row, side: str) -> tuple[Level, ...]:
    rungs = (
        (_number(row[f"{side}{place}_p"]), int(_number(row[f"{side}{place}_q"]))) for place in range(1, 6)
    )
    return tuple(Level(price, quantity, 1) for price, quantity in rungs if quantity)
