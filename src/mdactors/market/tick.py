"""What we say: a quote with an identity, a number and the time it came."""

from __future__ import annotations

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.phase import Phase
from mdactors.market.quote import Quote


class Tick(msgspec.Struct, gc=False, array_like=True):
    """One update of one instrument, the same object for hub, cache, candles and journal.

    ``quote`` is complete: what the broker left out was merged in. ``seq`` counts from 1 per
    instrument within ``epoch``. Nobody changes a tick once it is published. The order of the
    fields is the journal's format: new ones go last.
    """

    instrument: Instrument
    quote: Quote
    source: str
    epoch: int
    seq: int
    received_ns: int
    """Wall time of the frame's receipt, nanoseconds since 1970."""
    snapshot: bool = False
    repeat: bool = False
    """It says what the last one said."""
    late: bool = False
    """Its exchange time lies before the last one's."""
    phase: Phase = "open"
    """Of its instrument at the time of the update."""
    open_interest_change: int | None = None
    """Since the trading date began; None where nobody knows what it began with."""
