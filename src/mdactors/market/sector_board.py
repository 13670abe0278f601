"""How each sector does today, kept up to date as its members tick."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from mdactors.market.standing import Standing, standing
from mdactors.market.tick import Tick

POINTS = 100
"""Of a per cent: whole numbers add up exactly, however often one is exchanged for another."""


class SectorStanding(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """One sector's day; ``change_percent`` is the plain mean of its priced members', None without any."""

    code: str
    members: int
    priced: int
    """Members that have traded today and whose close before is known."""
    advances: int
    declines: int
    unchanged: int
    value: int
    """What was paid for all that was traded of it, in whole rupees."""
    change_percent: float | None = None


class _Sums(msgspec.Struct, gc=False):
    members: int = 0
    priced: int = 0
    points: int = 0
    advances: int = 0
    declines: int = 0
    value: int = 0

    def count(self, member: Standing, times: int) -> None:
        """Count a member in (1) or out (-1)."""
        self.priced += times
        self.points += times * round(member.change_percent * POINTS)
        self.advances += times * (member.change > 0)
        self.declines += times * (member.change < 0)
        self.value += times * round(member.value)


class SectorBoard:
    """The sectors of one day, that of the newest trade among their members.

    Args:
        codes: instrument token -> code of its sector; other instruments are passed over.
    """

    def __init__(self, codes: Mapping[int, str]) -> None:
        self._codes = codes
        self._day = 0
        self._clear()

    def _clear(self) -> None:
        self._standings: dict[int, Standing] = {}
        self._sums: dict[str, _Sums] = {}
        for code in self._codes.values():
            self._sums.setdefault(code, _Sums()).members += 1

    def update(self, tick: Tick) -> None:
        """Take an instrument's newest tick."""
        token = tick.instrument.token
        code = self._codes.get(token)
        if code is None:
            return
        found = standing(tick)
        if found is not None and found.day > self._day:
            self._day = found.day
            self._clear()
        before = self._standings.pop(token, None)
        if before is not None:
            self._sums[code].count(before, -1)
        if found is not None and found.day == self._day:
            self._standings[token] = found
            self._sums[code].count(found, 1)

    def standings(self, codes: Collection[str] = ()) -> list[SectorStanding]:
        """The sectors of these codes that there are, in their order; of none: all, in the codes' order."""
        wanted = [code for code in codes if code in self._sums] if codes else sorted(self._sums)
        return [_standing(code, self._sums[code]) for code in wanted]


def _standing(code: str, sums: _Sums) -> SectorStanding:
    return SectorStanding(
        code=code,
        members=sums.members,
        priced=sums.priced,
        advances=sums.advances,
        declines=sums.declines,
        unchanged=sums.priced - sums.advances - sums.declines,
        value=sums.value,
        change_percent=round(sums.points / sums.priced / POINTS, 2) if sums.priced else None,
    )
