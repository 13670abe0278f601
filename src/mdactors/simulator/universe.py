"""The listings of the made-up market: well-known names, their indices, some derivatives."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from importlib.resources import files

import msgspec

from mdactors.market.instrument import InstrumentRow
from mdactors.simulator.derivatives import ASSETS, chain, commodities

_INDEX_COLUMNS = ("NIFTY 50", "NIFTY BANK", "NIFTY IT", "SENSEX")
_UNDERLYINGS = frozenset(asset.symbol for asset in ASSETS)
"""The shares among them have a closing auction."""
_SYNTHETIC_TOKEN = 900_001  # above every exchange token that the NSE uses for shares


class Listed(msgspec.Struct, frozen=True):
    """An instrument, the price it last closed at and what it trades on a mean day."""

    instrument: InstrumentRow
    price: float
    volume: int
    weights: dict[str, float] = {}
    """Its weight in each index that it belongs to."""


class Universe(msgspec.Struct, frozen=True):
    """Everything listed on one day."""

    listed: tuple[Listed, ...]

    @classmethod
    def built_in(cls, on: dt.date) -> Universe:
        """Indices, some hundred shares, twins on the BSE, and futures and options alive on this day."""
        cash = tuple(_read())
        prices = {item.instrument.symbol: item.price for item in cash if item.instrument.exchange == "NSE"}
        derived = (Listed(instrument, 0.0, volume) for instrument, volume in chain(on, prices))
        goods = (Listed(future, price, volume) for future, price, volume in commodities(on))
        return cls((*cash, *derived, *goods))

    @classmethod
    def of_size(cls, count: int, on: dt.date) -> Universe:
        """The built-in one, filled up with made-up shares to ``count`` instruments."""
        known = cls.built_in(on).listed
        return cls((*known, *(_synthetic(number) for number in range(count - len(known)))))


def _read() -> Iterator[Listed]:
    text = files("mdactors.simulator").joinpath("universe.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(io.StringIO(text)):
        weights = {index: float(row[index]) for index in _INDEX_COLUMNS if row[index]}
        yield Listed(_instrument(row), float(row["price"]), int(row["volume"]), weights)


def _instrument(row: dict[str, str]) -> InstrumentRow:
    index = row["type"] == "INDEX"
    segment = f"{row['exchange']}_{'INDEX' if index else 'EQ'}"
    series = "" if index else "EQ" if row["exchange"] == "NSE" else "A"
    return InstrumentRow(
        token=int(row["token"]),
        symbol=row["symbol"],
        exchange=row["exchange"],
        segment=segment,
        type="INDEX" if index else "STOCK",
        key=f"{segment}|{row['isin'] or row['name']}",
        name=row["name"],
        isin=row["isin"],
        series=series,
        etf=row["isin"].startswith("INF"),
        tick_size=float(row["tick_size"]),
        cas_eligible=not index and row["symbol"] in _UNDERLYINGS,
    )


def _synthetic(number: int) -> Listed:
    isin = f"INE9{number:05d}010"
    instrument = InstrumentRow(
        token=(_SYNTHETIC_TOKEN + number) << 8 | 1,
        symbol=f"SIM{number:04d}",
        exchange="NSE",
        segment="NSE_EQ",
        type="STOCK",
        key=f"NSE_EQ|{isin}",
        name=f"Simulated Company {number} Ltd.",
        isin=isin,
        series="EQ",
        tick_size=0.05,
    )
    return Listed(instrument, 100.0 + number * 37 % 900, 1_000_000 + number * 7_919 % 4_000_000)
