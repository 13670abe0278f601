"""Where a tick stands in the journal."""

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
