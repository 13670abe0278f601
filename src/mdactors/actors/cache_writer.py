"""The actor that keeps today's ticks hot."""

from __future__ import annotations

from typing import Any

from mdactors.messages import TicksPublished
from mdactors.runtime import Actor, Context, handles
from mdactors.store.cache import Cache


class CacheWriter(Actor):
    """Writes every published tick to the cache; owns nothing but the cache's writing side.

    Receives `TicksPublished`, tells nobody. Its mailbox drops the oldest when the cache is slow, so
    that nothing upstream ever waits for it. Its hooks run in its own thread.
    """

    def __init__(self, context: Context, *, cache: Cache) -> None:
        super().__init__(context)
        self._cache = cache

    @handles(TicksPublished)
    def write(self, message: TicksPublished) -> None:
        """Write one frame's ticks."""
        self._cache.write(message.ticks)

    def describe(self) -> dict[str, Any]:
        """The cache's own counters."""
        return self._cache.stats()
