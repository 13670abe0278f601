"""Both brokers' lists of instruments: recorded ones where there are any, else made-up ones of their size."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mdactors.market.indices import all_indices

ROWS = 120_000
SHARES = 9_000
UNDERLYINGS = 200
EXPIRIES = ("2099-08-25", "2099-09-29", "2099-10-27")
FILES = "MDACTORS_INSTRUMENT_FILES"
"""Upstox's list and Kite's, with a colon between them; empty: made-up ones."""
_RECORDED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Beside the checkout, as for the tests."""
_WORDS = ("Steel", "Bank", "Pharma", "Motors", "Power", "Textiles", "Finance", "Cement", "Foods", "Infra")


def lists() -> tuple[bytes, bytes, bool]:
    """Upstox's list as packed JSON, Kite's as CSV, and whether they are made up."""
    if paths := _paths():
        upstox, kite = (path.read_bytes() for path in paths)
        return upstox, kite, False
    rows = list(_rows())
    return gzip.compress(msgspec.json.encode([_upstox(row) for row in rows]), 1), _kite(rows), True


def _paths() -> list[Path]:
    named = os.environ.get(FILES)
    if named is not None:
        return [Path(path) for path in named.split(":") if path]
    names = ("upstox_complete_*.json.gz", "kite_instruments.csv.gz")
    found = [sorted(_RECORDED.glob(name)) for name in names]
    return [paths[-1] for paths in found] if all(found) else []


def contracts(first: int, count: int = ROWS) -> bytes:
    """Rows of Kite's list: this many made-up options from the ``first`` on."""
    return _kite([_option(number) for number in range(first, first + count)]).partition(b"\n")[2]


def _rows() -> Iterator[dict[str, Any]]:
    known = [index for index in all_indices() if index.key]
    for index in known:
        yield {
            "kind": "INDEX",
            "token": index.token,
            "symbol": index.symbol,
            "exchange": index.exchange,
            "key": index.key,
        }
    for number in range(SHARES):
        for exchange, code in (("NSE", 1), ("BSE", 4)):
            yield {
                "kind": "EQ", "token": (10_000 + number + 500_000 * (code == 4)) << 8 | code,
                "symbol": _symbol(number), "exchange": exchange, "isin": f"INE{number:06d}01{number % 10}",
            }  # fmt: skip
    yield from map(_option, range(ROWS - len(known) - 2 * SHARES))


def _option(number: int) -> dict[str, Any]:
    # Of every letter, as shares are.
    share, place = number % UNDERLYINGS * (SHARES // UNDERLYINGS), number // UNDERLYINGS
    return {
        "kind": ("CE", "PE")[place % 2], "token": (100_000 + number) << 8 | 2, "symbol": _symbol(share),
        "exchange": "NSE", "strike": 100.0 + 10 * (place // 6), "expiry": EXPIRIES[place // 2 % 3],
    }  # fmt: skip


def _symbol(number: int) -> str:
    """Five letters and a number: other letters for each hundred."""
    letters = "".join(chr(65 + number // 100 * prime % 26) for prime in (1, 3, 7, 11, 17))
    return f"{letters}{number % 100:02d}"


def _name(row: dict[str, Any]) -> str:
    number = row["token"] >> 8
    return f"{row['symbol'].title()} {_WORDS[number % 10]} {_WORDS[number // 10 % 10]} Limited"


def _upstox(row: dict[str, Any]) -> dict[str, Any]:
    number, exchange, symbol = row["token"] >> 8, row["exchange"], row["symbol"]
    common = {
        "exchange": exchange,
        "exchange_token": str(number),
        "trading_symbol": symbol,
        "name": _name(row),
    }
    if row["kind"] == "INDEX":
        return {
            **common,
            "segment": f"{exchange}_INDEX",
            "instrument_type": "INDEX",
            "instrument_key": row["key"],
        }
    traded = {"lot_size": 1, "tick_size": 5.0, "freeze_quantity": 100000.0, "qty_multiplier": 1.0}
    if row["kind"] == "EQ":
        segment = f"{exchange}_EQ"
        return {
            **common, **traded, "segment": segment, "instrument_key": f"{segment}|{row['isin']}",
            "isin": row["isin"], "instrument_type": "EQ" if exchange == "NSE" else "A",
            "mtf_enabled": True, "mtf_bracket": 37.69, "security_type": "NORMAL",
        }  # fmt: skip
    expiry = dt.datetime.fromisoformat(f"{row['expiry']}T23:59:59+05:30")
    return {
        **common, **traded, "segment": "NSE_FO", "instrument_type": row["kind"],
        "instrument_key": f"NSE_FO|{number}",
        "trading_symbol": f"{symbol} {row['strike']:.10g} {row['kind']} {expiry:%d %b %y}".upper(),
        "expiry": int(expiry.timestamp() * 1000), "strike_price": row["strike"], "weekly": False,
        "minimum_lot": 1, "underlying_symbol": symbol, "underlying_type": "EQUITY", "asset_type": "EQUITY",
        "asset_symbol": symbol, "asset_key": f"NSE_EQ|{symbol}", "underlying_key": f"NSE_EQ|{symbol}",
    }  # fmt: skip


def _kite(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        (
            "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike",
            "tick_size", "lot_size", "instrument_type", "segment", "exchange",
        )
    )  # fmt: skip
    for row in rows:
        token, symbol, kind, exchange = row["token"], row["symbol"], row["kind"], row["exchange"]
        if kind == "INDEX":
            writer.writerow((token, token >> 8, symbol, symbol, 0, "", 0, 0, 0, "EQ", "INDICES", exchange))
        elif kind == "EQ":
            writer.writerow(
                (token, token >> 8, symbol, _name(row), 0, "", 0, 0.05, 1, kind, exchange, exchange)
            )
        else:
            month = dt.date.fromisoformat(row["expiry"])
            named = f"{symbol}{month:%y%b}{row['strike']:.10g}{kind}".upper()
            terms = (row["expiry"], row["strike"], 0.05, 1, kind, "NFO-OPT", "NFO")
            writer.writerow((token, token >> 8, named, symbol, 0, *terms))
    return text.getvalue().encode()
