"""The names of channels on `/ws/market`, and what they mean: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel
from mdactors.market.movers import BY
from mdactors.market.underlying import find_underlying
from mdactors.protocol import BadRequest, ErrorCode, Request

Channel = BarChannel | str
"""A channel of bars, or the name of a channel of views."""
INTERVALS = ("1s", "1m")
"""The widths of bars that are published; the others are computed when they are asked for."""
UNDERSTOOD = (
    "candles, candles:1s, candles:1m, and the last two with a symbol, as candles:1m:RELIANCE; "
    f"{', '.join(f'movers:{by}' for by in BY)}; sector:CODE; "
    "chain:UNDERLYING:EXPIRY, as chain:NIFTY:2026-11-24; status"
)


class _NotChannel(Exception):
    """A name that is no channel at all."""


def read_channels(
    request: Request, table: InstrumentTable, held: Mapping[str, Channel]
) -> dict[str, Channel]:
    """What each of the request's channels means, by the name that was asked for.

    Args:
        request: whose ``channels`` are read.
        table: where instruments are looked up.
        held: what the session has, by the names it asked for: to end what has expired since.

    Raises:
        BadRequest: one of them is no channel.
    """
    found: dict[str, Channel] = {}
    for name in request.channels or ():
        try:
            channel = _read(name.strip(), table)
        except _NotChannel:
            message = f"{name} is no channel; there are {UNDERSTOOD}"
            raise BadRequest(ErrorCode.INVALID_FIELD, message, "channels", request.id) from None
        if channel is None and request.action == "UNSUBSCRIBE":
            channel = held.get(name)
        if channel is None:
            if not len(table):
                message = "the instruments are not loaded yet; ask again in a moment"
                raise BadRequest(ErrorCode.NOT_READY, message, "", request.id)
            raise BadRequest(ErrorCode.INVALID_FIELD, _unknown(name, table), "channels", request.id)
        found[name] = channel
    return found


def _read(name: str, table: InstrumentTable) -> Channel | None:
    """The channel; None where what it is about is not known.

    Raises:
        _NotChannel: there is none of this form.
    """
    kind, _, rest = name.partition(":")
    match kind:
        case "candles":
            return _bars(rest, table)
        case "movers" if rest in BY:
            return name
        case "sector" if rest:
            return f"sector:{rest.upper()}"
        case "chain" if ":" in rest:
            return _chain(rest, table)
        case "status" if not rest:
            return name
    raise _NotChannel


def _bars(rest: str, table: InstrumentTable) -> BarChannel | None:
    interval, _, symbol = rest.partition(":")
    if (interval or "1m") not in INTERVALS:
        raise _NotChannel
    width = cast(Literal["1s", "1m"], interval or "1m")
    if not symbol:
        return BarChannel(width)
    instrument = table.resolve(symbol)
    return None if instrument is None else BarChannel(width, instrument.token)


def _chain(rest: str, table: InstrumentTable) -> str | None:
    name, _, expiry = rest.rpartition(":")
    underlying = find_underlying(table, name)
    if underlying is None or expiry not in underlying.expiries:
        return None
    return f"chain:{underlying.name}:{expiry}"


def _unknown(name: str, table: InstrumentTable) -> str:
    kind, _, rest = name.strip().partition(":")
    if kind == "chain" and (underlying := find_underlying(table, rest.rpartition(":")[0])) is not None:
        return f"{name}: the expiries of {underlying.name} are {', '.join(underlying.expiries)}"
    return f"{name}: there is no such instrument"
