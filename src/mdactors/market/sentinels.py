"""Prices that are none: what stands on the wire in the place of one that nobody has."""

from __future__ import annotations

from mdactors.market.quote import Quote

DIVISORS = (100.0, 1e4, 1e7)
"""What exchanges' whole numbers are divided by, each for its segments."""
EXTREMES = (2**31 - 1, 2**31)
SENTINELS = frozenset(
    sign * rupees
    for rupees in (2e7, *(extreme / divisor for extreme in EXTREMES for divisor in DIVISORS))
    for sign in (1, -1)
)
"""In rupees: the extremes of 32 bits, and twenty million."""
_PRICES = ("last_price", "average_price", "open", "high", "low", "previous_close")


def refuse_sentinels(quote: Quote) -> list[str]:
    """Make every price of the quote that is a sentinel *not known*.

    Returns:
        What was refused, for a person.
    """
    found = [name for name in _PRICES if getattr(quote, name) in SENTINELS]
    refused = [f"{quote.token}: {name} {getattr(quote, name)}" for name in found]
    for name in found:
        setattr(quote, name, None if quote.complete else 0.0)
    return refused
