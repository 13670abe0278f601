"""REST of the sectors: ``/api/sectors`` and ``/api/sectors/{code}``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.market.sector_board import SectorStanding
from mdactors.market.sectors import Member, Sector, share_of
from mdactors.messages import SectorsAsked
from mdactors.web.handler import Handler


class SectorMember(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A share of a sector; without a token and a key it is on no broker's list."""

    symbol: str
    isin: str = ""
    instrument_token: int | None = None
    instrument_key: str | None = None


class SectorAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sector, how it stands, and who belongs to it; what is not known, or not asked for, is left out."""

    code: str
    name: str
    industries: Sequence[str]
    indices: Sequence[str]
    description: str = ""
    standing: SectorStanding | None = None
    members: Sequence[SectorMember] | None = None


class AllSectors(Handler):
    """``GET /api/sectors``."""

    async def get(self) -> None:
        """Answer every sector and how it stands, in the order of their definition."""
        sectors = self.parts.gateway.sectors()
        standings = await self.ask(self.parts.gateway.views, SectorsAsked())
        by_code = {standing.code: standing for standing in standings}
        self.answer([_answer(self.sector(code, "code"), by_code.get(code)) for code in sectors.codes()])


class OneSector(Handler):
    """``GET /api/sectors/{code}``."""

    async def get(self, code: str) -> None:
        """Answer a sector, how it stands, and its shares."""
        sector = self.sector(code, "code")
        standings = await self.ask(self.parts.gateway.views, SectorsAsked((sector.code,)))
        gateway = self.parts.gateway
        members = await self.in_pool(_members, gateway.table(), gateway.sectors().members(sector.code))
        self.answer(_answer(sector, next(iter(standings), None), members))


def _answer(
    sector: Sector, standing: SectorStanding | None, members: Sequence[SectorMember] | None = None
) -> SectorAnswer:
    return SectorAnswer(
        sector.code, sector.name, sector.industries, sector.indices, sector.description, standing, members
    )


def _members(table: InstrumentTable, members: Iterable[Member]) -> list[SectorMember]:
    return [_member(table, member) for member in members]


def _member(table: InstrumentTable, member: Member) -> SectorMember:
    share = share_of(table, member)
    if share is None:
        return SectorMember(member.symbol, member.isin)
    return SectorMember(share.answered, member.isin, share.token, share.key)
