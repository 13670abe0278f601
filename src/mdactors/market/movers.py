"""The shares that gain, lose and trade most, kept in order as they tick."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Literal

import msgspec

from mdactors.market.instrument import is_share
from mdactors.market.standing import Standing, standing
from mdactors.market.tick import Tick

By = Literal["gainers", "losers", "active", "volume"]
BY: tuple[By, ...] = ("gainers", "losers", "active", "volume")
"""By change in per cent upward or downward, by traded value, by traded volume."""


class Mover(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One row of a ranking; prices and ``value`` are rupees, ``change`` is since the close before."""

    symbol: str
    instrument_token: int
    instrument_key: str
    last_traded_price: float
    change: float
    change_percent: float
    volume: int
    value: float


class Ranking:
    """Tokens in the order of one figure each.

    A new figure costs two searches and no sort. Of equal figures the lower token comes first upward,
    and last downward.
    """

    # A plain list moves some kilobytes at a time, which for a few thousand beats every cleverer structure.
    def __init__(self) -> None:
        self._figures: dict[int, float] = {}
        self._order: list[tuple[float, int]] = []

    def set(self, token: int, figure: float) -> None:
        """Give a token its figure."""
        before = self._figures.get(token)
        if before == figure:
            return
        if before is not None:
            del self._order[bisect_left(self._order, (before, token))]
        self._figures[token] = figure
        insort(self._order, (figure, token))

    def drop(self, token: int) -> None:
        """Take a token out, if it is in."""
        figure = self._figures.pop(token, None)
        if figure is not None:
            del self._order[bisect_left(self._order, (figure, token))]

    def upward(self) -> Iterator[tuple[float, int]]:
        """Figure and token, the least figure first."""
        return iter(self._order)

    def downward(self) -> Iterator[tuple[float, int]]:
        """Figure and token, the greatest figure first."""
        return reversed(self._order)


class Movers:
    """The ranking of NSE's shares on one day, that of the newest trade among them.

    A share without a price, a close before or a trade on that day is in none of the rankings.
    """

    def __init__(self) -> None:
        self._day = 0
        self._clear()

    def _clear(self) -> None:
        self._standings: dict[int, Standing] = {}
        self._by_change, self._by_value, self._by_volume = Ranking(), Ranking(), Ranking()

    def update(self, tick: Tick) -> None:
        """Take an instrument's newest tick."""
        instrument = tick.instrument
        if instrument.exchange != "NSE" or not is_share(instrument):
            return
        token = instrument.token
        found = standing(tick)
        if found is None or found.day < self._day:
            self._drop(token)
            return
        if found.day > self._day:
            self._day = found.day
            self._clear()
        self._standings[token] = found
        self._by_change.set(token, found.change_percent)
        self._by_value.set(token, found.value)
        self._by_volume.set(token, found.volume)

    def _drop(self, token: int) -> None:
        if self._standings.pop(token, None) is not None:
            for ranking in (self._by_change, self._by_value, self._by_volume):
                ranking.drop(token)

    def top(self, by: By, n: int) -> list[Mover]:
        """The first ``n``: only what rose among the gainers, what fell among the losers, what traded else."""
        if by == "losers":
            found = takewhile(lambda entry: entry[0] < 0, self._by_change.upward())
        else:
            ranking = {"gainers": self._by_change, "active": self._by_value, "volume": self._by_volume}[by]
            found = takewhile(lambda entry: entry[0] > 0, ranking.downward())
        return [_mover(self._standings[token]) for _, token in islice(found, n)]

    def __len__(self) -> int:
        return len(self._standings)


def _mover(found: Standing) -> Mover:
    instrument = found.instrument
    return Mover(
        instrument.answered, instrument.token, instrument.key,
        found.last_price, found.change, found.change_percent, found.volume, round(found.value, 2),
    )  # fmt: skip
