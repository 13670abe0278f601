"""Futures and options: what is listed on a day, and how their trading symbols are read and written."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from mdactors.market.instrument import InstrumentRow

Side = Literal["", "CE", "PE"]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKLY_MONTHS = "123456789OND"
_TUESDAY = 1
_FIRST_TOKEN = 60_001
_FIRST_GOODS_TOKEN = 490_001
_SYMBOL = re.compile(
    r"(?P<underlying>[A-Z&-]+)(?P<year>\d\d)"
    r"(?:(?P<month>[A-Z]{3})|(?P<week>[1-9OND])(?P<day>\d\d))"
    r"(?:FUT|(?P<strike>[\d.]+)(?P<side>CE|PE))"
)
_SPOKEN = re.compile(
    r"(?P<underlying>\S+) (?P<strike>[\d.]+) (?P<side>CE|PE) "
    r"(?P<day>\d\d?) (?P<month>[A-Z]{3}) (?P<year>\d\d)"
)


class Asset(NamedTuple):
    """What derivatives are written on: its short name, its listing, and the contract's terms."""

    name: str
    symbol: str
    lot: int
    future_tick: float
    strike_step: float
    strikes: int
    """How many strikes on each side of the one at the money."""
    volume: int


ASSETS = (
    Asset("NIFTY", "NIFTY 50", 65, 0.1, 100, 3, 8_000_000),
    Asset("BANKNIFTY", "NIFTY BANK", 30, 0.2, 500, 2, 2_000_000),
    Asset("RELIANCE", "RELIANCE", 500, 0.1, 20, 2, 6_000_000),
)
GOODS = (
    (Asset("CARDAMOM", "", 100, 0.1, 0, 0, 30_000), 2640.0),
    (Asset("CRUDEOIL", "", 100, 1.0, 0, 0, 900_000), 5480.0),
)
"""Futures on what has no price of its own, and what they last closed at."""
_SPOT = {asset.name: asset.symbol for asset in ASSETS}


class Contract(NamedTuple):
    """The terms that a trading symbol names."""

    underlying: str
    expiry: dt.date
    strike: float
    side: Side


def spot_symbol(underlying: str) -> str:
    """The trading symbol of the share or index that an underlying's short name means."""
    return _SPOT.get(underlying, underlying)


def month_end(year: int, month: int) -> dt.date:
    """The last Tuesday of a month, on which its contracts expire."""
    last = dt.date(year, month, calendar.monthrange(year, month)[1])
    return last - dt.timedelta(days=(last.weekday() - _TUESDAY) % 7)


def parse(symbol: str) -> Contract | None:
    """The terms in ``NIFTY26NOV24400CE``, ``NIFTY25O1425000CE`` or ``BANKNIFTY 60000 CE 30 DEC 25``."""
    spoken = _SPOKEN.fullmatch(symbol)
    match = spoken or _SYMBOL.fullmatch(symbol)
    if match is None:
        return None
    parts = match.groupdict()
    year = 2000 + int(parts["year"])
    if parts["month"]:
        if parts["month"] not in _MONTHS:
            return None
        month = _MONTHS.index(parts["month"]) + 1
        expiry = dt.date(year, month, int(parts["day"])) if spoken else month_end(year, month)
    else:
        expiry = dt.date(year, _WEEKLY_MONTHS.index(parts["week"]) + 1, int(parts["day"]))
    side: Side = "CE" if parts["side"] == "CE" else "PE" if parts["side"] == "PE" else ""
    return Contract(parts["underlying"], expiry, float(parts["strike"] or 0), side)


def contract_symbol(contract: Contract) -> str:
    """The trading symbol of a contract that expires at its month's end."""
    kind = f"{contract.strike:g}{contract.side}" if contract.side else "FUT"
    return f"{contract.underlying}{contract.expiry:%y}{_MONTHS[contract.expiry.month - 1]}{kind}"


def chain(on: dt.date, prices: Mapping[str, float]) -> Iterator[tuple[InstrumentRow, int]]:
    """Each contract listed on a day and the volume of its mean day; ``prices`` of the spots by symbol."""
    expiries = _expiries(on)
    token = _FIRST_TOKEN
    for asset in ASSETS:
        for contract in _contracts(asset, expiries, prices[asset.symbol]):
            yield _listing(asset, contract, token), asset.volume
            token += 1


def commodities(on: dt.date) -> Iterator[tuple[InstrumentRow, float, int]]:
    """Each future on goods that is listed on a day, its last price and the volume of its mean day."""
    expiry = _expiries(on)[1]
    for place, (goods, price) in enumerate(GOODS):
        token = _FIRST_GOODS_TOKEN + place
        future = InstrumentRow(
            token=token << 8 | 7,
            symbol=contract_symbol(Contract(goods.name, expiry, 0.0, "")),
            exchange="MCX",
            segment="MCX_FO",
            type="FUTURE",
            key=f"MCX_FO|{token}",
            name=goods.name,
            lot_size=goods.lot,
            tick_size=goods.future_tick,
            expiry=expiry.isoformat(),
            underlying=goods.name,
        )
        yield future, price, goods.volume


def _expiries(on: dt.date) -> list[dt.date]:
    months = ((on.year + (on.month + ahead - 1) // 12, (on.month + ahead - 1) % 12 + 1) for ahead in range(4))
    return [day for day in (month_end(*month) for month in months) if day >= on][:2]


def _contracts(asset: Asset, expiries: list[dt.date], spot: float) -> Iterator[Contract]:
    for expiry in expiries:
        yield Contract(asset.name, expiry, 0.0, "")
    middle = round(spot / asset.strike_step)
    for away in range(-asset.strikes, asset.strikes + 1):
        strike = (middle + away) * asset.strike_step
        yield Contract(asset.name, expiries[0], strike, "CE")
        yield Contract(asset.name, expiries[0], strike, "PE")


def _listing(asset: Asset, contract: Contract, token: int) -> InstrumentRow:
    return InstrumentRow(
        token=token << 8 | 2,
        symbol=contract_symbol(contract),
        exchange="NSE",
        segment="NSE_FO",
        type="OPTION" if contract.side else "FUTURE",
        key=f"NSE_FO|{token}",
        name=asset.name,
        lot_size=asset.lot,
        tick_size=0.05 if contract.side else asset.future_tick,
        expiry=contract.expiry.isoformat(),
        strike=contract.strike,
        option_type=contract.side,
        underlying=asset.name,
    )
