"""The newest tick of each instrument, and what a client is shown of it first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Interest, View
from mdactors.market.tick import Tick


class NewestTicks:
    """The newest tick by instrument token and the epoch of each source; belongs to one actor."""

    def __init__(self) -> None:
        self.by_token: dict[int, Tick] = {}
        """The hot loop writes here itself, and says the `epochs` once a batch."""
        self.epochs: dict[str, int] = {}
        self._day = ""

    def learn(self, ticks: Iterable[Tick]) -> None:
        """Add what others knew; what is here is newer."""
        for tick in ticks:
            self.by_token.setdefault(tick.instrument.token, tick)
            self.epochs.setdefault(tick.source, tick.epoch)

    def rename(self, table: InstrumentTable) -> None:
        """Use the names of a new table: only on another day they may differ."""
        if table.day != self._day:
            self._day = table.day
            self.by_token = {token: table.renamed(tick) for token, tick in self.by_token.items()}

    def of(self, tokens: Iterable[int]) -> list[Tick]:
        """The ticks of these instruments, without those that have had none."""
        return [self.by_token[token] for token in tokens if token in self.by_token]

    def prices(self, tokens: Iterable[int]) -> dict[int, float]:
        """The last prices of these instruments, where they are known."""
        prices = {tick.instrument.token: tick.quote.last_price for tick in self.of(tokens)}
        return {token: price for token, price in prices.items() if price is not None}

    def snapshot(self, known: Interest, interest: Interest) -> Iterator[tuple[Tick, View]]:
        """What a session is shown first of what is new in its interest, each tick with its view."""
        for token, mode in interest.tokens.items():
            if known.tokens.get(token) != mode and (tick := self.by_token.get(token)) is not None:
                yield tick, View(mode, interest.shape)
        everything, had = interest.everything, known.everything
        if everything is not None and everything != had:
            for tick in self.by_token.values():
                if everything.admits(tick.instrument) and not (had and had.admits(tick.instrument)):
                    yield tick, interest.everything_view
