"""REST of the market's days and of prices by type."""

from __future__ import annotations

import datetime as dt

import pytest

from mdactors.config import CalendarSettings
from mdactors.config.sessions import load_calendar

NOON_NS = int(dt.datetime.fromisoformat("2026-11-20T12:00:00+05:30").timestamp()) * 1_000_000_000
FEED = "/api/v1/market/market-feed"


@pytest.fixture
def market(stage):
    stage.calendar = load_calendar(CalendarSettings())
    stage.now_ns = NOON_NS
    return stage.start()


def test_the_status_says_where_each_segment_is_the_session_and_the_brokers_word(market):
    status, body = market.get("/api/market/status")
    assert status == 200
    assert body["time"].endswith("+05:30")
    segments = {each.pop("segment"): each for each in body["segments"]}
    nine, quarter_past, half_past_three, ten_to_four, four = (
        f"2026-11-20T{at}:00.000+05:30" for at in ("09:00", "09:15", "15:30", "15:50", "16:00")
    )
    assert segments["NSE_EQ"].pop("classes")["auction_shares"]["status"] == "open"
    assert segments["NSE_EQ"] == {
        "status": "open",
        "open": quarter_past,
        "close": half_past_three,
        "sessions": [
            {"phase": "pre_open", "from": nine, "to": quarter_past},
            {"phase": "open", "from": quarter_past, "to": half_past_three},
            {"phase": "post_close", "from": ten_to_four, "to": four},
        ],
        "said": {"x": "NORMAL_OPEN"},
    }
    assert "said" not in segments["MCX_FO"]


def test_holidays_of_a_year_name_the_segments_that_are_closed_or_trade_at_other_hours(market):
    status, body = market.get("/api/market/holidays?year=2026")
    assert (status, body["year"]) == (200, 2026)
    days = {each["date"]: each for each in body["holidays"]}
    assert list(days) == sorted(days)
    diwali = days["2026-11-10"]
    assert diwali["name"] == "Diwali Balipratipada"
    assert {"NSE_EQ", "NSE_FO", "NCD_FO"} <= set(diwali["closed"])
    assert diwali["special"]["MCX_FO"] == {"open": "17:00-23:55"}
    budget = days["2026-02-01"]["special"]
    assert budget["NSE_EQ"] == {"preOpen": "09:00-09:15", "open": "09:15-15:30", "postClose": "15:40-16:00"}
    assert budget["MCX_FO"] == {"open": "09:00-17:00"}


def test_a_year_of_which_nothing_is_known_has_no_holidays_and_a_wrong_one_is_named(market):
    assert market.get("/api/market/holidays?year=1999") == (200, {"year": 1999, "holidays": []})
    assert market.get("/api/market/holidays")[1]["year"] >= 2026
    status, body = market.get("/api/market/holidays?year=soon")
    assert (status, body["error"]["field"]) == (400, "year")


def test_prices_by_type_are_keyed_by_instrument_key(stage, a_tick):
    stage.ticks = {738561: a_tick(last_trade_time=1_734_860_000_500, last_quantity=100)}
    stage.start()
    price = {
        "updated_at": "2026-09-21T19:43:20.000", "ltp": 1500.5, "cp": 1490.0, "ltt": "1734860000",
        "ltq": "100", "change": 0.7,
    }  # fmt: skip
    for kind in ("equity", "all"):
        assert stage.get(f"{FEED}/{kind}/prices") == (
            200, {"status": "success", "type": kind, "data": {"NSE_EQ|INE002A01018": price}, "count": 1},
        )  # fmt: skip
    none = {"status": "success", "data": {}, "count": 0}
    for path, kind in (("futures/prices", "futures"), ("options/prices", "options"), ("indices", "index")):
        assert stage.get(f"{FEED}/{path}") == (200, {**none, "type": kind})


def test_prices_of_no_type_that_there_is_are_404_and_the_types_named(stage):
    stage.start()
    status, body = stage.get(f"{FEED}/bonds/prices")
    assert (status, body["error"]["code"]) == (404, "not_found")
    assert "index, equity, futures, options, all" in body["error"]["message"]


def test_the_instruments_are_synced_by_either_path(stage):
    stage.start(token="s3cret")
    paths = ("/api/ticks/admin/refresh-instruments", "/api/v1/instruments/sync")
    one, other = (stage.post(path, Authorization="Bearer s3cret") for path in paths)
    assert one == other
    assert one[0] == 200
    assert stage.post("/api/v1/instruments/sync")[0] == 401
