"""Which numbers can be: everything on the wire is compared with the same bounds."""

from __future__ import annotations

from mdactors.adapter import SENTINELS

LARGEST = 2.0**53
"""Every number stays below it: up to here each JSON reader keeps a whole number whole."""
MOST = 2**53
"""The same to compare whole numbers with: mixed comparisons are slow."""
LARGEST_SQUARE = LARGEST**2
"""The hot path adds squares up, which cannot make up for each other as summands do, compares once, and
asks `check` only in doubt."""
IMPOSSIBLE = "a number is not finite or too large"


def is_price(number: float) -> bool:
    """Whether it can be the price of an order, or of an auction."""
    return number != 0 and -LARGEST < number < LARGEST and number not in SENTINELS


def possible(number: float) -> bool:
    """Whether it can be any number of a market's."""
    return -LARGEST < number < LARGEST


def check(*numbers: float) -> None:
    """Refuse numbers that cannot be.

    Raises:
        ValueError: one is not finite or too large.
    """
    if not all(map(possible, numbers)):
        raise ValueError(IMPOSSIBLE)
