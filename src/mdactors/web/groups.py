"""The fields of a request that mean many instruments, `sector` and `underlying`: pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from mdactors.market.indices import folded
from mdactors.market.instrument import Instrument, InstrumentType
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import share_of
from mdactors.market.underlyings import Underlyings
from mdactors.protocol import ErrorCode, Request
from mdactors.web.directory import Directory

Field = Literal["sector", "underlying"]


class Group(NamedTuple):
    """A group as it was asked for."""

    field: Field
    name: str
    """Whatever its case and its signs."""
    expiry: str = ""
    """ISO date; empty where the nearest was meant."""
    type: InstrumentType | None = None
    """Of which members were meant."""


def asked_groups(request: Request) -> Iterator[Group]:
    """The groups that a request names.

    Raises:
        BadRequest: an expiry of nothing.
    """
    if request.expiry is not None and request.underlying is None:
        raise request.refusal(ErrorCode.INVALID_FIELD, "expiry goes with an underlying", "expiry")
    if request.sector is not None:
        yield Group("sector", folded(request.sector), type=request.type)
    if request.underlying is not None:
        yield Group("underlying", folded(request.underlying), request.expiry or "", request.type)


def read_group(group: Group, request: Request, directory: Directory) -> dict[str, Instrument | None]:
    """Name -> instrument of all that belongs to a group of the request; None for what no broker lists.

    Raises:
        BadRequest: there is no such sector, underlying or expiry; the message says which there are.
    """
    return _sector(request, directory) if group.field == "sector" else _chain(request, directory)


def _sector(request: Request, directory: Directory) -> dict[str, Instrument | None]:
    text, sectors = request.sector or "", directory.sectors
    if sectors.find(text) is None:
        raise request.refusal(ErrorCode.INVALID_FIELD, f"{text}: {sectors.known()}", "sector")
    return {member.symbol: share_of(directory.table, member) for member in sectors.members(text)}


def _chain(request: Request, directory: Directory) -> dict[str, Instrument | None]:
    """The options of one expiry, after what says where their money is."""
    text, table = request.underlying or "", directory.table
    underlying = Underlyings(table).find(text, with_options=True)
    if underlying is None:
        message = f"{text}: no options are written on this"
        raise request.refusal(ErrorCode.INVALID_FIELD, message, "underlying")
    expiry = request.expiry or underlying.nearest(directory.today)
    if expiry not in underlying.expiries:
        message = f"{text}: the expiries of {underlying.name} are {', '.join(underlying.expiries)}"
        raise request.refusal(ErrorCode.INVALID_FIELD, message, "expiry")
    priced_by = underlying.priced_by(directory.today)[:1]
    named: dict[str, Instrument | None] = {_name(each, table): each for each in priced_by}
    return named | {option.symbol: option for option in underlying.expiries[expiry]}


def _name(instrument: Instrument, table: InstrumentTable) -> str:
    """The symbol, with the exchange where the symbol alone means another's."""
    meant = table.resolve(instrument.symbol)
    alone = meant is not None and meant.token == instrument.token
    return instrument.symbol if alone else f"{instrument.exchange}:{instrument.symbol}"
