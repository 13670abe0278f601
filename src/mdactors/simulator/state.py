"""What the exchange knows of one instrument at one moment: price, day, minute, book."""

from __future__ import annotations

from typing import Protocol

import msgspec

from mdactors.market.instrument import InstrumentRow
from mdactors.market.quote import Auction, Greeks, Level

MINUTE_MS = 60_000


class Book(Protocol):
    """Both sides of an instrument's offers, best price first, never an empty rung."""

    def bids(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the buying side (up to 30 exist)."""

    def asks(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the selling side (up to 30 exist)."""


class FixedBook(msgspec.Struct, frozen=True):
    """A book as it was recorded; an index has the empty one."""

    buy: tuple[Level, ...] = ()
    sell: tuple[Level, ...] = ()

    def bids(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the buying side."""
        return list(self.buy[:count])

    def asks(self, count: int) -> list[Level]:
        """At most ``count`` rungs of the selling side."""
        return list(self.sell[:count])


class Candle(msgspec.Struct):
    """One minute of trading; ``start_ms`` is its first millisecond."""

    open: float
    high: float
    low: float
    close: float
    volume: int
    start_ms: int


class PriceState(msgspec.Struct, eq=False):
    """One instrument now. The venue changes it in place on the loop's thread; `copy` keeps a moment.

    Prices are rupees on the instrument's tick grid, times epoch milliseconds, quantities pieces
    (contracts times lot size for derivatives). An index has neither volume, quantities nor book.
    """

    instrument: InstrumentRow
    last_price: float
    previous_close: float
    open: float
    high: float
    low: float
    last_quantity: int = 0
    last_trade_time: int = 0
    exchange_time: int = 0
    volume: int = 0
    average_price: float = 0.0
    open_interest: int = 0
    open_interest_high: int = 0
    open_interest_low: int = 0
    buy_quantity: int = 0
    sell_quantity: int = 0
    greeks: Greeks | None = None
    iv: float | None = None
    """Implied volatility as a fraction."""
    minute: Candle | None = None
    """The running minute."""
    last_minute: Candle | None = None
    """The last completed minute in which there was an update."""
    book: Book = FixedBook()
    turnover: float = 0.0
    """Rupees traded today; ``average_price`` is turnover by volume."""
    auction: Auction | None = None
    """What the orders of an auction would make of it, while there is one."""
    version: int = 0
    """Counts the updates; equal versions mean equal contents."""

    @property
    def token(self) -> int:
        """The instrument's token."""
        return self.instrument.token

    def bids(self, count: int = 5) -> list[Level]:
        """At most ``count`` (of up to 30) buying rungs, best first."""
        return self.book.bids(count)

    def asks(self, count: int = 5) -> list[Level]:
        """At most ``count`` (of up to 30) selling rungs, best first."""
        return self.book.asks(count)

    def copy(self) -> PriceState:
        """This moment, which no later update changes."""
        book = FixedBook(tuple(self.bids(30)), tuple(self.asks(30)))
        minute = self.minute and msgspec.structs.replace(self.minute)
        return msgspec.structs.replace(self, book=book, minute=minute)
