"""The fields of a request that mean many instruments, `sector` and `underlying`: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from mdactors.market.indices import folded
from mdactors.market.instrument import Instrument
from mdactors.market.sectors import share_of
from mdactors.market.strikes import Strikes
from mdactors.market.underlyings import Underlying
from mdactors.protocol import ErrorCode, Request
from mdactors.web.band import Band
from mdactors.web.directory import Directory

Field = Literal["sector", "underlying"]


class Asked(NamedTuple):
    """A group as a request names it."""

    field: Field
    name: str
    """Whatever its case and its signs."""
    expiry: str = ""
    """ISO date; empty where the nearest is meant."""


class Group(NamedTuple):
    """A group, whichever way it was asked for."""

    field: Field
    name: str
    """A sector's code, or an underlying's own name."""
    expiry: str = ""
    """ISO date, of an underlying's options."""


class Meant(NamedTuple):
    """What a request means by a group."""

    group: Group
    members: Mapping[str, Instrument | None]
    """By their names; None for what no broker lists."""
    band: Band | None = None
    """Where only the options around the money are meant."""


def asked_groups(request: Request) -> Iterator[Asked]:
    """The groups that a request names.

    Raises:
        BadRequest: an expiry or strikes of nothing.
    """
    for field, said in (("expiry", request.expiry), ("strikes", request.strikes)):
        if said is not None and request.underlying is None:
            raise request.refusal(ErrorCode.INVALID_FIELD, f"{field} wants an underlying beside it", field)
    if request.sector is not None:
        yield Asked("sector", folded(request.sector))
    if request.underlying is not None:
        yield Asked("underlying", folded(request.underlying), request.expiry or "")


def priced_by(request: Request, directory: Directory) -> list[int]:
    """The tokens of what says where the money is; none where a request does not ask for what is around it."""
    if request.strikes is None or request.underlying is None or request.action == "UNSUBSCRIBE":
        return []
    underlying = directory.underlying(request.underlying)
    return [] if underlying is None else [each.token for each in _money(underlying, request, directory)]


def read_group(field: Field, request: Request, directory: Directory) -> Meant:
    """What a request means by one of these fields.

    Raises:
        BadRequest: there is no such sector, underlying or expiry; the message says which there are.
    """
    return _sector(request, directory) if field == "sector" else _chain(request, directory)


def _sector(request: Request, directory: Directory) -> Meant:
    text, sectors = request.sector or "", directory.sectors
    sector = sectors.find(text)
    if sector is None:
        raise request.refusal(ErrorCode.INVALID_FIELD, f"{text}: {sectors.known()}", "sector")
    members = {member.symbol: share_of(directory.table, member) for member in sectors.members(text)}
    return Meant(Group("sector", sector.code), members)


def _chain(request: Request, directory: Directory) -> Meant:
    """The options of one expiry, after what says where their money is."""
    text = request.underlying or ""
    underlying = directory.underlying(text)
    if underlying is None:
        message = f"{text}: no options are written on this"
        raise request.refusal(ErrorCode.INVALID_FIELD, message, "underlying")
    expiry = request.expiry or underlying.nearest(directory.today)
    if expiry not in underlying.expiries:
        raise request.refusal(ErrorCode.INVALID_FIELD, f"{text}: {expiries_of(underlying)}", "expiry")
    options, money, band = underlying.expiries[expiry], _money(underlying, request, directory), None
    if request.strikes is not None:
        strikes = Strikes(options, [each.token for each in money])
        strikes.middle = strikes.middle_at(directory.prices)
        band = Band(strikes, request.strikes, request.mode)
        near = set(band.tokens())
        options = [each for each in options if each.token in near]
    named: dict[str, Instrument | None] = {each.answered: each for each in money[:1]}
    group = Group("underlying", underlying.name, expiry)
    return Meant(group, named | {each.answered: each for each in options}, band)


def _money(underlying: Underlying, request: Request, directory: Directory) -> tuple[Instrument, ...]:
    expiry = request.expiry or underlying.nearest(directory.today)
    return underlying.priced_by(directory.today, expiry)


def expiries_of(underlying: Underlying) -> str:
    """Which expiries there are, for a person."""
    return f"the expiries of {underlying.name} are {', '.join(underlying.expiries)}"
