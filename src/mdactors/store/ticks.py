"""What a store of ticks does, and what it keeps of each."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import msgspec

from mdactors.market.tick import Tick

SNAPSHOT, REPEAT, LATE, EXCHANGE_TIMED = 1, 2, 4, 8
"""The bits of ``flags``; the last says that ``tick_timestamp`` is the exchange's, not the receipt."""


class StoredTick(msgspec.Struct, frozen=True, gc=False):
    """One row: the columns of every store, in their order. Times are epoch milliseconds."""

    instrument_token: int
    tradingsymbol: str
    exchange: str
    tick_timestamp: int
    """The exchange's time of the update where it was said, else the receipt."""
    raw_tick_data: bytes
    """The broker's bytes."""
    received_at: int
    epoch: int
    seq: int
    type: str
    last_price: float | None
    volume: int | None
    open: float | None
    high: float | None
    low: float | None
    previous_close: float | None
    open_interest: int | None
    average_price: float | None
    last_quantity: int | None
    buy_quantity: int | None
    sell_quantity: int | None
    depth: bytes | None
    """The merged book and below the merged sensitivities, as packed by ``source``."""
    greeks: bytes | None
    iv: float | None
    last_trade_time: int | None
    source: str
    flags: int


COLUMNS = StoredTick.__struct_fields__


class TickStore(abc.ABC):
    """Keeps ticks on disk. Safe to use from any thread; every method blocks."""

    refused = 0
    """How many ticks were left out because they can never be kept."""

    @abc.abstractmethod
    def write(self, ticks: Sequence[Tick]) -> int:
        """Keep these ticks, all of them or none, but for those that can never be kept.

        Those are left out, counted in `refused` and logged, so that one of them does not hold up the rest.

        Returns:
            How many were written.

        Raises:
            StoreError: nothing was written.
        """

    @abc.abstractmethod
    def read(
        self,
        token: int,
        from_ns: int,
        to_ns: int,
        limit: int,
        after: StoredTick | None = None,
    ) -> list[StoredTick]:
        """One page of an instrument's ticks, oldest first, both ends inclusive.

        The next page is the one ``after`` the last row of this one.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def count(self) -> int:
        """How many ticks are kept.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give back files and connections."""


def row_of(tick: Tick) -> tuple[Any, ...]:
    """A tick as a row of `COLUMNS`."""
    instrument, quote = tick.instrument, tick.quote
    received = tick.received_ns // 1_000_000
    time = quote.exchange_time
    flags = tick.snapshot * SNAPSHOT | tick.repeat * REPEAT | tick.late * LATE
    if time is None:
        time = received
    else:
        flags |= EXCHANGE_TIMED
    # Book and sensitivities as the broker packed them: to build and pack them anew would cost more
    # than all the rest.
    return (
        instrument.token, instrument.symbol, instrument.exchange, time, quote.raw,
        received, tick.epoch, tick.seq, instrument.type, quote.last_price, quote.volume,
        quote.open, quote.high, quote.low, quote.previous_close, quote.open_interest,
        quote.average_price, quote.last_quantity, quote.buy_quantity, quote.sell_quantity,
        quote.book, quote.sensitivities, quote.iv, quote.last_trade_time, tick.source, flags,
    )  # fmt: skip
