"""What an instrument is worth at a moment: one small process for each kind of instrument."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Sequence
from typing import Protocol

from mdactors.market.instrument import Instrument
from mdactors.market.quote import Greeks
from mdactors.simulator.greeks import RATE, price_option
from mdactors.simulator.session import CLOSES, IST_MS
from mdactors.simulator.state import PriceState

_YEAR_MS = 365 * 86_400_000
_HOUR_MS = 3_600_000
_PULL = 2e-4  # per second: a deviation halves within an hour


class FairValue(Protocol):
    """What an instrument is worth; asked with times that never go back."""

    def at(self, now_ms: int) -> float:
        """The value in rupees (or points)."""


class Walk:
    """A mean-reverting deviation around zero, as a fraction; ``size`` is its movement in a second."""

    __slots__ = ("_last_ms", "_rng", "_size", "value")

    def __init__(self, rng: random.Random, size: float, start_ms: int, start: float = 0.0) -> None:
        self._rng = rng
        self._size = size
        self._last_ms = start_ms
        self.value = start

    def at(self, now_ms: int) -> float:
        """The deviation now."""
        seconds = (now_ms - self._last_ms) / 1000
        if seconds > 0:
            self._last_ms = now_ms
            pull = _PULL * seconds
            noise = self._rng.gauss(0.0, 1.0) * self._size * math.sqrt(seconds)
            self.value = self.value * (1 - pull if pull < 1 else 0.0) + noise
        return self.value


class Mood:
    """The factor that moves all shares together; stepped each second, whoever asks."""

    def __init__(self, rng: random.Random, start_ms: int) -> None:
        self._walk = Walk(rng, 7e-5, start_ms)
        self._next_ms = start_ms

    def at(self, now_ms: int) -> float:
        """The factor now, as a fraction."""
        while self._next_ms <= now_ms:
            self._walk.at(self._next_ms)
            self._next_ms += 1000
        return self._walk.value


class ShareValue:
    """Around a reference price, with the market's mood and a walk of its own."""

    __slots__ = ("_beta", "_mood", "_own", "_reference")

    def __init__(self, reference: float, beta: float, mood: Mood, own: Walk) -> None:
        self._reference = reference
        self._beta = beta
        self._mood = mood
        self._own = own

    def at(self, now_ms: int) -> float:
        """The share's value."""
        return self._reference * (1.0 + self._beta * self._mood.at(now_ms) + self._own.at(now_ms))


class TwinValue:
    """A share on the other exchange: the first one's price with a little noise."""

    def __init__(self, first: PriceState, own: Walk) -> None:
        self._first = first
        self._own = own

    def at(self, now_ms: int) -> float:
        """The twin's value."""
        return self._first.last_price * (1.0 + 0.02 * self._own.at(now_ms))


class IndexValue:
    """The previous close, moved by its members' weighted changes."""

    def __init__(self, previous_close: float, members: Sequence[tuple[PriceState, float]]) -> None:
        whole = sum(weight for _, weight in members)
        self._previous_close = previous_close
        self._members = [(state, weight / whole / state.previous_close) for state, weight in members]

    def at(self, now_ms: int) -> float:  # noqa: ARG002 - the members know the time
        """The index's level."""
        return self._previous_close * sum(state.last_price * factor for state, factor in self._members)


class VixValue:
    """The volatility index: it rises when the market falls, and has a walk of its own."""

    def __init__(self, reference: float, mood: Mood, own: Walk) -> None:
        self._reference = reference
        self._mood = mood
        self._own = own

    def at(self, now_ms: int) -> float:
        """The index's level."""
        return self._reference * math.exp(6.0 * self._own.at(now_ms) - 5.0 * self._mood.at(now_ms))


class FutureValue:
    """The spot's price, carried to the expiry."""

    def __init__(self, contract: Instrument, spot: PriceState) -> None:
        self._expiry_ms = expiry_ms(contract)
        self._spot = spot

    def at(self, now_ms: int) -> float:
        """The future's value."""
        return self._spot.last_price * math.exp(RATE * _years(self._expiry_ms, now_ms))


class OptionValue:
    """Black and Scholes on the spot's price, with a smile and a volatility that wanders."""

    def __init__(self, contract: Instrument, spot: PriceState, own: Walk) -> None:
        self._expiry_ms = expiry_ms(contract)
        self._spot = spot
        self._own = own
        self._strike = contract.strike
        self._call = contract.option_type == "CE"
        away = math.log(contract.strike / spot.previous_close)
        self._iv = (0.13 if spot.instrument.type == "INDEX" else 0.24) + 1.5 * away * away - 0.1 * away
        self.iv = self._iv
        self.greeks = Greeks()

    def at(self, now_ms: int) -> float:
        """The option's value; `iv` and `greeks` go with it."""
        self.iv = round(self._iv * (1 + 4 * self._own.at(now_ms)), 4)
        years = _years(self._expiry_ms, now_ms)
        spot = self._spot.last_price
        value, self.greeks = price_option(spot, self._strike, years, self.iv, call=self._call)
        return value


def expiry_ms(contract: Instrument) -> int:
    """The close of the expiry day."""
    day = dt.date.fromisoformat(contract.expiry)
    return (day - dt.date(1970, 1, 1)).days * 86_400_000 - IST_MS + CLOSES * 60_000


def _years(until_ms: int, now_ms: int) -> float:
    return max(until_ms - now_ms, _HOUR_MS) / _YEAR_MS
