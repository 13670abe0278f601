"""Upstox's instrument file read into our identities: Kite's numbers and trading symbols."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from mdactors.adapter import Listing
from mdactors.market import indices
from mdactors.market.instrument import InstrumentRow

_IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
_SEGMENTS = {
    "NSE_EQ": 1, "NSE_FO": 2, "NCD_FO": 3, "BSE_EQ": 4, "BSE_FO": 5, "BCD_FO": 6, "MCX_FO": 7, "NSE_COM": 12,
}  # fmt: skip
"""The low byte of an instrument's token, Kite's code of the segment."""
_INDEX = 9
_ELSEWHERE = 1 << 30
"""Set in the token of an index that Kite does not list where Kite's number would be another index."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKLY_MONTHS = "123456789OND"
FLAGS: Mapping[str, Mapping[str, bool]] = {
    "MTF": {"mtf": True},
    "NSE_MIS": {"mis": True},
    "BSE_MIS": {"mis": True},
}
"""The further lists, and what is true of all that is on them."""
_NO_FLAGS: Mapping[str, bool] = MappingProxyType({})


class Row(msgspec.Struct):
    """One object of the file, as far as it matters here; absent fields are left out there."""

    segment: str
    exchange: str
    instrument_key: str
    instrument_type: str
    exchange_token: str
    trading_symbol: str
    name: str = ""
    isin: str = ""
    lot_size: int = 1
    tick_size: float = 0.0
    """In paise."""
    expiry: int = 0
    """The last millisecond of the day, in India."""
    strike_price: float = 0.0
    weekly: bool = False
    underlying_symbol: str = ""
    mtf_enabled: bool = False
    cas_eligible: bool = False


def listing(row: Row, flags: Mapping[str, bool] = _NO_FLAGS) -> Listing | None:
    """The row as ours; None for what we have no word for (foreign indices, spot commodities).

    Args:
        row: of any segment.
        flags: fields that the list says of all its rows.

    Raises:
        ValueError: a number or date cannot be read.
    """
    if row.segment in ("NSE_INDEX", "BSE_INDEX"):
        instrument = _index(row)
    elif row.segment in ("NSE_EQ", "BSE_EQ"):
        instrument = _share(row, flags)
    elif row.segment in _SEGMENTS and row.instrument_type in ("FUT", "CE", "PE"):
        instrument = _derivative(row)
    else:
        return None
    return Listing(instrument, row.instrument_key)


def _index(row: Row) -> InstrumentRow:
    known = indices.by_key(row.instrument_key)
    if known is not None:
        token, symbol = known.token, known.symbol
    else:
        token, symbol = int(row.exchange_token) << 8 | _INDEX, row.trading_symbol
        if indices.by_token(token) is not None:
            token |= _ELSEWHERE
    return InstrumentRow(
        token=token,
        symbol=symbol,
        exchange=row.exchange,
        segment=row.segment,
        type="INDEX",
        key=row.instrument_key,
        name=row.name,
    )


def _share(row: Row, flags: Mapping[str, bool]) -> InstrumentRow:
    """Kite writes the series behind an NSE symbol, but for EQ; the BSE's symbols stay plain."""
    series = row.instrument_type
    symbol = row.trading_symbol
    if row.segment == "NSE_EQ" and series != "EQ":
        symbol = f"{symbol}-{series}"
    return InstrumentRow(
        **{**_common(row, symbol), "mtf": row.mtf_enabled, "cas_eligible": row.cas_eligible, **flags},
        type="STOCK",
        isin=row.isin,
        series=series,
    )


def _derivative(row: Row) -> InstrumentRow:
    if not row.expiry:
        raise ValueError("a contract without an expiry")
    underlying = row.underlying_symbol or row.name
    expiry = dt.datetime.fromtimestamp(row.expiry / 1000, _IST).date()
    kind = row.instrument_type
    terms = "FUT" if kind == "FUT" else f"{row.strike_price:.10g}{kind}"
    return InstrumentRow(
        **_common(row, f"{underlying}{_expiry_code(expiry, row.weekly)}{terms}"),
        type="FUTURE" if kind == "FUT" else "OPTION",
        expiry=expiry.isoformat(),
        strike=row.strike_price,
        option_type="" if kind == "FUT" else kind,  # type: ignore[arg-type] # CE or PE by now
        underlying=underlying,
    )


def _expiry_code(expiry: dt.date, weekly: bool) -> str:
    """``26OCT`` for a month's contract; a week's names the day: ``26O06``."""
    if weekly:
        return f"{expiry:%y}{_WEEKLY_MONTHS[expiry.month - 1]}{expiry:%d}"
    return f"{expiry:%y}{_MONTHS[expiry.month - 1]}"


def _common(row: Row, symbol: str) -> dict[str, Any]:
    return {
        "token": int(row.exchange_token) << 8 | _SEGMENTS[row.segment],
        "symbol": symbol,
        "exchange": row.exchange,
        "segment": row.segment,
        "key": row.instrument_key,
        "name": row.name,
        "lot_size": row.lot_size or 1,
        "tick_size": row.tick_size / 100 or 0.05,
    }
