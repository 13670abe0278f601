"""A made-up market: prices, books and volumes that move as a market's do."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable

from mdactors.runtime import MACHINE, Clock
from mdactors.simulator.floor import Floor
from mdactors.simulator.hours import kinds
from mdactors.simulator.security import Quoted, await_opening
from mdactors.simulator.session import Kind, Session, Stage, date_of, day_number, intensity
from mdactors.simulator.state import MINUTE_MS, PriceState
from mdactors.simulator.universe import Universe
from mdactors.simulator.venue import Venue


class Exchange(Venue):
    """Deterministic by seed; ``rate`` counts updates per second of exchange time, in all.

    Instruments take turns: in each round every share and contract once, in an order that the seed
    gives, then every index, so that at a round's end each index is exactly what its members make it.
    Without ``start_ms`` it is live: its time is the clock's. Without a universe there are at least so many
    instruments, of that date.
    """

    def __init__(
        self,
        universe: Universe | None = None,
        *,
        instruments: int = 0,
        seed: int = 1,
        rate: float = 400.0,
        start_ms: int | None = None,
        session: Session | None = None,
        clock: Clock = MACHINE,
    ) -> None:
        self.clock = clock
        self.live = start_ms is None
        start_ms = clock.time_ns() // 1_000_000 if start_ms is None else start_ms
        universe = universe or Universe.of_size(instruments, date_of(start_ms))
        self._rng = random.Random(seed)
        self._start_ms = start_ms
        self._rate = rate
        floor = Floor(universe, start_ms, self._rng)
        self._rng.shuffle(floor.securities)
        self._turns: list[Quoted] = floor.securities + floor.indices
        super().__init__(floor.states.values(), start_ms, session or Session(seed=seed))
        self._stages: dict[Kind, Stage] = {}
        self._second_ends = 0
        self._await_openings(start_ms)
        self.stride_ms = max(int(1000 * len(self._turns) / rate), 1)
        self._turn = 0
        self._next = itertools.cycle(self._turns)
        self._minute_ends = 0
        self._intensity = 1.0
        self._day = day_number(start_ms)

    @classmethod
    def of_size(
        cls, count: int, *, seed: int = 1, rate: float = 400.0, start_ms: int | None = None
    ) -> Exchange:
        """An exchange of at least ``count`` instruments, made-up shares filling the universe up."""
        return cls(instruments=count, seed=seed, rate=rate, start_ms=start_ms)

    def advance(self, to_ms: int) -> list[PriceState]:
        """Move time on; the instruments that changed since the last call, each once."""
        changed: dict[int, PriceState] = {}
        due = int((to_ms - self._start_ms) * self._rate / 1000)
        while self._turn < due:
            self._turn += 1
            now_ms = self._start_ms + math.ceil(self._turn * 1000 / self._rate)
            if now_ms >= self._minute_ends:
                self._begin_minute(now_ms)
            if now_ms >= self._second_ends:
                self._stages = self.session.stages(now_ms)
                self._second_ends = now_ms - now_ms % 1000 + 1000
            quoted = next(self._next)
            state = quoted.state
            token = state.instrument.token
            if token not in self._kinds:  # no longer listed
                continue
            stage = self._stages[self._kinds[token]]
            if stage == "trading":
                quoted.update(now_ms, self._intensity)
                changed[token] = state
            elif stage != "still" and quoted.take_part(stage, now_ms):
                changed[token] = state
        self.now_ms = max(self.now_ms, to_ms)
        return list(changed.values())

    def _list(self, states: Iterable[PriceState]) -> None:
        super()._list(states)
        self._kinds = kinds(state.instrument for state in self._states.values())

    def _begin_minute(self, now_ms: int) -> None:
        self._minute_ends = now_ms - now_ms % MINUTE_MS + MINUTE_MS
        self._intensity = intensity(now_ms)
        if day_number(now_ms) > self._day:
            self._day = day_number(now_ms)
            for quoted in self._turns:
                quoted.open_day()
            self._await_openings(now_ms)

    def _await_openings(self, now_ms: int) -> None:
        for token, state in self.states.items():
            if self.session.is_to_come(self._kinds[token], now_ms):
                await_opening(state)
