"""Where a tick stands in the journal, and how far bars are made of ticks."""

from __future__ import annotations

import msgspec


class Position(msgspec.Struct, frozen=True, gc=False):
    """The place behind a record of a journal; the store commits it together with the record's rows.

    ``ticks`` counts every tick from the journal's birth up to here, so that the difference of two
    positions is how many lie between them.
    """

    journal: str
    """The journal's id: a journal that is deleted and begun anew has another."""
    segment: int
    offset: int
    """Bytes from the segment's begin."""
    ticks: int

    def since(self, before: Position) -> int:
        """How many ticks lie between; at least one where the two differ at all."""
        is_other = (self.segment, self.offset) != (before.segment, before.offset)
        return max(int(is_other), self.ticks - before.ticks)

    def is_beyond(self, other: Position) -> bool:
        """Whether this stands further on than the other."""
        return (self.segment, self.offset) > (other.segment, other.offset)


class BarPosition(msgspec.Struct, frozen=True, gc=False):
    """How far bars are made; a store commits it together with the last of them.

    All times are epoch milliseconds; 0 where there is none yet.
    """

    received: int
    """What was received before is in the bars; of what came from then on, a part may be."""
    exchange: int
    """Bars that end by then are handed out, of trades with the exchange's time; newer ones are to come."""
    receipt: int
    """The same of trades that only have a time of receipt: those clocks may be seconds apart."""
