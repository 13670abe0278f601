"""The decoder against the official one (parse and MessageToDict), on known and generated frames.

They agree on everything that a quote holds, except as `test_upstox_disagreements.py` lists.
"""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors_upstox.codec import decode

prices = st.floats(min_value=0, max_value=10_000_000, width=32)
counts = st.integers(min_value=0, max_value=2**40)
wholes = counts.map(float)
times = st.integers(min_value=0, max_value=2**42)
keys = st.sampled_from(("NSE_EQ", "BSE_EQ", "NSE_FO", "MCX_FO", "NSE_COM", "NSE_INDEX")).flatmap(
    lambda segment: st.text(min_size=1, max_size=12).map(lambda name: f"{segment}|{name}")
)
ltpcs = st.builds(official.LTPC, ltp=prices, ltt=times, ltq=counts, cp=prices)
rungs = st.builds(official.Quote, bidQ=counts, bidP=prices, askQ=counts, askP=prices)
signed = st.floats(min_value=-1000, max_value=1000, width=32)
greeks = st.builds(official.OptionGreeks, delta=signed, theta=signed, gamma=signed, vega=signed, rho=signed)
candles = st.builds(
    official.OHLC,
    interval=st.sampled_from(("1d", "I1")),
    open=prices,
    high=prices,
    low=prices,
    close=prices,
    vol=counts,
    ts=times,
)
days = st.builds(official.MarketOHLC, ohlc=st.lists(candles, max_size=3))


def maybe(strategy):
    return st.none() | strategy


markets = st.builds(
    official.MarketFullFeed,
    ltpc=maybe(ltpcs),
    # Without a book totals of zero are not said, so there is one.
    marketLevel=st.builds(official.MarketLevel, bidAskQuote=st.lists(rungs, min_size=1, max_size=30)),
    optionGreeks=maybe(greeks),
    marketOHLC=maybe(days),
    atp=prices,
    vtt=counts,
    oi=wholes,
    iv=st.floats(min_value=0, max_value=5, width=32),
    tbq=wholes,
    tsq=wholes,
    iep=prices,
    ieq=counts,
    casEligible=st.booleans(),
)
indices = st.builds(official.IndexFullFeed, ltpc=maybe(ltpcs), marketOHLC=maybe(days))
fulls = st.builds(official.FullFeed, marketFF=markets) | st.builds(official.FullFeed, indexFF=indices)
firsts = st.builds(
    official.FirstLevelWithGreeks,
    ltpc=ltpcs,
    firstDepth=maybe(rungs),
    optionGreeks=maybe(greeks),
    vtt=counts,
    oi=wholes,
    iv=prices,
)
feeds = (
    st.builds(official.Feed, ltpc=ltpcs)
    | st.builds(official.Feed, fullFeed=fulls, requestMode=st.sampled_from((1, 3)))
    | st.builds(official.Feed, firstLevelWithGreeks=firsts, requestMode=st.just(2))
)
responses = st.builds(
    official.FeedResponse,
    type=st.sampled_from((0, 1)),
    currentTs=times,
    feeds=st.dictionaries(keys, feeds, max_size=5),
)


def agree(response, quote_in_short, feed_in_short):
    said = MessageToDict(response)
    decoded = decode(response.SerializeToString())
    assert not decoded.bad
    quotes = {quote.token: quote for quote in decoded.quotes}
    assert quotes.keys() == said.get("feeds", {}).keys()
    for key, quote in quotes.items():
        feed = said["feeds"][key]
        assert quote_in_short(quote) == feed_in_short(feed)
        assert official.Feed.FromString(quote.raw) == response.feeds[key]
        assert quote.snapshot == ("type" not in said)
        if not quote.snapshot:
            assert quote.exchange_time == (int(said.get("currentTs", 0)) or None)


@pytest.mark.parametrize("name", [f"V{number}" for number in range(1, 9)])
def test_both_read_the_references_frames_alike(name, vectors, frame, quote_in_short, feed_in_short):
    response = official.FeedResponse.FromString(frame(name))
    assert MessageToDict(response) == vectors[name]["json"]
    agree(response, quote_in_short, feed_in_short)
    statuses = vectors[name]["json"].get("marketInfo", {}).get("segmentStatus", {})
    assert decode(frame(name)).market_status == statuses


@given(responses)
def test_both_read_generated_frames_alike(quote_in_short, feed_in_short, response):
    agree(response, quote_in_short, feed_in_short)


@given(st.dictionaries(st.text(), st.integers(min_value=0, max_value=5), max_size=12))
def test_both_read_generated_market_statuses_alike(statuses):
    response = official.FeedResponse(type=2)
    response.marketInfo.segmentStatus.update(statuses)
    said = MessageToDict(response).get("marketInfo", {}).get("segmentStatus", {})
    assert decode(response.SerializeToString()).market_status == said
