"""How one broker's feed is, for everybody to see without asking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec

from mdactors.market.quote import BrokerToken


class Judged(msgspec.Struct, frozen=True):
    """What a Normalizer said of its feed."""

    at: float
    """When, in monotonic seconds."""
    word: str
    detail: str
    is_open: bool
    """Whether a segment that it streams is open."""
    segments: frozenset[str] = frozenset()
    """Those that it streams and that are open."""


class FeedReport:
    """Holds what a broker's Normalizer said last, and outlives it; readable from any thread."""

    def __init__(self) -> None:
        self.judged: Judged | None = None
        self.withheld: Mapping[BrokerToken, dt.date] = {}
        """What says a previous close that cannot be told from the day's own, and its trading date."""
