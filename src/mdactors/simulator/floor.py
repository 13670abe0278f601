"""Before the bell: every listing gets its state, its worth and its place among the others."""

from __future__ import annotations

import random

from mdactors.market.instrument import Instrument
from mdactors.simulator.derivatives import spot_symbol
from mdactors.simulator.fair import (
    FairValue,
    FutureValue,
    IndexValue,
    Mood,
    OptionValue,
    ShareValue,
    TwinValue,
    VixValue,
    Walk,
)
from mdactors.simulator.ladder import Sizes
from mdactors.simulator.security import IndexLevel, Quoted, Security, open_inside_day
from mdactors.simulator.state import PriceState
from mdactors.simulator.universe import Listed, Universe


class Floor:
    """Builds every listing's state and behaviour, the ones that others follow first."""

    def __init__(self, universe: Universe, start_ms: int, rng: random.Random) -> None:
        self._start_ms = start_ms
        self._rng = rng
        self._mood = Mood(rng, start_ms)
        self._sizes = Sizes(rng)
        self.states: dict[tuple[str, str], PriceState] = {}
        self.securities: list[Quoted] = []
        self.indices: list[Quoted] = []
        # Indices follow their shares, derivatives follow both.
        order = {"STOCK": 0, "INDEX": 1, "FUTURE": 2, "OPTION": 2}
        self._listed = sorted(universe.listed, key=lambda item: order[item.instrument.type])
        for listed in self._listed:
            self._add(listed)
        listing = {item.instrument.token: place for place, item in enumerate(universe.listed)}
        self.states = dict(sorted(self.states.items(), key=lambda pair: listing[pair[1].token]))

    def _add(self, listed: Listed) -> None:
        instrument = listed.instrument
        value, reference = self._value(listed)
        index = instrument.type == "INDEX"
        grid = 0.01 if index else instrument.tick_size

        def on_grid(price: float) -> float:
            return max(round(round(price / grid) * grid, 2), grid)

        last = on_grid(value.at(self._start_ms))
        state = PriceState(
            instrument=instrument,
            last_price=last,
            previous_close=on_grid(reference),
            open=last,
            high=last,
            low=last,
            exchange_time=self._start_ms,
            last_trade_time=self._start_ms,
        )
        if instrument.type in ("FUTURE", "OPTION"):
            lots = self._rng.randint(2_000, 40_000)
            state.open_interest = lots * instrument.lot_size
            state.open_interest_high = state.open_interest_low = state.open_interest
        opened = on_grid(last + (reference - last) * 0.6)
        open_inside_day(state, opened, listed.volume, self._start_ms, self._rng)
        self.states[instrument.exchange, instrument.symbol] = state
        if index:
            self.indices.append(IndexLevel(state, value))
        else:
            self.securities.append(Security(state, value, listed.volume, self._sizes, self._rng))

    def _walk(self, size: float, start: float = 0.0) -> Walk:
        return Walk(self._rng, size, self._start_ms, start)

    def _value(self, listed: Listed) -> tuple[FairValue, float]:
        """The behaviour of a listing and the price it closed at yesterday."""
        instrument = listed.instrument
        if instrument.type in ("FUTURE", "OPTION") and not listed.price:
            return self._derivative(instrument)
        if instrument.type == "INDEX":
            return self._index(listed), listed.price
        twin = self.states.get(("NSE", instrument.symbol))
        if instrument.exchange == "BSE" and twin is not None:
            return TwinValue(twin, self._walk(1e-3)), twin.previous_close
        beta, size = self._rng.uniform(0.6, 1.5), self._rng.uniform(6e-5, 1.4e-4)
        own = self._walk(size, self._rng.gauss(0.0, 0.005))
        return ShareValue(listed.price, beta, self._mood, own), listed.price

    def _index(self, listed: Listed) -> FairValue:
        symbol = listed.instrument.symbol
        members = [
            (self.states["NSE", item.instrument.symbol], item.weights[symbol])
            for item in self._listed
            if symbol in item.weights
        ]
        if members:
            return IndexValue(listed.price, members)
        return VixValue(listed.price, self._mood, self._walk(1e-4))

    def _derivative(self, contract: Instrument) -> tuple[FairValue, float]:
        spot = self.states["NSE", spot_symbol(contract.underlying)]
        if contract.type == "FUTURE":
            future = FutureValue(contract, spot)
            return future, future.at(self._start_ms) * spot.previous_close / spot.last_price
        option = OptionValue(contract, spot, self._walk(1e-4))
        worth = option.at(self._start_ms)
        moved = (spot.last_price - spot.previous_close) * (option.greeks.delta or 0.0)
        return option, worth - moved
