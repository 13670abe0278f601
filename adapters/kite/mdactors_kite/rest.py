"""Kite's REST: the list of instruments, read into ours."""

from __future__ import annotations

import contextlib
import csv
import gzip
import logging
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from mdactors.adapter import Listing, Secret, masked
from mdactors.errors import BrokerError, BrokerUnavailable
from mdactors.market.instrument import InstrumentRow
from mdactors_kite.refusal import refusal

if TYPE_CHECKING:
    from requests import Response

logger = logging.getLogger(__name__)

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

_COLUMNS = {
    "instrument_token", "tradingsymbol", "name", "expiry", "strike", "tick_size", "lot_size",
    "instrument_type", "segment", "exchange",
}  # fmt: skip


def listings(data: bytes) -> Iterator[Listing]:
    """Read the dump as it is asked for; a row that cannot be read costs only itself.

    Raises:
        BrokerUnavailable: it is no dump of Kite's.
    """
    try:
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error):
        raise BrokerUnavailable("kite: the list of instruments is damaged") from None
    lines = text.decode("utf-8-sig", "replace").splitlines()
    header = lines[0].split(",") if lines else []
    if missing := _COLUMNS - set(header):
        raise BrokerUnavailable(f"kite: the list of instruments has no column {sorted(missing)[0]}")
    return _read(header, lines[1:])


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


def _error(answers: Sequence[Response], secrets: tuple[str, ...]) -> BrokerError:
    if not answers or answers[-1].ok:
        return BrokerUnavailable("kite: the answer to the instruments request makes no sense")
    body = masked(answers[-1].content, secrets)
    return refusal("the instruments request", answers[-1].status_code, body)


def _read(header: Sequence[str], lines: Sequence[str]) -> Iterator[Listing]:
    unread = 0
    for line in lines:
        try:
            # Line by line, so that a quote left open does not swallow the rows behind it.
            fields = next(csv.reader((line,)))
            instrument = _instrument(dict(zip(header, fields, strict=True)))
        except (ValueError, ArithmeticError, csv.Error, StopIteration):
            unread += 1
            continue
        if instrument is not None:
            yield Listing(instrument, instrument.token)
    if unread:
        logger.warning("kite: %d rows of the list of instruments cannot be read and are left out", unread)


def _instrument(row: Mapping[str, str]) -> InstrumentRow | None:
    """A row as ours; None for what we have no word for (spot commodities, foreign indices)."""
    if row["exchange"] not in _MARKETS:
        return None
    exchange, segment = _MARKETS[row["exchange"]]
    if row["segment"] == "INDICES":
        segment = f"{exchange}_INDEX"
    symbol, name, kind = row["tradingsymbol"], row["name"], row["instrument_type"]
    common: dict[str, Any] = {
        "token": int(row["instrument_token"]),
        "symbol": symbol,
        "exchange": exchange,
        "segment": segment,
        "key": f"{segment}|{symbol}",
        "name": name,
        # In whole numbers on the wire, in floats where a file was saved through the client; 0 for an index.
        "lot_size": int(float(row["lot_size"])) or 1,
        "tick_size": float(row["tick_size"]) or 0.05,
    }
    if row["segment"] == "INDICES":
        return InstrumentRow(type="INDEX", **common)
    if kind in ("FUT", "CE", "PE"):
        # Upstox's key of a derivative is the exchange's token, which is in Kite's, too.
        common["key"] = f"{segment}|{common['token'] >> 8}"
        return InstrumentRow(
            type="FUTURE" if kind == "FUT" else "OPTION",
            expiry=date.fromisoformat(row["expiry"]).isoformat(),
            strike=float(row["strike"] or 0),
            option_type="" if kind == "FUT" else kind,  # type: ignore[arg-type] # CE or PE by now
            underlying=name,
            **common,
        )
    if segment in ("NSE_EQ", "BSE_EQ"):
        etf = "ETF" in name.split()  # Kite has no mark for one
        series = _series(segment, symbol, common["token"] >> 8)
        return InstrumentRow(type="STOCK", series=series, etf=etf, **common)
    return None


def _series(segment: str, symbol: str, number: int) -> str:
    """NSE's two letters behind the dash (BE, SM, GS …), EQ is never written; of the BSE Kite says none.

    But the BSE numbers what is traded like a share from 500000 (partly paid ones from 890000), and bonds
    otherwise.
    """
    if segment != "NSE_EQ":
        return "" if number // 100_000 == 5 or number // 10_000 == 89 else "F"
    stem, dash, suffix = symbol.rpartition("-")
    return suffix if dash and stem and len(suffix) == 2 else "EQ"
