"""The names of channels on `/ws/market`, and what they mean: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel
from mdactors.protocol import BadRequest, ErrorCode, Request

INTERVALS = ("1s", "1m")
"""The widths of bars that are published; the others are computed when they are asked for."""
NOT_YET = ("movers", "status")
UNDERSTOOD = "candles, candles:1s, candles:1m, and the last two with a symbol, as candles:1m:RELIANCE"


def read_channels(
    request: Request, table: InstrumentTable, held: Mapping[str, BarChannel]
) -> dict[str, BarChannel]:
    """What each of the request's channels means, by the name that was asked for.

    Args:
        request: whose ``channels`` are read.
        table: where instruments are looked up.
        held: what the session has, by the names it asked for: to end what has expired since.

    Raises:
        BadRequest: one of them is no channel.
    """
    found: dict[str, BarChannel] = {}
    for name in request.channels or ():
        channel = _read(name, table, request.id)
        if channel is None and request.action == "UNSUBSCRIBE":
            channel = held.get(name)
        if channel is None:
            if not len(table):
                message = "the instruments are not loaded yet; ask again in a moment"
                raise BadRequest(ErrorCode.NOT_READY, message, "", request.id)
            message = f"{name}: there is no such instrument"
            raise BadRequest(ErrorCode.INVALID_FIELD, message, "channels", request.id)
        found[name] = channel
    return found


def _read(name: str, table: InstrumentTable, request_id: object) -> BarChannel | None:
    """The channel; None where its instrument is not known."""
    kind, *rest = name.strip().split(":", 2)
    if kind in NOT_YET:
        message = f"the channel {kind} is not available in this version"
        raise BadRequest(ErrorCode.NOT_AVAILABLE, message, "channels", request_id)
    interval, *symbol = rest or ("1m",)
    if kind != "candles" or interval not in INTERVALS:
        message = f"{name} is no channel; there are {UNDERSTOOD}"
        raise BadRequest(ErrorCode.INVALID_FIELD, message, "channels", request_id)
    width = cast(Literal["1s", "1m"], interval)
    if not symbol:
        return BarChannel(width)
    instrument = table.resolve(symbol[0])
    return None if instrument is None else BarChannel(width, instrument.token)
