"""The written list of where the decoder and the official streamer differ, each with its reason."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors_upstox.codec import decode

KEY = "NSE_FO|45450"


@pytest.fixture
def response(frame):
    return official.FeedResponse.FromString(frame("V4"))


def both(response):
    """The official feed, and our quote."""
    return MessageToDict(response)["feeds"][KEY], decode(response.SerializeToString()).quotes[0]


def market(response):
    return response.feeds[KEY].fullFeed.marketFF


def test_theirs_makes_texts_of_whole_numbers_and_ours_numbers(response):
    theirs, ours = both(response)
    assert theirs["fullFeed"]["marketFF"]["vtt"] == "32205075"
    assert ours.volume == 32205075


def test_theirs_leaves_a_snapshots_type_out_and_ours_says_snapshot(response):
    response.type = 0
    assert "type" not in MessageToDict(response)
    assert both(response)[1].snapshot


def test_theirs_leaves_zeros_out_and_ours_says_them_in_a_snapshot(response):
    response.type = 0
    market(response).vtt = 0
    theirs, ours = both(response)
    assert "vtt" not in theirs["fullFeed"]["marketFF"]
    assert ours.volume == 0


def test_theirs_keeps_empty_rungs_and_ours_leaves_them_out(response):
    market(response).marketLevel.bidAskQuote.add(askP=230.0)
    theirs, ours = both(response)
    assert theirs["fullFeed"]["marketFF"]["marketLevel"]["bidAskQuote"][5] == {"askP": 230.0}
    assert (len(ours.depth().buy), len(ours.depth().sell)) == (5, 5)


def test_theirs_shows_parts_that_are_present_but_empty_and_ours_counts_them_as_unsaid(response):
    market(response).optionGreeks.Clear()
    market(response).optionGreeks.SetInParent()
    theirs, ours = both(response)
    assert theirs["fullFeed"]["marketFF"]["optionGreeks"] == {}
    assert ours.greeks() is None


def test_ours_takes_the_previous_close_from_the_last_trade_and_never_a_candle(response):
    theirs, ours = both(response)
    assert theirs["fullFeed"]["marketFF"]["marketOHLC"]["ohlc"][0]["close"] == 219.3
    assert ours.previous_close == 494.05


def test_theirs_leaves_a_price_of_zero_out_or_not_and_ours_says_that_it_is_not_known(response):
    response.type = 0
    market(response).ltpc.ltp = 0.0
    market(response).marketOHLC.ohlc[0].high = 0.0
    theirs, ours = both(response)
    assert "ltp" not in theirs["fullFeed"]["marketFF"]["ltpc"]
    assert (ours.last_price, ours.open, ours.high) == (None, 260.0, None)


def test_ours_says_no_quantity_in_mode_ltpc_where_it_is_zero():
    response = official.FeedResponse()
    response.feeds[KEY].ltpc.ltp = 5.0
    assert both(response)[1].last_quantity is None


def test_ours_says_no_quantity_of_an_index_even_if_it_came():
    response = official.FeedResponse()
    response.feeds[KEY].fullFeed.indexFF.ltpc.ltq = 5
    assert both(response)[1].last_quantity is None


def test_ours_cuts_open_interest_and_totals_to_whole_numbers(response):
    market(response).oi = 7.9
    assert both(response)[1].open_interest == 7


def test_ours_takes_no_volatility_below_zero(response):
    market(response).iv = -1.0
    assert both(response)[0]["fullFeed"]["marketFF"]["iv"] == -1.0
    assert both(response)[1].iv is None


def test_theirs_says_nan_and_ours_refuses_the_packet(response):
    market(response).atp = float("nan")
    assert MessageToDict(response)["feeds"][KEY]["fullFeed"]["marketFF"]["atp"] == "NaN"
    assert len(decode(response.SerializeToString()).bad) == 1


def test_theirs_shows_an_unknown_status_as_a_number_and_ours_as_unknown():
    response = official.FeedResponse(type=2)
    response.marketInfo.segmentStatus["NSE_EQ"] = 7
    assert MessageToDict(response)["marketInfo"]["segmentStatus"] == {"NSE_EQ": 7}
    assert decode(response.SerializeToString()).market_status == {"NSE_EQ": "UNKNOWN"}


def test_theirs_shows_a_feed_without_content_and_ours_reports_it():
    response = official.FeedResponse()
    response.feeds[KEY].requestMode = 1
    assert MessageToDict(response)["feeds"] == {KEY: {"requestMode": "full_d5"}}
    assert len(decode(response.SerializeToString()).bad) == 1


def test_one_bad_entry_costs_theirs_the_frame_and_ours_the_entry(frame):
    bad = b"\x12\x14\x0a\x0aNSE_EQ|BAD\x12\x06\x0a\x7fabcd"
    data = frame("V7")[:-7] + bad + frame("V7")[-7:]
    with pytest.raises(DecodeError):
        official.FeedResponse.FromString(data)
    decoded = decode(data)
    assert [quote.last_price for quote in decoded.quotes] == [1277.5]
    assert [packet.data for packet in decoded.bad] == [b"\x0a\x7fabcd"]


def test_a_truncated_frame_costs_theirs_everything_and_ours_its_last_entry(frame):
    data = frame("V7")[:-7] + frame("V4")[2:-30]
    with pytest.raises(DecodeError):
        official.FeedResponse.FromString(data)
    decoded = decode(data)
    assert [quote.last_price for quote in decoded.quotes] == [1277.5]
    assert len(decoded.bad) == 1
