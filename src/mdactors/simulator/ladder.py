"""A made-up book: thirty rungs a side that shift with the price instead of being built anew."""

from __future__ import annotations

import random

from mdactors.market.quote import Level

RUNGS = 30
_POOL = 4096


class Sizes:
    """A stock of rung sizes from which the books of one venue take slices; a book needs no random numbers."""

    def __init__(self, rng: random.Random) -> None:
        stock = [1 + int(rng.expovariate(0.12)) for _ in range(_POOL)]
        self._stock = stock + stock[:RUNGS]

    def take(self, place: int, count: int) -> list[int]:
        """So many sizes from a place in the stock."""
        place %= _POOL
        return self._stock[place : place + count]


class Ladder:
    """Offers on neighbouring ticks, best bid one tick below best ask; sizes count ``unit`` pieces."""

    __slots__ = ("_asks", "_bids", "_place", "_sizes", "_tick", "bid", "unit")

    def __init__(self, tick_size: float, unit: int, sizes: Sizes, place: int = 0) -> None:
        self._tick = round(tick_size * 100)
        self._sizes = sizes
        self._place = place
        self.unit = unit
        self.bid = 1
        self._bids = sizes.take(place, RUNGS)
        self._asks = sizes.take(place + RUNGS, RUNGS)

    @property
    def ask(self) -> int:
        """The best ask in ticks."""
        return self.bid + 1

    def move(self, bid: int) -> None:
        """Bring the best bid to a tick: rungs that the price crosses go, fresh ones come at both ends."""
        shift = bid - self.bid
        self.bid = bid
        place = self._place = self._place * 5 + 7919 & 0xFFFFFF  # a walk over the stock without repetition
        # One rung changes even if the price stays.
        self._bids[place % 7] = self._sizes.take(place, 1)[0]
        self._asks[place % 5] = self._sizes.take(place + 1, 1)[0]
        if shift == 0:
            return
        size = min(abs(shift), RUNGS)
        new, far = self._sizes.take(place, size), self._sizes.take(place + 911, size)
        if shift > 0:
            self._bids = new + self._bids[: RUNGS - size]
            self._asks = self._asks[size:] + far
        else:
            self._asks = new + self._asks[: RUNGS - size]
            self._bids = self._bids[size:] + far

    def totals(self) -> tuple[int, int]:
        """All that is bid and all that is asked on the rungs, in pieces."""
        bids = self._bids if self.bid >= RUNGS else self._bids[: self.bid]
        return sum(bids) * self.unit, sum(self._asks) * self.unit

    def bids(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the buying side; none at or below zero."""
        return self._rungs(self._bids, self.bid, -1, min(count, self.bid, RUNGS))

    def asks(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the selling side."""
        return self._rungs(self._asks, self.bid + 1, 1, min(count, RUNGS))

    def _rungs(self, sizes: list[int], best: int, step: int, count: int) -> list[Level]:
        tick, unit = self._tick, self.unit
        return [
            Level((best + step * place) * tick / 100, size * unit, 1 + size % 12 if size > 12 else 1)
            for place, size in enumerate(sizes[:count])
        ]


class AuctionBook:
    """A ladder under a rung of orders without a limit, which brokers say as the price 0."""

    __slots__ = ("_buy", "_ladder", "_sell")

    def __init__(self, ladder: Ladder, buy: int, sell: int) -> None:
        self._ladder = ladder
        self._buy = Level(0.0, buy, 1)
        self._sell = Level(0.0, sell, 1)

    def bids(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the buying side."""
        return [*self._ladder.bids(max(count - 1, 1)), self._buy][:count]

    def asks(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the selling side."""
        return [*self._ladder.asks(max(count - 1, 1)), self._sell][:count]
