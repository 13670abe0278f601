"""Upstox's REST as far as streaming needs it: the way to a socket, and the list of instruments."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import requests

from mdactors import __version__
from mdactors.adapter import DayCandle, Download, Listing, Secret, Unlisted, last_close, masked, readable
from mdactors.errors import BrokerError, BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors_upstox import identity

USER_AGENT = f"mdactors/{__version__}"
"""Upstox's gateway refuses a client that names none, before it looks at the token."""

_NO_TOKEN = Secret()
_AUTHORIZE = "/v3/feed/market-data-feed/authorize"
_TIMEOUT = (3.0, 6.0)
"""Seconds to connect, and between two bytes."""
_TOKEN_TROUBLE = {"UDAPI100050", "UDAPI100016", "UDAPI100067", "UDAPI100073"}
"""Invalid or expired, bad credentials, not meant for this, app inactive."""
SECONDS_AFTER_TOO_MANY = 30.0


class _Trouble(msgspec.Struct):
    error_code: str | None = None
    errorCode: str | None = None  # noqa: N815 - the old spelling, still sent beside the new one
    message: str | None = None

    @property
    def code(self) -> str:
        """Upstox's code, in whichever spelling it came."""
        return self.error_code or self.errorCode or ""


class _Envelope(msgspec.Struct):
    """What every answer of Upstox's own is wrapped in; the gateway before it does not know of it."""

    status: str
    data: Any = None
    errors: list[_Trouble] | None = None


class _Candles(msgspec.Struct):
    candles: list[DayCandle]


class _Answer(msgspec.Struct):
    data: _Candles


_candles = msgspec.json.Decoder(_Answer).decode
_LOOKS_BACK = timedelta(days=30)
_read_envelope = msgspec.json.Decoder(_Envelope).decode
_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_row = msgspec.json.Decoder(identity.Row).decode
_any = msgspec.json.Decoder().decode


def authorize(rest_url: str, token: Secret) -> Secret:
    """Ask for the address of one websocket; it holds a code that works once.

    Raises:
        LoginRequired: Upstox refuses the token.
        BrokerRefused: refused for another reason; wait.
        BrokerUnavailable: the network or Upstox's service is away.
    """
    body = _get(rest_url.rstrip("/") + _AUTHORIZE, "the feed's address", token).content
    envelope = _envelope(body)
    data = envelope.data if envelope is not None and isinstance(envelope.data, dict) else {}
    # The documents spell it in snake case, the official client reads the other spelling.
    url = data.get("authorized_redirect_uri") or data.get("authorizedRedirectUri")
    if not isinstance(url, str) or not url.startswith(("wss://", "ws://")):
        raise BrokerUnavailable("upstox: the answer to the authorize request names no websocket")
    return Secret(url)


def fetch(url: str, before: Download | None) -> Download | None:
    """Fetch a whole list of instruments; None where it is still as before.

    Raises:
        BrokerRefused: refused; wait.
        BrokerUnavailable: the network or Upstox's service is away.
    """
    known = before or Download(b"")
    said = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    reply = _get(url, "the instruments", headers={name: value for name, value in said.items() if value})
    if before is not None and reply.status_code == requests.codes.not_modified:
        return None
    return Download(reply.content, reply.headers.get("ETag", ""), reply.headers.get("Last-Modified", ""))


def previous_close(rest_url: str, token: Secret, key: str, day: date) -> float | None:
    """The close of the last session before a date, by the candles of a day; None where there is none.

    Raises:
        LoginRequired: Upstox refuses the token.
        BrokerRefused: refused for another reason; wait.
        BrokerUnavailable: the network or Upstox's service is away.
    """
    span = f"{day - timedelta(days=1)}/{day - _LOOKS_BACK}"
    url = f"{rest_url.rstrip('/')}/v3/historical-candle/{quote(key, safe='')}/days/1/{span}"
    body = _get(url, "candles", token).content
    try:
        rows = _candles(body).data.candles
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BrokerUnavailable("upstox: the answer to the request for candles makes no sense") from None
    return last_close(rows, day)


def listings(data: bytes, flags: Mapping[str, bool]) -> Iterator[Listing | Unlisted]:
    """Read a list as it is asked for; a row that cannot be read costs only itself, and is named.

    Args:
        data: JSON, may be packed.
        flags: fields that are true of every row, since it is on this list.

    Raises:
        BrokerUnavailable: it is no list.
    """
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        rows = _rows(data.removeprefix(codecs.BOM_UTF8))
    except (OSError, EOFError, zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        raise BrokerUnavailable("upstox: the list of instruments is damaged") from None
    return _read(rows, flags)


def _read(rows: list[msgspec.Raw], flags: Mapping[str, bool]) -> Iterator[Listing | Unlisted]:
    for raw in rows:
        row = None
        try:
            row = _well_typed(raw)
            listing = identity.listing(row, flags)
        except (msgspec.DecodeError, ValueError, OverflowError, OSError) as error:
            yield _unread(raw, row, str(error))
            continue
        yield listing if listing is not None else Unlisted(row.trading_symbol, row.exchange)


def _well_typed(raw: msgspec.Raw) -> identity.Row:
    try:
        return _row(raw)
    except msgspec.ValidationError:  # rare, and slower by far
        return identity.mended(_any(raw))


def _unread(raw: msgspec.Raw, row: identity.Row | None, reason: str) -> Unlisted:
    if row is not None:
        return Unlisted(row.trading_symbol, row.exchange, reason)
    try:
        fields = _any(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = None
    told = fields if isinstance(fields, dict) else {}
    known = [str(told[name]) for name in ("trading_symbol", "instrument_key", "name") if told.get(name)]
    shown = known[0] if known else bytes(raw)[:40].decode("utf-8", "replace")
    return Unlisted(shown, str(told.get("exchange") or ""), reason)


def _get(
    url: str, what: str, token: Secret = _NO_TOKEN, headers: Mapping[str, str] = MappingProxyType({})
) -> requests.Response:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **headers}
    try:
        reply = requests.get(url, headers=headers, auth=_bearer(token) if token else None, timeout=_TIMEOUT)
    except requests.RequestException as error:
        # Its text holds the whole address; the host and its kind say enough.
        place = urlsplit(url).netloc.rpartition("@")[2]
        raise BrokerUnavailable(f"upstox: cannot fetch {what} from {place}: {type(error).__name__}") from None
    if reply.status_code not in (requests.codes.ok, requests.codes.not_modified):
        raise refusal(what, reply.status_code, reply.content, token)
    return reply


def _bearer(token: Secret) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Not a plain header: a .netrc in the home directory would replace that."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token.reveal()}"
        return request

    return sign


def refusal(what: str, status: int, body: bytes, token: Secret) -> BrokerError:
    """The error that an answer other than 200 stands for.

    Upstox's own errors are JSON with a code. Of them a 401 and the codes of `_TOKEN_TROUBLE` are about the
    login, the others say that it is something else. What has no code is its gateway's, which has not looked
    at the token: with 400, 401 or 403 the login is in doubt.
    """
    body = masked(body, [token.reveal()])
    trouble = _trouble(body)
    reason = readable(f"{trouble.code} {trouble.message or ''}".encode() if trouble else body)
    line = f"upstox: {what} refused ({status}{', ' if reason else ''}{reason})"
    if trouble and status < 500 and (status == 401 or trouble.code in _TOKEN_TROUBLE):
        return LoginRequired(f"{line}; log in again")
    if status == 429:
        return BrokerRefused(line, SECONDS_AFTER_TOO_MANY)
    if status >= 500:
        return BrokerUnavailable(line)
    if trouble is None and status in (400, 401, 403):
        line += " by the gateway in front of Upstox: the token was not looked at"
        return BrokerRefused(line, login_in_doubt=True)
    return BrokerRefused(line)


def _trouble(body: bytes) -> _Trouble | None:
    """Upstox's own first error; None where it is not Upstox who speaks."""
    envelope = _envelope(body)
    first = envelope.errors[0] if envelope is not None and envelope.errors else _Trouble()
    return first if first.code else None


def _envelope(body: bytes) -> _Envelope | None:
    try:
        return _read_envelope(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
