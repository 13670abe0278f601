"""What a recording holds: one event after another, each an update of one instrument or a raw frame."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from mdactors.market.quote import Greeks
from mdactors.simulator.state import Candle, FixedBook
from mdactors.store.frames import RawFrame


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """One recorded update: when, of what (by the recording's own name for it), which price."""

    time_ms: int
    name: str
    price: float
    quantity: int = 0
    """Traded at this price, where only bars were recorded."""

    @property
    def order(self) -> tuple[int, int, int]:
        """Its place among the others."""
        return self.time_ms, 0, 0


class Tick(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A recorded update with everything that the broker said; absent words are zero."""

    time_ms: int
    """When it came."""
    name: str
    price: float
    quantity: int = 0
    traded_ms: int = 0
    previous_close: float = 0.0
    volume: int = 0
    open_interest: int = 0
    average_price: float = 0.0
    buy_quantity: int = 0
    sell_quantity: int = 0
    book: FixedBook = FixedBook()
    exchange_ms: int = 0
    """The exchange's time of the update; 0: it is taken for that of its receipt."""
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    open_interest_high: int = 0
    open_interest_low: int = 0
    greeks: Greeks | None = None
    iv: float | None = None
    minute: Candle | None = None
    """The broker's own bar, where one was recorded: none is made up beside what was."""
    epoch: int = 0
    seq: int = 0

    @property
    def order(self) -> tuple[int, int, int]:
        """Its place among the others: of one millisecond the numbers decide."""
        return self.time_ms, self.epoch, self.seq


Update: TypeAlias = Event | Tick
Recorded: TypeAlias = Event | Tick | RawFrame
