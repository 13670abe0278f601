"""What Upstox says of auctions: of shares in the pre-open and at the close, and of indices."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import DoubleValue
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.market.quote import Auction
from mdactors_upstox.codec import UpstoxQuote, decode

SHARE, INDEX = "NSE_EQ|INE123A01016", "NSE_INDEX|Nifty 50"


def only(frame: official.FeedResponse) -> UpstoxQuote:
    decoded = decode(frame.SerializeToString())
    assert not decoded.bad
    (quote,) = decoded.quotes
    assert isinstance(quote, UpstoxQuote)
    return quote


def share(snapshot: bool = False, book: bool = True, **said: Any) -> UpstoxQuote:
    frame = official.FeedResponse(type=0 if snapshot else 1, currentTs=1_795_144_080_000)
    full = frame.feeds[SHARE].fullFeed.marketFF
    full.ltpc.ltp, full.ltpc.cp, full.atp, full.vtt = 512.5, 510.0, 511.0, 900
    full.marketOHLC.ohlc.add(interval="1d", open=511.0, high=513.0, low=510.5, close=512.5)
    if book:
        full.marketLevel.bidAskQuote.add(bidQ=30, bidP=513.0, askQ=40, askP=512.0)
    for name, value in said.items():
        setattr(full, name, value)
    return only(frame)


@pytest.mark.parametrize("eligible", [False, True])
@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("book", [False, True])
def test_the_numbers_of_an_auction_are_said_whoever_takes_part_in_the_closing_one(
    eligible: bool, snapshot: bool, book: bool
) -> None:
    said = {"iep": 512.75, "rp": 511.2, "ieq": 8_100, "iiqTotal": -640, "iiqM": -900}
    quote = share(snapshot, book, casEligible=eligible, **said)
    assert quote.auction == Auction(512.75, 511.2, 8_100, -640, -900)
    assert (quote.last_price, quote.volume) == (512.5, 900)


@pytest.mark.parametrize(
    ("said", "auction"),
    [
        ({"rp": 511.2}, Auction(None, 511.2)),  # the reference price is out, orders are not yet taken
        ({"iep": 512.75}, Auction(512.75, None, 0, 0, 0)),
        ({"iep": 512.75, "ieq": 5, "iiqTotal": 7}, Auction(512.75, None, 5, 7, 0)),
        ({"iiqTotal": 7, "iiqM": 7}, Auction(None, None, None, 7, 7)),  # orders at any price alone
    ],
)
def test_zeros_beside_a_price_are_zeros_and_without_one_not_said(
    said: dict[str, Any], auction: Auction
) -> None:
    assert share(**said).auction == auction


@pytest.mark.parametrize("eligible", [False, True])
@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("book", [False, True])
def test_an_auction_that_is_over_does_not_linger(eligible: bool, snapshot: bool, book: bool) -> None:
    during = share(iep=512.75, rp=511.2, ieq=8_100, iiqTotal=-640)
    after = share(snapshot, book, casEligible=eligible)
    assert after.auction is None
    assert after.merged(during).auction is None


@pytest.mark.parametrize(
    ("said", "auction"),
    [
        ({"iep": float("nan"), "rp": 511.2}, Auction(None, 511.2)),
        ({"iep": float("inf"), "rp": float("-inf")}, None),
        ({"iep": 21_474_836.47, "rp": -20_000_000.0}, None),
        ({"iep": 512.75, "ieq": -1, "iiqTotal": -(2**53), "iiqM": 2**53}, Auction(512.75)),
    ],
)
def test_a_number_of_an_auction_that_cannot_be_costs_only_itself(
    said: dict[str, Any], auction: Auction | None
) -> None:
    quote = share(**said)
    assert quote.auction == auction
    assert quote.last_price == 512.5


def index(kind: str, price: float | None) -> UpstoxQuote:
    frame = official.FeedResponse(type=1, currentTs=1_795_144_080_000)
    feed = frame.feeds[INDEX]
    ltpc = feed.ltpc if kind == "ltpc" else feed.fullFeed.indexFF.ltpc
    ltpc.ltp, ltpc.cp = 24_310.5, 24_600.0
    if price is not None:
        ltpc.iep.CopyFrom(DoubleValue(value=price))
    return only(frame)


@pytest.mark.parametrize("kind", ["ltpc", "full"])
def test_an_index_has_the_price_of_its_auction_in_the_last_trade(kind: str) -> None:
    said = index(kind, 24_333.25)
    assert said.auction is not None
    assert said.auction.price == 24_333.25
    for none in (None, 0.0):
        assert index(kind, none).auction is None
        assert index(kind, none).merged(said).auction is None
