"""Upstox's instrument file read into our identities: Kite's numbers and trading symbols."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from mdactors.adapter import Listing
from mdactors.market import indices
from mdactors.market.instrument import InstrumentRow

_IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
_SEGMENTS = {
    "NSE_EQ": 1, "NSE_FO": 2, "NCD_FO": 3, "BSE_EQ": 4, "BSE_FO": 5, "BCD_FO": 6, "MCX_FO": 7, "NSE_COM": 12,
}  # fmt: skip
"""The low byte of an instrument's token, Kite's code of the segment."""
_OWNERS = {"NCD": "NSE", "BCD": "BSE"}
"""The exchanges of the currencies' markets."""
_INDEX = 9
_NSES_FIRST = 26_000
"""NSE numbers its indices from here on, BSE from 1 on."""
_ELSEWHERE = 1 << 30
"""Set in the token of an index that Kite does not list where Kite's number would be another index."""
_ASTRAY = 1 << 31
"""Set in the token of an index with a number from the other exchange's range."""
_UNNUMBERED = 1 << 40
"""Set in the token of an index to which no Indian exchange has given a number: it goes by its key."""
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
    instrument_key: str
    exchange: str = ""
    instrument_type: str = ""
    exchange_token: str = ""
    trading_symbol: str = ""
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


_TYPES = get_type_hints(Row)
_NEEDED = frozenset(field.name for field in msgspec.structs.fields(Row) if field.required)


def mended(fields: object) -> Row:
    """A row whose values are of other types than they should be: 1.0 or "1" for 1, 2885 for "2885", null.

    Raises:
        ValueError: a value that is needed is missing, or is nothing of the kind.
    """
    if not isinstance(fields, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - of the list, which can be anything
    known = {name: fields[name] for name in _TYPES if fields.get(name) is not None}
    if missing := _NEEDED - known.keys():
        raise ValueError(f"it has no {min(missing)}")
    return Row(**{name: _mended(name, value, _TYPES[name]) for name, value in known.items()})


def _mended(name: str, value: Any, kind: Any) -> Any:
    if type(value) is float and value.is_integer():
        value = int(value)
    try:
        if kind is str:
            return msgspec.convert(str(value) if type(value) is int else value, str).strip()
        if isinstance(value, str):
            value = value.strip() or "0"
            value = value.lower() if kind is bool else float(value)
        if kind is int and isinstance(value, float):
            value = int(value) if value.is_integer() else value
        return msgspec.convert(value, kind, strict=False)
    except (ValueError, msgspec.ValidationError):
        raise ValueError(f"its {name} cannot be {str(value)[:40]!r}") from None


def listing(row: Row, flags: Mapping[str, bool] = _NO_FLAGS) -> Listing | None:
    """The row as ours; None for what we have no word for (spot commodities).

    Args:
        row: of any segment.
        flags: fields that the list says of all its rows.

    Raises:
        ValueError: a number or date cannot be read.
    """
    if not row.exchange:
        market = row.segment.partition("_")[0]
        row.exchange = _OWNERS.get(market, market)
    if row.segment.endswith(("_INDEX", "_INDICATOR")):
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
    return InstrumentRow(
        token=known.token if known is not None else _index_token(row),
        symbol=known.symbol if known is not None else _symbol(row),
        exchange=known.exchange if known is not None else row.exchange,
        segment=row.segment,
        type="INDEX",
        key=row.instrument_key,
        name=row.name,
    )


def _index_token(row: Row) -> int:
    """The token of an index that the table of indices does not know: another one for each key.

    Of BSE it is Kite's number. NSE's own numbers are not, but where Kite has none.
    """
    if row.exchange not in ("NSE", "BSE") or not row.exchange_token:
        return _UNNUMBERED | zlib.crc32(row.instrument_key.encode()) << 8 | _INDEX
    number = int(row.exchange_token)
    token = number << 8 | _INDEX
    if indices.by_token(token) is not None:
        token |= _ELSEWHERE
    return token | _ASTRAY if (number < _NSES_FIRST) is (row.exchange == "NSE") else token


def _share(row: Row, flags: Mapping[str, bool]) -> InstrumentRow:
    """Kite writes the series behind an NSE symbol, but for EQ; the BSE's symbols stay plain."""
    series = row.instrument_type
    symbol = _symbol(row)
    if row.segment == "NSE_EQ" and series != "EQ":
        symbol = f"{symbol}-{series}"
    return InstrumentRow(
        **{**_common(row, symbol), "mtf": row.mtf_enabled, "cas_eligible": row.cas_eligible, **flags},
        type="STOCK",
        isin=row.isin,
        series=series,
    )


def _symbol(row: Row) -> str:
    symbol = row.trading_symbol.strip()
    if not symbol:
        raise ValueError("it has no trading_symbol")
    return symbol


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
