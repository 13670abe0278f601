"""Pins: what streams in full for the day although no session wants it."""

from __future__ import annotations

from collections.abc import Set

import msgspec


class Pins(msgspec.Struct, frozen=True):
    """Instruments and sectors that are pinned, until their day ends in India."""

    day: str = ""
    """An ISO date. Tokens are numbers that are used again: they say nothing on another day."""
    tokens: frozenset[int] = frozenset()
    sectors: frozenset[str] = frozenset()
    """Codes; their members are looked up when they are needed."""

    def __len__(self) -> int:
        return len(self.tokens) + len(self.sectors)

    def of(self, day: str) -> Pins:
        """What of them is left on this day: all or nothing."""
        return self if self.day == day else Pins(day)

    def plus(self, tokens: Set[int], sectors: Set[str]) -> Pins:
        """With these."""
        return Pins(self.day, self.tokens | tokens, self.sectors | sectors)

    def minus(self, tokens: Set[int], sectors: Set[str]) -> Pins:
        """Without these; what a sector that stays holds stays pinned with it."""
        return Pins(self.day, self.tokens - tokens, self.sectors - sectors)
