"""What the web side needs of the rest of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from pykka import ActorDeadError

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Interval
from mdactors.market.instruments import InstrumentTable
from mdactors.market.quote import Quote
from mdactors.market.sectors import Sectors
from mdactors.messages import SnapshotAsked
from mdactors.runtime import Address, Clock, Message
from mdactors.store.bars import BarStore
from mdactors.store.cache import Cache
from mdactors.store.instruments import InstrumentStore
from mdactors.store.ticks import TickStore
from mdactors.web.directory import Directory

PRICES_SECONDS = 1.0
"""How long the hub may take to say prices, without which things go on as well."""


class Gateway(msgspec.Struct, frozen=True):
    """Everything that the web side reaches, given by the composition root."""

    clock: Clock
    table: Callable[[], InstrumentTable]
    """The newest instrument table."""
    subscriptions: Address
    """The SubscriptionManager's."""
    hub: Address
    instruments: Address
    """The InstrumentMaster's."""
    instrument_store: InstrumentStore
    views: Address
    """The MarketViews'."""
    feeds: Mapping[str, Sequence[Address]]
    """Broker -> those of its connections."""
    login_address: Callable[[str], str]
    """Of a broker, by its name; empty where it is not known."""
    sectors: Callable[[], Sectors]
    """The newest sectors."""
    cache: Cache
    history: TickStore | None
    """None where ticks are not stored."""
    bars: BarStore | None
    quotes: Mapping[str, type[Quote]]
    """Source -> the class of its quotes, which reads the books that it packed."""
    calendar: Calendar
    intervals: Collection[Interval]
    """Which bars are stored."""
    status: Callable[[], Awaitable[Mapping[str, Any]]]
    health: Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]
    """Whether clients can rely on the feed, with details."""
    ready: Callable[[], bool]
    """Whether the daemon can serve."""

    def directory(self) -> Directory:
        """All that clients may name now."""
        today = ist.date(self.clock.time_ns()).isoformat()
        return Directory(self.table(), self.sectors(), today)

    async def prices(self, tokens: Iterable[int]) -> Mapping[int, float]:
        """Token -> last price, of those of these that have one; of none where the hub does not answer."""
        try:
            ticks = await ask(self.hub, SnapshotAsked(tuple(tokens)), PRICES_SECONDS)
        except (TimeoutError, ActorDeadError):
            return {}
        prices = {tick.instrument.token: tick.quote.last_price for tick in ticks}
        return {token: price for token, price in prices.items() if price is not None}


async def ask(address: Address, question: Message, seconds: float) -> Any:
    """Ask an actor without blocking the loop.

    Raises:
        TimeoutError: no answer in time.
        ActorDeadError: there is no actor any more, or it was replaced meanwhile.
        Exception: whatever the actor raised.
    """
    return await asyncio.wait_for(asyncio.wrap_future(address.ask(question)), seconds)
