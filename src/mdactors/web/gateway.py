"""What the web side needs of the rest of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.runtime import Address, Message


class TodayCache(Protocol):
    """The reading side of the cache of today's ticks."""

    def today(self, token: int, since_ns: int | None, limit: int | None) -> list[bytes]:
        """The newest so many ticks since a time of receipt as JSON, oldest first; may block."""


class Gateway(msgspec.Struct, frozen=True):
    """Everything that the web side reaches, given by the composition root."""

    table: Callable[[], InstrumentTable]
    """The newest instrument table."""
    subscriptions: Address
    """The SubscriptionManager's."""
    hub: Address
    instruments: Address
    """The InstrumentMaster's."""
    cache: TodayCache
    status: Callable[[], Awaitable[Mapping[str, Any]]]
    health: Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]
    """Whether clients can rely on the feed, with details."""
    ready: Callable[[], bool]
    """Whether the daemon can serve."""


async def ask(address: Address, question: Message, seconds: float) -> Any:
    """Ask an actor without blocking the loop.

    Raises:
        TimeoutError: no answer in time.
        ActorDeadError: there is no actor any more, or it was replaced meanwhile.
        Exception: whatever the actor raised.
    """
    return await asyncio.wait_for(asyncio.wrap_future(address.ask(question)), seconds)
