"""Kite's REST: the list of instruments, read into ours."""

from __future__ import annotations

import contextlib
import gzip
import math
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from mdactors import __version__
from mdactors.adapter import DayCandle, Listing, Secret, Unlisted, last_close, masked
from mdactors.errors import BrokerError, BrokerUnavailable
from mdactors.market.csv_table import Columns, lines_of
from mdactors.market.instrument import InstrumentRow
from mdactors_kite.refusal import refusal

if TYPE_CHECKING:
    from requests import Response

ROOT = "https://api.kite.trade"
"""Kite itself."""
MORE_COLUMNS = "X-More-Columns"
"""The header that asks what is not Kite for columns which Kite has not."""

_MARKETS = {
    "NSE": ("NSE", "NSE_EQ"),
    "BSE": ("BSE", "BSE_EQ"),
    "NFO": ("NSE", "NSE_FO"),
    "BFO": ("BSE", "BSE_FO"),
    "CDS": ("NSE", "NCD_FO"),
    "BCD": ("BSE", "BCD_FO"),
    "MCX": ("MCX", "MCX_FO"),
    "NCO": ("NSE", "NSE_COM"),
}
"""Kite's exchange -> ours and the segment of what is traded there."""

_COLUMNS = (
    "instrument_token", "tradingsymbol", "name", "expiry", "strike", "tick_size", "lot_size",
    "instrument_type", "segment", "exchange",
)  # fmt: skip
_NOTHING = frozenset({"", "null", "none", "nan"})
"""How programs write that there is no value."""
_WORLD = "GLOBAL_INDEX"
"""The segment of the indices of all other exchanges: GIFT NIFTY, and those of foreign ones."""


_LOOKS_BACK = timedelta(days=30)
_TIMEOUT = (3.0, 6.0)
"""Seconds to connect, and between two bytes."""


class _Candles(msgspec.Struct):
    candles: list[DayCandle]


class _Answer(msgspec.Struct):
    data: _Candles


_candles = msgspec.json.Decoder(_Answer).decode


def listings(data: bytes) -> Iterator[Listing | Unlisted]:
    """Read the dump as it is asked for; a row that cannot be read costs only itself, and is named.

    Raises:
        BrokerUnavailable: it is no dump of Kite's.
    """
    try:
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error):
        raise BrokerUnavailable("kite: the list of instruments is damaged") from None
    lines = lines_of(text.decode("utf-8-sig", "replace"))
    header = next(lines)
    try:
        columns = Columns(header, "name")
    except ValueError as error:
        raise BrokerUnavailable(f"kite: the list of instruments {error}") from None
    if missing := columns.missing(_COLUMNS):
        raise BrokerUnavailable(f"kite: the list of instruments has no column {min(missing)}")
    return _read(columns, (line for line in lines if line.strip(" ,;\t") and line != header))


def fetch(root: str, api_key: str, token: Secret) -> bytes:
    """Fetch the whole dump.

    Raises:
        LoginRequired: Kite itself wants a token, or another one.
        BrokerRefused: refused, by Kite or by a gateway; wait.
        BrokerUnavailable: the network or Kite's service is away.
    """
    # Here and not above: the import starts half of Twisted and takes a third of a second. Both it and
    # a new client switch warnings off for the whole process, which is undone behind them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from kiteconnect import KiteConnect
        from kiteconnect.exceptions import KiteException
        from requests import RequestException

        client = KiteConnect(api_key, access_token=token.reveal() or None, root=root)
    if not is_kite(root):
        client.reqsession.headers[MORE_COLUMNS] = "isin"
    answers: list[Response] = []
    client.reqsession.hooks["response"].append(lambda answer, **_: answers.append(answer))
    try:
        # The client's errors hide a page's status, or are its slips over what it did not expect: the
        # answer itself is looked at.
        with contextlib.suppress(KiteException, KeyError, TypeError, AttributeError):
            # Not `instruments()`: it fails as a whole on one odd row, and takes five seconds to parse dates.
            client._get("market.instruments.all")
    except (RequestException, ValueError) as error:
        raise BrokerUnavailable(f"kite: cannot fetch the instruments: {type(error).__name__}") from None
    finally:
        client.reqsession.close()
    if answers and answers[-1].ok and "csv" in answers[-1].headers.get("Content-Type", ""):
        return answers[-1].content
    raise _error(answers, (api_key, token.reveal()))


def previous_close(root: str, api_key: str, token: Secret, instrument: int, day: date) -> float | None:
    """The close of the last session before a date, by the candles of a day; None where there is none.

    Raises:
        LoginRequired: Kite itself wants a token, or another one.
        BrokerRefused: refused, by Kite or by a gateway; wait.
        BrokerUnavailable: the network or Kite's service is away.
    """
    import requests  # not above: whoever only decodes does without

    url = f"{root.rstrip('/')}/instruments/historical/{instrument}/day"
    span = {"from": f"{day - _LOOKS_BACK} 00:00:00", "to": f"{day - timedelta(days=1)} 23:59:59"}
    headers = {"X-Kite-Version": "3", "User-Agent": f"mdactors/{__version__}"}

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {api_key}:{token.reveal()}"
        return request

    try:
        answer = requests.get(url, span, headers=headers, auth=sign, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise BrokerUnavailable(f"kite: cannot fetch candles: {type(error).__name__}") from None
    if not answer.ok:
        said = masked(answer.content, (api_key, token.reveal()))
        raise refusal("the request for candles", answer.status_code, said)
    try:
        rows = _candles(answer.content).data.candles
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BrokerUnavailable("kite: the answer to the request for candles makes no sense") from None
    return last_close(rows, day)


def is_kite(root: str) -> bool:
    """Whether this is Kite itself, and nothing that stands in for it."""
    return root.rstrip("/") == ROOT


def _error(answers: Sequence[Response], secrets: tuple[str, ...]) -> BrokerError:
    if not answers or answers[-1].ok:
        return BrokerUnavailable("kite: the answer to the instruments request makes no sense")
    body = masked(answers[-1].content, secrets)
    return refusal("the instruments request", answers[-1].status_code, body)


def _read(columns: Columns, lines: Iterable[str]) -> Iterator[Listing | Unlisted]:
    for line in lines:
        try:
            row = columns.row(line)
            instrument = _instrument(row)
        except (ValueError, ArithmeticError) as error:
            yield Unlisted(columns.field(line, "tradingsymbol"), columns.field(line, "exchange"), str(error))
            continue
        if instrument is None:
            yield Unlisted(row["tradingsymbol"], row["exchange"])
        else:
            yield Listing(instrument, instrument.token)


def _instrument(row: Mapping[str, str]) -> InstrumentRow | None:
    """A row as ours; None for what we have no word for (spot commodities, foreign contracts)."""
    if not row["exchange"].isalpha():
        raise ValueError(f"its exchange cannot be {row['exchange']!r}")
    index = row["segment"] == "INDICES"
    if row["exchange"] in _MARKETS:
        exchange, segment = _MARKETS[row["exchange"]]
        segment = f"{exchange}_INDEX" if index else segment
    elif index:
        exchange, segment = row["exchange"], _WORLD
    else:
        return None
    symbol, name, kind = row["tradingsymbol"], row["name"], row["instrument_type"]
    if not symbol:
        raise ValueError("it has no symbol")
    common: dict[str, Any] = {
        "token": _token(row["instrument_token"]),
        "symbol": symbol,
        "exchange": exchange,
        "segment": segment,
        "key": f"{segment}|{symbol}",
        "name": name,
        # In whole numbers on the wire, in floats where a file was saved through the client; 0 for an index.
        "lot_size": int(_number(row["lot_size"])) or 1,
        "tick_size": _number(row["tick_size"]) or 0.05,
    }
    if index:
        return InstrumentRow(type="INDEX", **common)
    if kind in ("FUT", "CE", "PE"):
        # Upstox's key of a derivative is the exchange's token, which is in Kite's, too.
        common["key"] = f"{segment}|{common['token'] >> 8}"
        return InstrumentRow(
            type="FUTURE" if kind == "FUT" else "OPTION",
            expiry=date.fromisoformat(row["expiry"][:10]).isoformat(),
            strike=_number(row["strike"]),
            option_type="" if kind == "FUT" else kind,  # type: ignore[arg-type] # CE or PE by now
            underlying=name,
            **common,
        )
    if segment in ("NSE_EQ", "BSE_EQ"):
        etf = "ETF" in name.split()  # Kite has no mark for one
        series = _series(segment, symbol, common["token"] >> 8)
        return InstrumentRow(type="STOCK", series=series, etf=etf, **_identified(common, row.get("isin", "")))
    return None


def _identified(common: dict[str, Any], isin: str) -> dict[str, Any]:
    """With the ISIN, which Kite itself does not list, where somebody has added a column of it."""
    if isin.lower() in _NOTHING:
        return common
    return {**common, "isin": isin, "key": f"{common['segment']}|{isin}"}


def _number(text: str) -> float:
    """A number as it may be written; 0 where there is none."""
    number = 0.0 if text.lower() in _NOTHING else float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number


def _token(text: str) -> int:
    number = int(text) if text.isdecimal() else _number(text)
    if number <= 0 or number != int(number):
        raise ValueError(f"its token cannot be {text!r}")
    return int(number)


def _series(segment: str, symbol: str, number: int) -> str:
    """NSE's two letters behind the dash (BE, SM, GS …), EQ is never written; of the BSE Kite says none.

    But the BSE numbers what is traded like a share from 500000 (partly paid ones from 890000), and bonds
    otherwise.
    """
    if segment != "NSE_EQ":
        return "" if number // 100_000 == 5 or number // 10_000 == 89 else "F"
    stem, dash, suffix = symbol.rpartition("-")
    return suffix if dash and stem and len(suffix) == 2 else "EQ"
