"""The outside contract: what clients ask, what they are answered and told, and why they are closed."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal

import msgspec

from mdactors.market import ist
from mdactors.market.auctions import InAuction
from mdactors.market.candle import Bar
from mdactors.market.instrument import InstrumentType
from mdactors.market.market_status import SegmentStatus
from mdactors.market.movers import By, Mover
from mdactors.market.option_chain import OptionChain
from mdactors.market.quote import Mode
from mdactors.market.sector_board import SectorStanding

PROTOCOL = 1
"""Said in `welcome`; grows when a client written for the one before would break."""
HEARTBEAT = "heartbeat"
"""The conflation key of heartbeats: only the newest waits."""
NS_PER_MS = 1_000_000

_FIELD = re.compile(r"`\$\.(\w+)")
_MEDIUM, _LONG = struct.Struct(">BBH"), struct.Struct(">BBQ")
_encode = msgspec.json.Encoder().encode

# --- What clients ask ---------------------------------------------------------------------------------


Listed = Annotated[list[str], msgspec.Meta(min_length=1)]
"""Who names nothing has made a mistake."""


class Request(msgspec.Struct, frozen=True):
    """One request of a client; fields that are not known are ignored."""

    action: Literal["SUBSCRIBE", "UNSUBSCRIBE"]
    type: InstrumentType | None = None
    symbols: Listed | None = None
    mode: Mode = "quote"
    id: Any = None
    """Any JSON; echoed."""
    keys: Listed | None = None
    sector: str | None = None
    underlying: str | None = None
    expiry: str | None = None
    """ISO date, of ``underlying``; the nearest where there is none."""
    strikes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """How many of ``underlying`` on each side of the one at the money; all where there is none."""
    channels: Listed | None = None

    def refusal(self, code: ErrorCode, message: str, field: str = "") -> BadRequest:
        """What to raise where this request cannot be served."""
        return BadRequest(code, message, field, self.id)


EXPECTED = {
    "action": "SUBSCRIBE or UNSUBSCRIBE",
    "type": "INDEX, STOCK, FUTURE or OPTION",
    "symbols": "a list of names, of one at least",
    "mode": "ltp, quote, full or depth30",
    "keys": "a list of instrument keys, of one at least",
    "sector": "the code, name or industry of a sector, as text",
    "underlying": "the name of an underlying, as text",
    "expiry": "a date, as 2026-11-24",
    "strikes": "a whole number from 0 on",
    "channels": "a list of channels, of one at least",
}
"""What a request's field must be, for a person."""


class ErrorCode(StrEnum):
    """Why a request was refused as a whole; it changed nothing."""

    INVALID_JSON = "invalid_json"
    INVALID_FIELD = "invalid_field"
    WRONG_PATH = "wrong_path"
    TOO_LARGE = "too_large"
    TOO_MANY_SYMBOLS = "too_many_symbols"
    NOT_READY = "not_ready"


class BadRequest(Exception):
    """A request that cannot be understood or served; ``field`` names the culprit where there is one."""

    def __init__(self, code: ErrorCode, message: str, field: str = "", request_id: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.request_id = request_id


def parse_request(data: bytes | str) -> Request:
    """Read a client's message.

    Raises:
        BadRequest: it is not a JSON object, or a field is missing or wrong.
    """
    data = data.removeprefix("\ufeff") if isinstance(data, str) else data.removeprefix(codecs.BOM_UTF8)
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest(ErrorCode.INVALID_JSON, "a request is one JSON object, this is not JSON") from None
    if not isinstance(raw, dict):
        raise BadRequest(ErrorCode.INVALID_JSON, "a request is one JSON object, this is another value")
    if raw.get("mode") is None:
        raw.pop("mode", None)
    if raw.get("action") == "UNSUBSCRIBE" and isinstance(symbols := raw.get("symbols"), list):
        # As `subscribed` said the tokens.
        raw["symbols"] = [str(each) if type(each) is int else each for each in symbols]
    try:
        return msgspec.convert(raw, Request)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        field = found[1] if found else "action"  # the only one that must be there
        message = f"{field} must be {EXPECTED[field]}"
        raise BadRequest(ErrorCode.INVALID_FIELD, message, field, raw.get("id")) from None


# --- What they are answered ---------------------------------------------------------------------------


def error_answer(error: BadRequest) -> bytes:
    """The answer to a request that was refused as a whole."""
    answer: dict[str, Any] = {"event": "error", "code": error.code, "message": error.message}
    if error.field:
        answer["field"] = error.field
    if error.request_id is not None:
        answer["id"] = error.request_id
    return _encode(answer)


# --- What they are told unasked -----------------------------------------------------------------------


def _time(at_ns: int) -> str:
    return ist.iso(at_ns // NS_PER_MS)


def welcome_event(
    epoch: int,
    at_ns: int,
    sources: Sequence[Mapping[str, Any]],
    streams: Mapping[str, Mapping[str, int]] | None = None,
) -> bytes:
    """The first thing that a session with events hears; ``streams`` as in `messages.RouteSet`."""
    event = {
        "event": "welcome",
        "protocol": PROTOCOL,
        "epoch": epoch,
        "time": _time(at_ns),
        "sources": sources,
    }
    return _encode(event | ({"streams": streams} if streams else {}))


def heartbeat_event(at_ns: int) -> bytes:
    """The server lives."""
    return _encode({"event": "heartbeat", "time": _time(at_ns)})


def status_event(source: str, status: str, detail: str = "") -> bytes:
    """A broker's feed is now live, quiet, stale, needs_login, delayed or closed."""
    event = {"event": "status", "source": source, "status": status}
    return _encode(event | ({"detail": detail} if detail else {}))


def gap_event(source: str, connection: str, from_ns: int, to_ns: int) -> bytes:
    """A connection was away between two times: updates of then are missing."""
    times = {"from": _time(from_ns), "to": _time(to_ns)}
    return _encode({"event": "gap", "source": source, "connection": connection, **times})


def alarm_event(alarm_id: str, text: str, *, active: bool, since: str = "") -> bytes:
    """A condition that a person should know of is there since a time (ISO 8601, +05:30), or gone."""
    event = {"event": "alarm", "id": alarm_id, "text": text, "active": active}
    return _encode(event | ({"since": since} if since else {}))


def candle_event(bar: Bar) -> bytes:
    """A bar is finished, or was finished before and is now corrected."""
    instrument = bar.instrument
    event = {
        "event": "candle",
        "symbol": instrument.answered,
        "instrumentToken": instrument.token,
        "exchange": instrument.exchange,
        "interval": bar.interval,
        "time": ist.iso(bar.start),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "source": bar.source,
    }
    if bar.phase != "open":
        event["phase"] = bar.phase
    if bar.correction:
        event["correction"] = True
    return _encode(event)


def movers_event(by: By, rows: Sequence[Mover]) -> bytes:
    """A ranking as it is now."""
    return _encode({"event": "movers", "by": by, "rows": rows})


def sector_event(sector: SectorStanding) -> bytes:
    """A sector as it stands now."""
    return b'{"event":"sector",' + _encode(sector)[1:]


def chain_event(chain: OptionChain) -> bytes:
    """An option chain as it is now."""
    return b'{"event":"chain",' + _encode(chain)[1:]


def auction_event(rows: Sequence[InAuction], symbol: str = "") -> bytes:
    """What is in an auction now, of all that streams or of one instrument."""
    event = {"event": "auction", "rows": rows}
    return _encode(event | ({"symbol": symbol} if symbol else {}))


def market_status_event(segments: Sequence[SegmentStatus]) -> bytes:
    """Where in its day each segment is now."""
    return _encode({"event": "market_status", "segments": segments})


# --- Why they are closed ------------------------------------------------------------------------------


class CloseCode(IntEnum):
    """The codes with which the server closes a websocket; ranges say what a client shall do then."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> CloseCode:
        """A code and what it means."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    TOO_BIG = 1009, "a message is far larger than a request may be"
    RESTART = 4000, "the server stops or restarts"
    STALLED = 4001, "the client took nothing for too long"
    OVERFLOW = 4002, "more answers and events wait for the client than the server keeps"
    FULL = 4003, "the server has as many sessions as it takes"

    @property
    def reconnect(self) -> bool:
        """Whether a client shall connect again, after a pause that grows."""
        return RECONNECT.start <= self < RECONNECT.stop


RECONNECT = range(4000, 4500)
"""Codes after which a client connects again; after all other codes from 4500 on it does not."""


# --- How it is put on the wire ------------------------------------------------------------------------


def frame_text(payload: bytes) -> bytes:
    """A finished text frame as a server sends it: the same bytes for every client."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    if size < 65_536:
        return _MEDIUM.pack(0x81, 126, size) + payload
    return _LONG.pack(0x81, 127, size) + payload


class Delivery(msgspec.Struct):
    """Frames for sessions, on their way from the hub's thread to the loop; the bytes are shared by all."""

    sessions: Sequence[str]
    keys: Sequence[int | str | None]
    """The conflation key of each frame: for a busy session only the newest of a key waits; None: all do."""
    frames: Sequence[bytes]
    """Finished websocket frames."""
    joined: bytes
    """All frames in one, made once."""
    refused: frozenset[int] = frozenset()
    """Instrument tokens that cannot be streamed: the sessions take them out of their interest."""
    version: int = 0
    """Of the interest of which they are refused: what a session has asked for since is not meant."""
    welcomes: bool = False
    """Whether it begins with the session's welcome, before which no event comes."""
