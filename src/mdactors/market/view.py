"""How a tick is written for clients: JSON by the contract's table, or flat."""

from __future__ import annotations

from typing import Literal

import msgspec

from mdactors.market.instrument import Instrument, InstrumentType
from mdactors.market.interest import View
from mdactors.market.ist import iso
from mdactors.market.moment import read_moment
from mdactors.market.phase import Phase
from mdactors.market.quote import Auction, Depth, Greeks, Mode, Quote
from mdactors.market.tick import Tick

FULL_RUNGS = 5
"""How deep a book the mode full shows; depth30 shows all that was said."""
NS_PER_MS = 1_000_000
LARGEST = 2.0**53
"""Beyond it JSON's readers do not keep a whole number: no figure of a market is so large."""

_encode = msgspec.json.Encoder().encode


class _Ohlc(msgspec.Struct, omit_defaults=True, gc=False):
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None


Side = Literal["buy", "sell"]


class AuctionWords(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """What an auction would make, for clients; ``side`` says whose orders are left over."""

    price: float | None = None
    reference_price: float | None = None
    matched: int | None = None
    imbalance: int | None = None
    side: Side | None = None


class _Tick(msgspec.Struct, omit_defaults=True, rename="camel", gc=False):
    # None is the default of what may be unknown, so that it is left out, while a zero is not.
    symbol: str
    instrument_token: int
    type: InstrumentType
    exchange: str
    instrument_key: str
    source: str
    timestamp: str
    timestamp_source: str
    received_at: str
    epoch: int
    seq: int
    last_trade_time: str | None = None
    last_traded_price: float | None = None
    volume: int | None = None
    ohlc: _Ohlc | None = None
    change: float | None = None
    change_percent: float | None = None
    etf: bool = False
    snapshot: bool = False
    repeat: bool = False
    late: bool = False
    phase: Phase = "open"
    average_price: float | None = None
    last_quantity: int | None = None
    open_interest: int | None = None
    open_interest_high: int | None = None
    open_interest_low: int | None = None
    open_interest_change: int | None = None
    buy_quantity: int | None = None
    sell_quantity: int | None = None
    depth: Depth | None = None
    greeks: Greeks | None = None
    iv: float | None = None
    auction: AuctionWords | None = None


_read = msgspec.json.Decoder(_Tick).decode


class _Flat(msgspec.Struct, omit_defaults=True, rename="camel", gc=False):
    instrument_key: str
    key: str
    symbol: str
    timestamp: int
    seq: int
    source: str
    ltp: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: int | None = None
    change: float | None = None
    change_percent: float | None = None


def encode(tick: Tick, view: View) -> bytes:
    """The tick as JSON: what is unknown is left out, never null."""
    if view.shape == "flat":
        return _encode(_flat(tick))
    written = _head(tick, view.mode)
    if view.mode in ("full", "depth30"):
        _add_book(written, tick, view.mode)
    return _encode(written)


def read_quote(data: bytes, instrument: Instrument) -> Tick:
    """The instrument's tick that `encode` wrote in the mode quote, as far as that shows it."""
    written = _read(data)
    ohlc = written.ohlc or _Ohlc()
    exchange = written.timestamp_source == "exchange"
    quote = Quote(
        instrument.token, "quote", written.last_traded_price,
        last_trade_time=None if written.last_trade_time is None else _epoch_ms(written.last_trade_time),
        volume=written.volume, open=ohlc.open, high=ohlc.high, low=ohlc.low, previous_close=ohlc.close,
        exchange_time=_epoch_ms(written.timestamp) if exchange else None,
    )  # fmt: skip
    received_ns = _epoch_ms(written.received_at) * NS_PER_MS
    return Tick(
        instrument, quote, written.source, written.epoch, written.seq, received_ns,
        written.snapshot, written.repeat, written.late, written.phase,
    )  # fmt: skip


def as_snapshot(tick: Tick) -> Tick:
    """The same tick, flagged as a snapshot."""
    return tick if tick.snapshot else msgspec.structs.replace(tick, snapshot=True)


def change_since(close: float | None, last: float | None) -> tuple[float | None, float | None]:
    """Since the previous close, and that in per cent; no more digits than a price has."""
    if last is None or not close:
        return None, None
    # Floor division and not `round`: four times as fast, and it does not raise for infinities.
    change = last - close
    part = change * 1e4 / close
    if not (-LARGEST < change < LARGEST and -LARGEST < part < LARGEST):
        return None, None  # a broker's nonsense: next to nothing, or beyond what JSON's readers keep
    return (change * 1e4 + 0.5) // 1 / 1e4, (part + 0.5) // 1 / 1e2


def _head(tick: Tick, mode: Mode) -> _Tick:
    instrument, quote = tick.instrument, tick.quote
    received = tick.received_ns // NS_PER_MS
    last, close, traded = quote.last_price, quote.previous_close, quote.last_trade_time
    exchange_time = quote.exchange_time
    volume = ohlc = None
    if mode != "ltp":
        volume = quote.volume
        if volume is None and instrument.type == "INDEX":
            volume = 0
        if close is not None or quote.open is not None or quote.high is not None or quote.low is not None:
            ohlc = _Ohlc(quote.open, quote.high, quote.low, close)
    change, percent = change_since(close, last)
    received_at = iso(received)
    # By position, in the order of the fields: names would cost a quarter more. A property would, too.
    return _Tick(
        instrument.own_name or instrument.symbol, instrument.token, instrument.type, instrument.exchange,
        instrument.key, tick.source,
        received_at if exchange_time is None else iso(exchange_time),
        "receipt" if exchange_time is None else "exchange",
        received_at, tick.epoch, tick.seq,
        None if traded is None else iso(traded),
        last, volume, ohlc, change, percent,
        instrument.etf, tick.snapshot, tick.repeat, tick.late, tick.phase,
    )  # fmt: skip


def _add_book(written: _Tick, tick: Tick, mode: Mode) -> None:
    quote = tick.quote
    written.average_price = quote.average_price
    written.last_quantity = quote.last_quantity
    written.open_interest = quote.open_interest
    written.open_interest_high = quote.open_interest_high
    written.open_interest_low = quote.open_interest_low
    written.open_interest_change = tick.open_interest_change
    written.buy_quantity = quote.buy_quantity
    written.sell_quantity = quote.sell_quantity
    written.greeks = quote.greeks()
    written.iv = quote.iv
    depth = quote.depth()
    if depth is not None and mode == "full":
        depth = depth.best(FULL_RUNGS)
    written.depth = depth
    if quote.auction is not None:
        written.auction = auction_words(quote.auction)


def auction_words(said: Auction) -> AuctionWords:
    """An auction as clients are told it."""
    left = said.imbalance
    side: Side | None = None
    if left:
        side = "buy" if left > 0 else "sell"
    return AuctionWords(
        said.price, said.reference_price, said.matched, None if left is None else abs(left), side
    )


def _epoch_ms(text: str) -> int:
    return read_moment(text) // NS_PER_MS


def _flat(tick: Tick) -> _Flat:
    instrument, quote = tick.instrument, tick.quote
    symbol, time = instrument.symbol, quote.exchange_time
    change, percent = change_since(quote.previous_close, quote.last_price)
    return _Flat(  # its first field is the instrument's `segment_key`: calling that would cost more
        f"{instrument.segment}|{symbol}", instrument.key, instrument.own_name or symbol,
        tick.received_ns // NS_PER_MS if time is None else time,
        tick.seq, tick.source,
        quote.last_price, quote.open, quote.high, quote.low, quote.previous_close,
        0 if quote.volume is None and instrument.type == "INDEX" else quote.volume,
        change, percent,
    )  # fmt: skip
