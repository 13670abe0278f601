"""Ticks as a live Kite feed gives them: full packets of a made-up market, decoded and numbered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec

from mdactors.market.numbering import Numbering
from mdactors.market.tick import Tick
from mdactors.runtime import MACHINE
from mdactors.simulator import Exchange
from mdactors_kite import simulator_packets as wire
from mdactors_kite.adapter import KiteAdapter, KiteSettings

INSTRUMENTS = 2000
RATE = 5_000
TICKS_A_FRAME = 20
NS = 1_000_000_000
OF_ONE_PER_SECOND = 2


def frames_of_ticks(count: int, instruments: int = INSTRUMENTS) -> Iterator[Sequence[Tick]]:
    """About ``count`` ticks of so many instruments, 5,000 a second from now on, a frame at a time."""
    started_ns = MACHINE.time_ns()
    exchange = Exchange.of_size(instruments, rate=RATE)
    adapter = KiteAdapter(KiteSettings())
    numbering = Numbering(
        "kite", started_ns // 1_000_000, {each.token: each for each in exchange.instruments}
    )
    made = 0
    while made < count:
        changed = exchange.advance(exchange.now_ms + exchange.stride_ms)
        packets = [wire.packet(state, "full") for state in changed]
        for frame in wire.frames(packets, TICKS_A_FRAME):
            quotes = adapter.decode(frame).quotes
            yield numbering.number(quotes, started_ns + made * NS // RATE)
            made += len(quotes)


def ticks_of_one(symbol: str, count: int) -> list[Tick]:
    """So many ticks of one NSE share, two a second until now."""
    tick = next(
        tick
        for tick in itertools.chain.from_iterable(frames_of_ticks(1 << 30, 0))
        if tick.instrument.symbol == symbol and tick.instrument.exchange == "NSE"
    )
    first_ns = MACHINE.time_ns() - count * NS // OF_ONE_PER_SECOND
    return [_again(tick, number, first_ns + number * NS // OF_ONE_PER_SECOND) for number in range(count)]


def _again(tick: Tick, number: int, at_ns: int) -> Tick:
    quote = msgspec.structs.replace(tick.quote, exchange_time=at_ns // 1_000_000)
    return msgspec.structs.replace(tick, quote=quote, seq=number + 1, received_ns=at_ns)
