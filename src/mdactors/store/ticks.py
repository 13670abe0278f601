"""What a store of ticks does, and what it keeps of each."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from mdactors.market.instrument import Instrument, InstrumentType
from mdactors.market.phase import PHASES
from mdactors.market.position import Position
from mdactors.market.quote import Auction, BrokerBar, Quote
from mdactors.market.tick import Tick
from mdactors.store.gaps import Gap, Gaps
from mdactors.store.refused import RefusedTicks

SNAPSHOT, REPEAT, LATE, EXCHANGE_TIMED, ETF = 1, 2, 4, 8, 16
"""The bits of ``flags``; the fourth says that ``tick_timestamp`` is the exchange's, not the receipt."""
NAME_SHIFT, NAMES = 5, 7
"""Behind them stand three that say which of `Instrument.forms` was sent as ``symbol``: 0 is the bare one."""
PHASE_SHIFT = 8
"""And behind them the place of its phase in `PHASES`: 0 is open."""
NS_PER_MS = 1_000_000
FOREVER_NS = 2**62
QuoteClass: TypeAlias = type[Quote]


class Extra(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What few ticks say, in one column as MessagePack. The order is the format: new fields go last."""

    open_interest_high: int | None = None
    open_interest_low: int | None = None
    open_interest_change: int | None = None
    auction: Auction | None = None
    minute: BrokerBar | None = None


_NOTHING = Extra()
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Extra).decode


class StoredTick(msgspec.Struct, frozen=True, gc=False):
    """One row: the columns of every store, in their order. Times are epoch milliseconds."""

    instrument_token: int
    tradingsymbol: str
    exchange: str
    tick_timestamp: int
    """The exchange's time of the update where it was said, else the receipt."""
    raw_tick_data: bytes
    """The broker's bytes; empty where ``store.raw`` is off."""
    received_at: int
    epoch: int
    seq: int
    type: InstrumentType
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
    instrument_key: str
    extra: bytes | None = None
    """An `Extra`; None where it would say nothing."""

    def tick(self, quote: QuoteClass) -> Tick:
        """The tick that was sent; ``quote`` is the class of its source's quotes, which reads its book."""
        segment = self.instrument_key.partition("|")[0]
        instrument = Instrument(
            self.instrument_token, self.tradingsymbol, self.exchange, segment, self.type,
            self.instrument_key, etf=bool(self.flags & ETF),
        )  # fmt: skip
        if form := self.flags >> NAME_SHIFT & NAMES:
            instrument = msgspec.structs.replace(instrument, own_name=instrument.forms[form])
        extra = _NOTHING if self.extra is None else _unpack(self.extra)
        said = quote(
            self.instrument_token, "full", self.last_price, self.last_quantity, self.last_trade_time,
            self.volume, self.average_price, self.open, self.high, self.low, self.previous_close,
            self.open_interest, self.buy_quantity, self.sell_quantity,
            self.tick_timestamp if self.flags & EXCHANGE_TIMED else None,
            self.iv, self.depth, self.greeks, self.raw_tick_data, True,
            open_interest_high=extra.open_interest_high, open_interest_low=extra.open_interest_low,
            auction=extra.auction, minute=extra.minute,
        )  # fmt: skip
        return Tick(
            instrument, said, self.source, self.epoch, self.seq, self.received_at * NS_PER_MS,
            bool(self.flags & SNAPSHOT), bool(self.flags & REPEAT), bool(self.flags & LATE),
            PHASES[self.flags >> PHASE_SHIFT], extra.open_interest_change,
        )  # fmt: skip


COLUMNS = StoredTick.__struct_fields__


class TickStore(abc.ABC):
    """Keeps ticks on disk, and with them how far a journal was stored.

    Safe to use from any thread; every method blocks.
    """

    refused: RefusedTicks
    """What was set aside."""
    gaps: Gaps
    """What the journal lacked."""

    @abc.abstractmethod
    def position(self, journal: str) -> Position | None:
        """How far this journal is stored; None where nothing of it is.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def write(
        self, ticks: Sequence[Tick], after: Position | None, upto: Position, gaps: Sequence[Gap] = ()
    ) -> int:
        """Keep these ticks and ``upto`` in one transaction, if ``after`` is the position that is stored.

        A tick that can never be kept is set aside in the same transaction with the reason, so that it
        does not hold up the rest. ``gaps``: what is missing between both positions.

        Returns:
            How many were set aside.

        Raises:
            PositionMoved: another position is stored: somebody else writes this journal; nothing was
                written.
            TableFault: a table refuses good ticks; nothing was written.
            StoreError: the store is away. Nothing was written, or, where the connection was lost while
                committing, everything: read the position again.
        """

    @abc.abstractmethod
    def read(
        self, token: int, from_ns: int, to_ns: int, limit: int, after: StoredTick | None = None
    ) -> list[StoredTick]:
        """One page of an instrument's ticks by ``tick_timestamp``, oldest first, both ends inclusive.

        The order is (tick_timestamp, epoch, seq, source); the next page is the one ``after`` the last row
        of this one.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def last(self, token: int, from_ns: int, to_ns: int) -> StoredTick | None:
        """The last one in `read`'s order of an instrument's ticks within these times, both ends inclusive.

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def received(
        self, from_ns: int, to_ns: int, limit: int, after: StoredTick | None = None
    ) -> list[StoredTick]:
        """One page of all instruments' ticks by time of receipt, both ends inclusive.

        The order is (received_at, instrument_token, epoch, seq, source).

        Raises:
            StoreError: the store cannot be read.
        """

    @abc.abstractmethod
    def newest(self, since_ns: int, before_ns: int = FOREVER_NS) -> list[StoredTick]:
        """Each instrument's newest tick among those received since then and before the other time.

        What says to be of a while after ``before_ns`` may be passed over.

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
    def maintain(self, now_ns: int) -> list[str]:
        """Make room ahead and delete what is too old; what a person should know of, one line each.

        Too old are ticks, ticks that were set aside, and bars of a second; bars of a minute stay. What is
        much is deleted by and by: each call takes a few seconds at most.

        Raises:
            StoreError: the store is away.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give back files and connections."""


def page_by_time(
    token: int, from_ns: int, to_ns: int, limit: int, after: StoredTick | None
) -> tuple[int | str, ...]:
    """What a store is asked for by `TickStore.read`: token, first and last millisecond, place, limit.

    The page begins behind the place, which is in the order of that page.
    """
    first, last = _milliseconds(from_ns, to_ns)
    if after is None:
        return token, first, last, first - 1, 0, 0, "", limit
    # The first millisecond moves as well: an index is read from there.
    place = (after.tick_timestamp, after.epoch, after.seq, after.source)
    return token, max(first, after.tick_timestamp), last, *place, limit


def last_within(token: int, from_ns: int, to_ns: int) -> tuple[int, int, int]:
    """What a store is asked for by `TickStore.last`: token, first and last millisecond."""
    return token, *_milliseconds(from_ns, to_ns)


AHEAD_MS = 60_000
"""No exchange's clock is so far ahead of ours."""


def newest_within(since_ns: int, before_ns: int) -> tuple[int, int, int]:
    """What a store is asked for by `TickStore.newest`: first and last millisecond, last `tick_timestamp`."""
    first, last = _milliseconds(since_ns, before_ns - 1)
    return first, last, last + AHEAD_MS


def page_by_receipt(from_ns: int, to_ns: int, limit: int, after: StoredTick | None) -> tuple[int | str, ...]:
    """The same for `TickStore.received`: first and last millisecond, place, limit."""
    first, last = _milliseconds(from_ns, to_ns)
    if after is None:
        return first, last, first - 1, 0, 0, 0, "", limit
    place = (after.received_at, after.instrument_token, after.epoch, after.seq, after.source)
    return max(first, after.received_at), last, *place, limit


def _milliseconds(from_ns: int, to_ns: int) -> tuple[int, int]:
    """The first and the last whole millisecond within."""
    return -(-from_ns // NS_PER_MS), to_ns // NS_PER_MS


def row_of(tick: Tick, *, raw: bool = True, zero_ms: int = 0, per_ms: int = 1) -> tuple[Any, ...]:
    """A tick as a row of `COLUMNS`; its times count from ``zero_ms``, ``per_ms`` in a millisecond."""
    instrument, quote = tick.instrument, tick.quote
    received = (tick.received_ns // NS_PER_MS - zero_ms) * per_ms
    time, traded = quote.exchange_time, quote.last_trade_time
    flags = tick.snapshot * SNAPSHOT | tick.repeat * REPEAT | tick.late * LATE | instrument.etf * ETF
    if time is None:
        time = received
    else:
        time = (time - zero_ms) * per_ms
        flags |= EXCHANGE_TIMED
    if traded is not None:
        traded = (traded - zero_ms) * per_ms
    if instrument.own_name:
        flags |= _form(instrument) << NAME_SHIFT
    if tick.phase != "open":
        flags |= PHASES.index(tick.phase) << PHASE_SHIFT
    # Book and sensitivities as the broker packed them: to build and pack them anew would cost more
    # than all the rest.
    return (
        instrument.token, instrument.symbol, instrument.exchange, time, quote.raw if raw else b"",
        received, tick.epoch, tick.seq, instrument.type, quote.last_price, quote.volume,
        quote.open, quote.high, quote.low, quote.previous_close, quote.open_interest,
        quote.average_price, quote.last_quantity, quote.buy_quantity, quote.sell_quantity,
        quote.book, quote.sensitivities, quote.iv, traded, tick.source, flags,
        instrument.key, _extra(tick),
    )  # fmt: skip


def _extra(tick: Tick) -> bytes | None:
    quote = tick.quote
    high, low, change = quote.open_interest_high, quote.open_interest_low, tick.open_interest_change
    if high is None and low is None and change is None and quote.auction is None and quote.minute is None:
        return None
    return _pack(Extra(high, low, change, quote.auction, quote.minute))


def _form(instrument: Instrument) -> int:
    """Which of its forms it is called; 0 where it is none of them, which no table gives."""
    return next((place for place, form in enumerate(instrument.forms) if form == instrument.own_name), 0)
