"""The names of channels on `/ws/market`, and what they mean: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, cast

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel
from mdactors.market.movers import BY
from mdactors.market.quote import Mode
from mdactors.market.sectors import share_of
from mdactors.protocol import BadRequest, ErrorCode, Request
from mdactors.web.directory import Directory
from mdactors.web.groups import expiries_of

Channel = BarChannel | str
"""A channel of bars, or the name of a channel of views."""
Find: TypeAlias = Callable[[int], Instrument | None]
"""The instrument that once had a token, under whichever it is listed now; None where it is gone."""
INTERVALS = ("1s", "1m")
"""The widths of bars that are published; the others are computed when they are asked for."""
UNDERSTOOD = (
    "candles, candles:1s, candles:1m, and the last two with a symbol, as candles:1m:RELIANCE; "
    f"{', '.join(f'movers:{by}' for by in BY)}; sector:CODE; "
    "chain:UNDERLYING:EXPIRY, as chain:NIFTY:2026-11-24; auction and auction:SYMBOL; status"
)

_AUCTION = "auction:"
"""Before the token of the one instrument that a channel of views is about."""

NOT_LOADED = "the instruments are not loaded yet; ask again in a moment"


class _NotChannel(Exception):
    """A name that is no channel at all."""


def read_channels(request: Request, directory: Directory, held: Mapping[str, Channel]) -> dict[str, Channel]:
    """What each of the request's channels means, by the name that was asked for.

    Args:
        request: whose ``channels`` are read.
        directory: where instruments and sectors are looked up.
        held: what the session has, by the names it asked for: that ends, whatever they mean by now.

    Raises:
        BadRequest: one of them is no channel.
    """
    found: dict[str, Channel] = {}
    for name in request.channels or ():
        channel = held.get(name) if request.action == "UNSUBSCRIBE" else None
        try:
            channel = channel or _read(name.strip(), directory)
        except _NotChannel:
            message = f"{name} is no channel; there are {UNDERSTOOD}"
            raise request.refusal(ErrorCode.INVALID_FIELD, message, "channels") from None
        if channel is None:
            raise _unknown(name, request, directory)
        found[name] = channel
    return found


def reread(name: str, channel: Channel, directory: Directory, find: Find) -> Channel | None:
    """What a session's channel is by a newer table; None where what it is about is listed no more."""
    token = _token(channel)
    if token is None:
        return channel if isinstance(channel, BarChannel) else _read(name.strip(), directory)
    # Its name means another segment's instrument only while its own is gone.
    instrument = find(token)
    if instrument is None:
        now = _read(name.strip(), directory)
        there = None if now is None else _token(now)
        return now if there is not None and there & 0xFF == token & 0xFF else None
    if isinstance(channel, BarChannel):
        return BarChannel(channel.interval, instrument.token)
    return f"{_AUCTION}{instrument.token}"


def _token(channel: Channel) -> int | None:
    """The instrument that the channel is about; None where it is about more than one."""
    if isinstance(channel, BarChannel):
        return channel.token
    return int(channel.removeprefix(_AUCTION)) if channel.startswith(_AUCTION) else None


def _read(name: str, directory: Directory) -> Channel | None:
    """The channel; None where what it is about is not known.

    Raises:
        _NotChannel: there is none of this form.
    """
    kind, _, rest = name.partition(":")
    match kind:
        case "candles":
            return _bars(rest, directory.table)
        case "movers" if rest in BY:
            return name
        case "sector" if rest:
            sector = directory.sectors.find(rest)
            return None if sector is None else f"sector:{sector.code}"
        case "chain" if ":" in rest:
            return _chain(rest, directory)
        case "auction" if rest:
            instrument = directory.table.resolve(rest)
            return None if instrument is None else f"{_AUCTION}{instrument.token}"
        case "status" | "auction" if not rest:
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


def _chain(rest: str, directory: Directory) -> str | None:
    name, _, expiry = rest.rpartition(":")
    underlying = directory.underlying(name)
    if underlying is None or expiry not in underlying.expiries:
        return None
    return f"chain:{underlying.name}:{expiry}"


def made_of(channel: Channel, directory: Directory) -> Mapping[int, Mode]:
    """What must stream for a channel, and in which mode; empty where it shows whatever streams."""
    if isinstance(channel, BarChannel):
        return {} if channel.token is None else {channel.token: "quote"}
    kind, _, rest = channel.partition(":")
    if kind == "sector":
        shares = (share_of(directory.table, each) for each in directory.sectors.members(rest))
        return {share.token: "quote" for share in shares if share is not None}
    if kind == "auction":
        return {int(rest): "full"} if rest else {}
    name, _, expiry = rest.rpartition(":")
    if kind != "chain" or (underlying := directory.underlying(name)) is None:
        return {}
    shown = (*underlying.priced_by(directory.today, expiry)[:1], *underlying.expiries[expiry])
    return {each.token: "full" for each in shown}


def _unknown(name: str, request: Request, directory: Directory) -> BadRequest:
    """What a channel of something unknown is refused with."""
    kind, _, rest = name.strip().partition(":")
    if kind == "sector":
        why = directory.sectors.known()
    elif not len(directory.table):
        return request.refusal(ErrorCode.NOT_READY, NOT_LOADED)
    elif kind == "chain" and (underlying := directory.underlying(rest.rpartition(":")[0])):
        why = expiries_of(underlying)
    else:
        why = "there is no such instrument"
    return request.refusal(ErrorCode.INVALID_FIELD, f"{name}: {why}", "channels")
