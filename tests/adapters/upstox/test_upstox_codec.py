"""The reference's frames, and the odd ones, read into quotes."""

from __future__ import annotations

import json

import pytest
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.adapter import Depth, Greeks, Level
from mdactors_upstox.codec import UpstoxQuote, decode

SHARE = "NSE_EQ|INE002A01018"
OPTION = "NSE_FO|45450"
IMPOSSIBLE = f"{OPTION}: a number is not finite or too large"


def only(frame: bytes) -> UpstoxQuote:
    decoded = decode(frame)
    assert not decoded.bad
    assert len(decoded.quotes) == 1
    return decoded.quotes[0]


def feed_of(response: official.FeedResponse, key: str = SHARE) -> official.Feed:
    return response.feeds[key]


def live(**fields: int) -> official.FeedResponse:
    return official.FeedResponse(type=1, currentTs=5, **fields)


def test_market_info_says_how_each_segment_stands(frame):
    decoded = decode(frame("V1"))
    assert (decoded.quotes, decoded.bad) == ([], [])
    assert decoded.market_status == {"NSE_EQ": "NORMAL_OPEN"}
    assert decode(frame("V8")).market_status == {"NSE_EQ": "CLOSING_START"}


def test_an_unknown_status_number_is_unknown_and_not_a_default():
    response = official.FeedResponse(type=2, currentTs=5)
    response.marketInfo.segmentStatus["NSE_EQ"] = 77
    assert decode(response.SerializeToString()).market_status == {"NSE_EQ": "UNKNOWN"}


def test_an_index_in_mode_ltpc_is_complete_and_has_no_quantity(frame):
    assert only(frame("V2")) == UpstoxQuote(
        "NSE_INDEX|Nifty 50",
        "ltp",
        last_price=24310.5,
        last_trade_time=1790658000000,
        previous_close=24600.0,
        exchange_time=1790658000250,
        raw=frame("V2")[26:53],
        complete=True,
    )


def test_a_snapshot_of_a_share_is_stamped_by_its_last_trade(frame):
    quote = only(frame("V3"))
    assert quote.token == SHARE
    assert (quote.mode, quote.snapshot, quote.complete) == ("full", True, True)
    assert (quote.last_price, quote.last_quantity, quote.volume) == (1277.4, 42, 7790518)
    assert quote.exchange_time == quote.last_trade_time == 1790658001127
    assert (quote.open, quote.high, quote.low) == (1270.0, 1279.9, 1268.5)
    assert quote.previous_close == 1274.0, "cp, not the candle's close"
    assert (quote.average_price, quote.buy_quantity, quote.sell_quantity) == (1274.68, 359157, 421241)
    assert (quote.open_interest, quote.iv, quote.sensitivities, quote.greeks()) == (None, None, None, None)
    buy = ((1277.3, 570), (1277.2, 366), (1277.1, 384), (1277.0, 209), (1276.9, 65))
    sell = ((1277.4, 746), (1277.5, 700), (1277.6, 2020), (1277.7, 1), (1277.8, 1))
    assert quote.depth() == Depth(tuple(Level(*rung) for rung in buy), tuple(Level(*rung) for rung in sell))


def test_a_live_option_is_stamped_by_the_frame_and_has_greeks(frame):
    quote = only(frame("V4"))
    assert (quote.mode, quote.snapshot, quote.complete) == ("full", False, True)
    assert quote.exchange_time == 1790658002035
    assert (quote.open_interest, quote.iv) == (2811525, 0.127716064453125)
    assert quote.greeks() == Greeks(-0.5637, -18.9642, 0.0014, 8.9092, -1.1677)
    assert quote.depth().sell[-1] == Level(219.8, 825)


def test_an_index_in_mode_full_has_a_day_and_no_volume(frame):
    quote = only(frame("V5"))
    assert (quote.mode, quote.complete, quote.volume, quote.last_quantity) == ("full", True, 0, None)
    assert (quote.last_price, quote.previous_close) == (55210.35, 55102.2)
    assert (quote.open, quote.high, quote.low) == (55120.0, 55260.9, 55010.1)
    assert (quote.depth(), quote.buy_quantity, quote.average_price) == (None, None, None)


def test_mode_option_greeks_is_read_as_quote_with_a_book_of_one_rung(frame):
    quote = only(frame("V6"))
    assert (quote.mode, quote.complete, quote.volume) == ("quote", True, 32205075)
    assert (quote.open_interest, quote.iv) == (2811525, 0.125)
    assert quote.greeks() == Greeks(-0.5, -18.75, 0.0625, 8.5, -1.25)
    assert quote.depth() == Depth((Level(219.2, 75),), (Level(219.4, 150),))
    assert (quote.open, quote.average_price, quote.buy_quantity) == (None, None, None)


def test_a_partial_update_merges_onto_the_snapshot_and_clears_nothing(frame):
    base, update = only(frame("V3")), only(frame("V7"))
    assert not update.complete
    assert (update.book, update.open, update.average_price, update.buy_quantity) == (None,) * 4
    merged = update.merged(base)
    assert isinstance(merged, UpstoxQuote)
    assert (merged.last_price, merged.last_quantity, merged.volume) == (1277.5, 10, 7790528)
    assert (merged.depth(), merged.open, merged.average_price) == (base.depth(), 1270.0, 1274.68)
    assert (merged.buy_quantity, merged.sell_quantity) == (359157, 421241)
    assert merged.exchange_time == 1790658005000
    assert (merged.complete, merged.snapshot, merged.raw) == (True, False, update.raw)


def test_an_absent_quantity_within_a_last_trade_is_zero():
    response = live()
    feed_of(response).fullFeed.marketFF.ltpc.ltp = 10.0
    assert only(response.SerializeToString()).last_quantity == 0


def test_a_live_frame_without_a_last_trade_leaves_it_unsaid(frame):
    response = live()
    market = feed_of(response).fullFeed.marketFF
    market.marketLevel.bidAskQuote.add(bidQ=5, bidP=99.0)
    quote = only(response.SerializeToString())
    assert (quote.last_price, quote.last_quantity, quote.previous_close) == (None, None, None)
    assert (quote.buy_quantity, quote.sell_quantity) == (0, 0), "beside a book they count as said"
    assert quote.merged(only(frame("V3"))).last_price == 1277.4


def test_in_a_snapshot_an_absent_number_is_zero_where_zero_means_something():
    response = official.FeedResponse(currentTs=5)
    feed_of(response, OPTION).fullFeed.marketFF.ltpc.cp = 12.0
    quote = only(response.SerializeToString())
    assert (quote.volume, quote.average_price, quote.open_interest) == (0, None, 0)
    assert (quote.buy_quantity, quote.sell_quantity) == (0, 0)
    assert (quote.last_price, quote.last_trade_time, quote.exchange_time, quote.iv) == (None,) * 4
    assert quote.complete


@pytest.mark.parametrize("lacking", ["ltpc", "marketLevel", "marketOHLC", "vtt", "atp", "oi"])
def test_a_live_frame_is_complete_only_with_everything_of_its_kind(frame, lacking):
    response = official.FeedResponse.FromString(frame("V4"))
    response.feeds[OPTION].fullFeed.marketFF.ClearField(lacking)
    assert not only(response.SerializeToString()).complete


def test_a_share_needs_no_open_interest_to_be_complete(frame):
    response = official.FeedResponse.FromString(frame("V3"))
    response.type = 1
    assert only(response.SerializeToString()).complete


def test_an_index_update_without_its_day_is_partial(frame):
    response = official.FeedResponse.FromString(frame("V5"))
    response.feeds["NSE_INDEX|Nifty Bank"].fullFeed.indexFF.ClearField("marketOHLC")
    quote = only(response.SerializeToString())
    assert (quote.complete, quote.open, quote.volume) == (False, None, 0)


def test_thirty_rungs_are_mode_depth30_and_padding_is_left_out():
    response = live()
    feed = feed_of(response)
    feed.requestMode = 3
    level = feed.fullFeed.marketFF.marketLevel
    for number in range(30):
        rung = level.bidAskQuote.add()
        if number < 28:
            rung.bidQ, rung.bidP = number + 1, 100.0 - number
        if number < 26:
            rung.askQ, rung.askP = number + 1, 101.0 + number
    quote = only(response.SerializeToString())
    assert quote.mode == "depth30"
    assert (len(quote.depth().buy), len(quote.depth().sell)) == (28, 26)
    assert quote.depth().buy[27] == Level(73.0, 28)


def test_an_empty_frame_is_an_empty_snapshot():
    for frame in (b"", b"\x18\x05"):
        decoded = decode(frame)
        assert (decoded.quotes, decoded.bad, decoded.market_status) == ([], [], {})


def test_a_feed_that_says_nothing_is_reported_beside_the_good_ones(frame):
    response = official.FeedResponse.FromString(frame("V7"))
    response.feeds["NSE_EQ|A"].requestMode = 1
    response.feeds["NSE_EQ|B"].fullFeed.SetInParent()
    decoded = decode(response.SerializeToString())
    assert [quote.token for quote in decoded.quotes] == [SHARE]
    assert sorted(bad.reason for bad in decoded.bad) == [
        "NSE_EQ|A: the feed says nothing",
        "NSE_EQ|B: the feed says nothing",
    ]


def test_unknown_fields_and_enum_values_are_passed_over(frame):
    field_99 = b"\x98\x06\x05"
    response = official.FeedResponse.FromString(frame("V4"))
    feed = response.feeds[OPTION]
    feed.MergeFromString(field_99)
    feed.fullFeed.marketFF.MergeFromString(field_99)
    feed.requestMode = 7
    quote = only(response.SerializeToString() + field_99)
    assert (quote.mode, quote.last_price) == ("full", 219.3)
    assert only(frame("V7").replace(b"\x08\x01", b"\x08\x07", 1)).snapshot is False


def test_the_last_of_two_entries_of_one_key_wins(frame):
    entry = frame("V7")[2:-7]
    other = official.FeedResponse.FromString(frame("V7"))
    other.feeds[SHARE].fullFeed.marketFF.ltpc.ltp = 99.0
    assert only(frame("V7") + other.SerializeToString()[2:-7]).last_price == 99.0
    assert only(other.SerializeToString() + entry).last_price == 1277.5


def test_a_last_trade_may_be_newer_than_the_frame_or_a_week_old():
    for traded in (6, 1):
        response = live()
        feed_of(response).ltpc.ltt = traded
        quote = only(response.SerializeToString())
        assert (quote.last_trade_time, quote.exchange_time) == (traded, 5)


def test_a_text_frame_is_a_notice_of_bounded_length():
    text = json.dumps({"status": "failed", "method": "sub", "error": "x" * 5000})
    decoded = decode(text)
    assert decoded.notice.startswith('{"status": "failed"')
    assert len(decoded.notice) == 500
    assert decode("two\n lines ").notice == "two lines"


@pytest.mark.parametrize("field", ["atp", "oi", "tbq", "tsq"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_a_number_that_cannot_be_costs_its_packet_and_no_other(frame, field, number):
    response = official.FeedResponse.FromString(frame("V4"))
    response.feeds[SHARE].CopyFrom(official.FeedResponse.FromString(frame("V3")).feeds[SHARE])
    setattr(response.feeds[OPTION].fullFeed.marketFF, field, number)
    decoded = decode(response.SerializeToString())
    assert [quote.token for quote in decoded.quotes] == [SHARE]
    assert [bad.reason for bad in decoded.bad] == [IMPOSSIBLE]


def test_impossible_numbers_that_make_up_for_each_other_are_impossible(frame):
    for one, other in (("tbq", "tsq"), ("oi", "atp")):
        response = official.FeedResponse.FromString(frame("V4"))
        market = response.feeds[OPTION].fullFeed.marketFF
        setattr(market, one, 1e300)
        setattr(market, other, -1e300)
        assert [bad.reason for bad in decode(response.SerializeToString()).bad] == [IMPOSSIBLE]


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**63 - 1, -(2**63)])
@pytest.mark.parametrize(
    ("shape", "field"),
    [
        *[("ltpc", field) for field in ("ltp", "ltt", "ltq", "cp")],
        *[("fullFeed.indexFF.ltpc", field) for field in ("ltp", "ltt", "ltq", "cp")],
        *[("fullFeed.marketFF.ltpc", field) for field in ("ltp", "ltt", "ltq", "cp")],
        *[("fullFeed.marketFF", field) for field in ("atp", "vtt", "oi", "tbq", "tsq")],
        *[("firstLevelWithGreeks.ltpc", field) for field in ("ltp", "ltt", "ltq", "cp")],
        *[("firstLevelWithGreeks", field) for field in ("vtt", "oi")],
    ],
)
def test_no_number_of_a_quote_reaches_two_to_the_53rd(shape, field, number):
    response = live()
    part = feed_of(response, OPTION)
    for name in shape.split("."):
        part = getattr(part, name)
    setattr(part, field, number)
    decoded = decode(response.SerializeToString())
    assert (decoded.quotes, [bad.reason for bad in decoded.bad]) == ([], [IMPOSSIBLE])
    setattr(part, field, 2**53 - 1 if number > 0 else 1 - 2**53)
    assert only(response.SerializeToString()).token == OPTION


@pytest.mark.parametrize("field", ["open", "high", "low"])
@pytest.mark.parametrize("number", [float("nan"), float("-inf"), 1e300, 2.0**53])
def test_a_candle_that_cannot_be_costs_its_packet(frame, field, number):
    for name, kind in (("V4", "marketFF"), ("V5", "indexFF")):
        response = official.FeedResponse.FromString(frame(name))
        ((key, feed),) = response.feeds.items()
        candles = getattr(feed.fullFeed, kind).marketOHLC.ohlc
        setattr(candles.add(interval="I1"), field, number)
        assert only(response.SerializeToString()), "a minute that cannot be costs only itself"
        (day,) = [candle for candle in candles if candle.interval == "1d"]
        setattr(day, field, number)
        assert [bad.reason.split(":")[0] for bad in decode(response.SerializeToString()).bad] == [key]


@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("bidP", float("nan")), ("bidP", float("inf")), ("bidP", -1e300), ("bidP", 2.0**53),
        ("bidQ", 2**53), ("bidQ", 2**63 - 1), ("bidQ", -1),
        ("askP", float("nan")), ("askP", float("inf")), ("askP", -1e300), ("askP", 2.0**53),
        ("askQ", 2**53), ("askQ", 2**63 - 1), ("askQ", -1),
    ],
)  # fmt: skip
def test_a_rung_that_cannot_be_is_left_out_of_its_side_only(frame, field, number):
    response = official.FeedResponse.FromString(frame("V4"))
    rungs = response.feeds[OPTION].fullFeed.marketFF.marketLevel.bidAskQuote
    whole = only(response.SerializeToString()).depth()
    setattr(rungs[1], field, number)
    depth = only(response.SerializeToString()).depth()
    if field.startswith("bid"):
        assert depth == Depth(whole.buy[:1] + whole.buy[2:], whole.sell)
    else:
        assert depth == Depth(whole.buy, whole.sell[:1] + whole.sell[2:])


def test_a_first_level_that_cannot_be_is_left_out(frame):
    response = official.FeedResponse.FromString(frame("V6"))
    response.feeds[OPTION].firstLevelWithGreeks.firstDepth.bidP = float("nan")
    assert only(response.SerializeToString()).depth() == Depth((), (Level(219.4, 150),))


@pytest.mark.parametrize("time", [2**53, -(2**53), 2**63 - 1])
def test_a_time_of_the_frame_that_cannot_be_is_not_said(frame, time):
    response = official.FeedResponse.FromString(frame("V4"))
    response.currentTs = time
    quote = only(response.SerializeToString())
    assert (quote.last_price, quote.exchange_time) == (219.3, None)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1e300, 2.0**53])
def test_a_volatility_or_sensitivity_that_cannot_be_is_not_said(frame, number):
    response = official.FeedResponse.FromString(frame("V4"))
    market = response.feeds[OPTION].fullFeed.marketFF
    market.iv = market.optionGreeks.vega = number
    quote = only(response.SerializeToString())
    assert quote.iv is None
    assert (quote.greeks().vega, quote.greeks().rho) == (None, -1.1677)


def test_a_damaged_book_or_greeks_cost_their_packet_when_it_is_read_and_not_later(frame):
    market = official.FeedResponse.FromString(frame("V4")).feeds[OPTION].fullFeed.marketFF
    for part in (market.marketLevel, market.optionGreeks):
        whole = part.SerializeToString()
        decoded = decode(frame("V4").replace(whole, b"\x0f" + whole[1:]))
        assert (decoded.quotes, [bad.reason.split(":")[0] for bad in decoded.bad]) == ([], [OPTION])


def test_a_truncated_frame_yields_its_whole_entries(frame):
    entries = frame("V4")[2:-7] + frame("V7")[2:-7]
    decoded = decode(b"\x08\x01" + entries[:-3])
    assert [quote.token for quote in decoded.quotes] == [OPTION]
    assert len(decoded.bad) == 1
    assert decoded.quotes[0].exchange_time is None, "the frame's time was cut off"


def test_a_key_that_is_no_text_costs_its_entry_only(frame):
    broken = frame("V7")[2:-7].replace(b"INE002", b"INE\xff\xfe2")
    decoded = decode(b"\x08\x01" + broken + frame("V4")[2:])
    assert [quote.token for quote in decoded.quotes] == [OPTION]
    assert decoded.quotes[0].exchange_time == 1790658002035
    assert [bad.data for bad in decoded.bad] == [broken]


def test_a_frame_without_anything_whole_is_one_bad_packet():
    decoded = decode(b"\x12\xff\xff\xff\xff")
    assert (decoded.quotes, [bad.data for bad in decoded.bad]) == ([], [b"\x12\xff\xff\xff\xff"])


def test_feeds_saved_from_a_damaged_snapshot_count_as_updates(frame):
    decoded = decode(frame("V3")[:-7] + b"\x12\x7f")
    assert (decoded.quotes[0].snapshot, decoded.quotes[0].complete) == (False, True)
