"""Black and Scholes: an option's value and its sensitivities."""

from __future__ import annotations

import math

from mdactors.market.quote import Greeks

RATE = 0.065
_ROOT_TWO = math.sqrt(2)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


def _cumulative(x: float) -> float:
    return 0.5 * (1 + math.erf(x / _ROOT_TWO))


def price_option(spot: float, strike: float, years: float, iv: float, *, call: bool) -> tuple[float, Greeks]:
    """Value and sensitivities; theta is per day, vega and rho per percentage point."""
    spread = iv * math.sqrt(years)
    d1 = (math.log(spot / strike) + (RATE + iv * iv / 2) * years) / spread
    d2 = d1 - spread
    sign = 1 if call else -1
    paid = strike * math.exp(-RATE * years) * _cumulative(sign * d2)
    density = math.exp(-d1 * d1 / 2) / _ROOT_TWO_PI
    delta = sign * _cumulative(sign * d1)
    theta = (-spot * density * iv / (2 * math.sqrt(years)) - sign * RATE * paid) / 365
    greeks = Greeks(
        delta=round(delta, 4),
        theta=round(theta, 4),
        gamma=round(density / (spot * spread), 6),
        vega=round(spot * density * math.sqrt(years) / 100, 4),
        rho=round(sign * paid * years / 100, 4),
    )
    return spot * delta - sign * paid, greeks
