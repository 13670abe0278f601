"""The broker's own bar of the last minute, as each full feed repeats it."""

from __future__ import annotations

from typing import Any

import pytest
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.market.quote import BrokerBar
from mdactors_upstox.codec import UpstoxQuote, decode

MINUTE = 1_795_149_900_000
OVER = MINUTE + 60_000
KINDS = ("marketFF", "indexFF")
WHOLE: dict[str, Any] = {
    "interval": "I1", "open": 101.5, "high": 103.25, "low": 99.75, "close": 102.0, "vol": 4_120, "ts": MINUTE,
}  # fmt: skip


def read(
    kind: str = "marketFF", at: int = OVER + 2_000, snapshot: bool = False, **changed: Any
) -> UpstoxQuote:
    frame = official.FeedResponse(type=0 if snapshot else 1, currentTs=at)
    full = getattr(frame.feeds["NSE_EQ|INE123A01016"].fullFeed, kind)
    full.ltpc.ltp, full.ltpc.ltt = 102.5, OVER + 500
    full.marketOHLC.ohlc.add(interval="1d", open=100.0, high=104.0, low=99.0, close=102.5, vol=9, ts=1)
    full.marketOHLC.ohlc.add(**WHOLE | changed)
    decoded = decode(frame.SerializeToString())
    assert not decoded.bad
    (quote,) = decoded.quotes
    assert isinstance(quote, UpstoxQuote)
    assert (quote.last_price, quote.open, quote.high, quote.low) == (102.5, 100.0, 104.0, 99.0)
    return quote


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snapshot", [False, True])
def test_the_minute_of_every_full_feed_is_said_of_shares_and_indices(kind: str, snapshot: bool) -> None:
    volume = 0 if kind == "indexFF" else 4_120
    said = read(kind, snapshot=snapshot, vol=volume).minute
    assert said == BrokerBar(MINUTE, 101.5, 103.25, 99.75, 102.0, volume)


@pytest.mark.parametrize("kind", KINDS)
def test_a_minute_counts_once_it_is_over_by_the_time_of_its_own_frame(kind: str) -> None:
    assert read(kind, at=OVER - 1).minute is None
    assert read(kind, at=OVER).minute is not None
    assert read(kind, at=0).minute is None, "a frame without a time proves nothing"


@pytest.mark.parametrize(
    "changed",
    [
        {"open": 0.0}, {"low": 0.0}, {"close": 0.0}, {"open": 0.0, "high": 0.0, "low": 0.0, "close": 0.0},
        {"high": 101.0}, {"low": 101.75}, {"close": 103.5}, {"open": 99.5}, {"open": -101.5},
        {"high": float("nan")}, {"high": float("inf")}, {"close": float("nan")}, {"high": 2.0**53},
        {"high": 21_474_836.47}, {"high": 20_000_000.0}, {"low": -21_474_836.48},
        {"vol": -1}, {"vol": 2**53}, {"ts": 0}, {"ts": MINUTE + 1}, {"ts": -60_000}, {"interval": "I30"},
    ],
)  # fmt: skip
def test_a_minute_that_cannot_be_one_costs_only_itself(changed: dict[str, Any]) -> None:
    assert read(**changed).minute is None


def test_a_minute_is_the_same_object_in_each_frame_that_repeats_it() -> None:
    assert read().minute is read(at=OVER + 3_000).minute


def test_an_update_without_candles_takes_no_minute_from_the_one_before() -> None:
    frame = official.FeedResponse(type=1, currentTs=OVER + 4_000)
    frame.feeds["NSE_EQ|INE123A01016"].fullFeed.marketFF.ltpc.ltp = 102.75
    (quote,) = decode(frame.SerializeToString()).quotes
    merged = quote.merged(read())
    assert (merged.minute, merged.open) == (None, 100.0)
