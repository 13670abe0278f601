"""Frames like a busy second's, made here by hand: every packet of a frame differs.

An instrument's previous close and the day's volume are the same in every frame, so that none is in doubt.
"""

from __future__ import annotations

import random
import struct

from mdactors.adapter import BrokerToken
from mdactors.market.instrument import Instrument

NOW_SECONDS = 1_790_658_001


def _share(token: int, key: str) -> Instrument:
    return Instrument(token, f"SHARE{token >> 8}", "NSE", "NSE_EQ", "STOCK", key)


def kite_instruments(count: int) -> dict[BrokerToken, Instrument]:
    """The shares of `kite_frame`, by Kite's token."""
    return {(n << 8) | 1: _share((n << 8) | 1, f"NSE_EQ|SHARE{n}") for n in range(1, count + 1)}


def kite_frame(count: int, seed: int) -> bytes:
    """A frame of full packets, one a share."""
    chance = random.Random(seed)
    packets = [_kite_packet((n << 8) | 1, chance) for n in range(1, count + 1)]
    return struct.pack(">H", count) + b"".join(struct.pack(">H", len(p)) + p for p in packets)


def _kite_packet(token: int, chance: random.Random) -> bytes:
    price, close, volume = chance.randrange(10_000, 400_000), 100_000 + token, 10**6 + token
    head = struct.pack(
        ">IiIiIIIiiiiIIIII",
        token, price, chance.randrange(1, 500), price - 12, volume, 412_330, 508_114,
        price - 50, price + 120, price - 160, close, NOW_SECONDS - 1, 0, 0, 0, NOW_SECONDS,
    )  # fmt: skip
    rungs = [price - 5 * n for n in range(1, 6)] + [price + 5 * n for n in range(1, 6)]
    book = (struct.pack(">IiHxx", chance.randrange(1, 9999), rung, chance.randrange(1, 30)) for rung in rungs)
    return head + b"".join(book)


def upstox_instruments(count: int) -> dict[BrokerToken, Instrument]:
    """The shares of `upstox_frame`, by Upstox's key."""
    return {key: _share((n << 8) | 1, key) for n, key in enumerate(_upstox_keys(count), 1)}


def _upstox_keys(count: int) -> list[str]:
    return [f"NSE_EQ|INE{n:06d}01{n % 10}" for n in range(1, count + 1)]


def upstox_frame(count: int, seed: int) -> bytes:
    """A live frame of full feeds with five rungs and both candles, by the official schema."""
    from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

    chance = random.Random(seed)
    frame = official.FeedResponse(type=1, currentTs=NOW_SECONDS * 1000 + 480)
    for n, key in enumerate(_upstox_keys(count), 1):
        price = chance.randrange(10_000, 400_000) / 100
        feed = frame.feeds[key]
        feed.requestMode = 1
        full = feed.fullFeed.marketFF
        full.ltpc.ltp, full.ltpc.cp = price, 1000.0 + n
        full.ltpc.ltt, full.ltpc.ltq = NOW_SECONDS * 1000 - 300, chance.randrange(1, 500)
        for rung in range(1, 6):
            full.marketLevel.bidAskQuote.add(
                bidQ=chance.randrange(1, 9999),
                bidP=price - rung / 20,
                askQ=chance.randrange(1, 9999),
                askP=price + rung / 20,
            )
        full.optionGreeks.SetInParent()
        minute_ms = NOW_SECONDS * 1000 // 60_000 * 60_000 - 60_000
        for interval, at, begin, volume in (
            ("1d", price, 0, 7_790_518),
            ("I1", 900.0 + n, minute_ms, 45_682),
        ):
            full.marketOHLC.ohlc.add(
                interval=interval, open=at - 5, high=at + 9, low=at - 8, close=at, vol=volume, ts=begin
            )
        full.atp, full.vtt = price - 1, 10**6 + n
        full.tbq, full.tsq = 359_157.0, 421_241.0
    return bytes(frame.SerializeToString())
