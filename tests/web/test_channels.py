"""Channels on the market's path."""

from __future__ import annotations

import pytest

from mdactors.market.interest import BarChannel
from mdactors.market.sectors import Sector, Sectors

MOVERS = ["movers:gainers", "movers:losers", "movers:active", "movers:volume"]
MINUTES, SECONDS = BarChannel("1m"), BarChannel("1s")
RELIANCE, RELIANCE_BSE, INFY = 738561, 128083204, 408065
SECTORS = Sectors([Sector("BANKING", "Banks"), Sector("IT", "Software")])


def channels(stage):
    return stage.told[-1].interest.channels


def test_a_channel_is_asked_for_by_its_name_alone_and_answered(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    assert ask(client, action="SUBSCRIBE", channels=["candles"], id=3) == {
        "event": "subscribed",
        "id": 3,
        "symbols": {},
        "instrumentTokens": {},
        "unknown": [],
        "rejected": [],
        "channels": ["candles"],
    }
    assert channels(stage) == {MINUTES}


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("candles", MINUTES),
        ("candles:1m", MINUTES),
        ("candles:1s", SECONDS),
        ("candles:1m:RELIANCE", BarChannel("1m", RELIANCE)),
        ("candles:1s:reliance", BarChannel("1s", RELIANCE)),
        ("candles:1m:BSE:RELIANCE", BarChannel("1m", RELIANCE_BSE)),
        ("candles:1m:BSE_EQ|INE002A01018", BarChannel("1m", RELIANCE_BSE)),
        ("candles:1m:NIFTY", BarChannel("1m", 256265)),
        (" candles:1m:738561 ", BarChannel("1m", RELIANCE)),
    ],
)
def test_a_channel_has_a_width_and_any_name_of_an_instrument(stage, ask, name, channel):
    stage.start()
    assert ask(stage.connect("/ws/market"), action="SUBSCRIBE", channels=[name])["channels"] == [name]
    assert channels(stage) == {channel}


@pytest.mark.parametrize(
    ("name", "channel", "streamed"),
    [
        ("auction", "auction", {}),
        ("auction:reliance", f"auction:{RELIANCE}", {RELIANCE: "full"}),
        ("auction:BSE:RELIANCE", f"auction:{RELIANCE_BSE}", {RELIANCE_BSE: "full"}),
        ("auction:NIFTY 50", "auction:256265", {256265: "full"}),
    ],
)
def test_auctions_are_of_all_that_streams_or_of_one_that_is_streamed_for_it(
    stage, ask, name, channel, streamed
):
    stage.start()
    assert ask(stage.connect("/ws/market"), action="SUBSCRIBE", channels=[name])["channels"] == [name]
    assert views(stage) == {channel}
    assert behind(stage) == streamed


def test_symbols_and_channels_go_together_and_without_channels_none_are_answered(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    answer = ask(client, action="SUBSCRIBE", symbols=["INFY"], channels=["candles", "candles:1s"])
    assert (answer["symbols"], answer["channels"]) == ({"INFY": "INFY"}, ["candles", "candles:1s"])
    assert "channels" not in ask(client, action="SUBSCRIBE", symbols=["RELIANCE"])
    assert channels(stage) == {MINUTES, SECONDS}
    assert set(stage.told[-1].interest.tokens) == {408065, RELIANCE}


def test_unsubscribe_ends_a_channel_by_any_of_its_names_and_only_that(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["candles", "candles:1s", "candles:1m:RELIANCE"])
    answer = ask(client, action="UNSUBSCRIBE", channels=["candles:1m"])
    assert (answer["event"], answer["channels"]) == ("unsubscribed", ["candles:1m"])
    assert channels(stage) == {SECONDS, BarChannel("1m", RELIANCE)}
    ask(client, action="UNSUBSCRIBE", channels=["candles:1m:NSE:RELIANCE", "candles:1s"])
    assert channels(stage) == frozenset()


def test_a_channel_of_what_expired_since_can_still_be_ended(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["candles:1m:NIFTY26NOVFUT"])
    stage.table = type(stage.table).build({"x": [(stage.table.by_token[265], 265)]})
    assert ask(client, action="SUBSCRIBE", channels=["candles:1m:NIFTY26NOVFUT"])["code"] == "invalid_field"
    assert ask(client, action="UNSUBSCRIBE", channels=["candles:1m:NIFTY26NOVFUT"])["event"] == "unsubscribed"
    assert channels(stage) == frozenset()


def test_a_channel_ends_by_its_name_though_that_means_another_instrument_today(stage, ask):
    nse, bse = stage.table.by_token[RELIANCE], stage.table.by_token[128083204]
    stage.table = type(stage.table).of([bse], {}, "2026-11-19")
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["candles:1m:RELIANCE"])
    assert channels(stage) == {BarChannel("1m", bse.token)}
    stage.table = type(stage.table).of([nse, bse], {}, "2026-11-20", stage.table)
    ask(client, action="UNSUBSCRIBE", channels=["candles:1m:RELIANCE"])
    assert channels(stage) == frozenset()


def test_one_bad_channel_refuses_the_whole_request(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    error = ask(client, action="SUBSCRIBE", symbols=["INFY"], channels=["candles", "trades"], id=1)
    assert (error["code"], error["field"], error["id"]) == ("invalid_field", "channels", 1)
    assert "candles:1s" in error["message"]
    ask(client, action="UNSUBSCRIBE", symbols=["INFY"])
    assert stage.told[-1].interest.tokens == {}
    assert channels(stage) == frozenset()


def test_before_the_instruments_are_loaded_only_channels_of_all_can_be_had(stage, ask):
    stage.table = type(stage.table).build({})
    stage.start()
    client = stage.connect("/ws/market")
    assert ask(client, action="SUBSCRIBE", channels=["candles:1m:INFY"])["code"] == "not_ready"
    assert ask(client, action="SUBSCRIBE", channels=["candles:1m"])["event"] == "subscribed"


def views(stage):
    return stage.told[-1].interest.views


@pytest.mark.parametrize(
    ("name", "view"),
    [
        *[(name, name) for name in MOVERS],
        ("status", "status"),
        (" sector:banking ", "sector:BANKING"),
        ("sector:Banks", "sector:BANKING"),
        ("chain:NIFTY:2026-11-24", "chain:NIFTY:2026-11-24"),
        ("chain:nifty 50:2026-11-24", "chain:NIFTY:2026-11-24"),
        ("chain:NSE:NIFTY:2026-11-24", "chain:NIFTY:2026-11-24"),
    ],
)
def test_a_channel_of_a_view_is_known_by_one_name(stage, ask, name, view):
    stage.sectors = SECTORS
    stage.start()
    client = stage.connect("/ws/market")
    assert ask(client, action="SUBSCRIBE", channels=[name, "candles"])["channels"] == [name, "candles"]
    assert (views(stage), channels(stage)) == ({view}, {MINUTES})
    ask(client, action="UNSUBSCRIBE", channels=[view])
    assert (views(stage), channels(stage)) == (frozenset(), {MINUTES})


@pytest.mark.parametrize(
    "name",
    [
        "movers",
        "movers:bonds",
        "sector",
        "sector:",
        "chain",
        "chain:NIFTY",
        "status:NSE_EQ",
        "candles:3m",
        "",
    ],
)
def test_what_is_no_channel_is_an_error_that_lists_those_there_are(stage, ask, name):
    stage.start()
    error = ask(stage.connect("/ws/market"), action="SUBSCRIBE", channels=["status", name])
    assert (error["code"], error["field"]) == ("invalid_field", "channels")
    assert all(each in error["message"] for each in (*MOVERS, "chain:", "sector:", "status"))


def test_a_chain_of_an_expiry_that_there_is_not_is_an_error_that_names_those_there_are(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    error = ask(client, action="SUBSCRIBE", channels=["chain:NIFTY:2026-11-25"])
    assert (error["code"], error["field"]) == ("invalid_field", "channels")
    assert error["message"].endswith("the expiries of NIFTY are 2026-11-24, 2026-12-29")
    error = ask(client, action="SUBSCRIBE", channels=["chain:INFY:2026-11-24"])
    assert error["message"].endswith("there is no such instrument")


def test_a_sector_that_there_is_not_is_an_error_that_names_the_codes(stage, ask):
    stage.sectors = SECTORS
    stage.start()
    error = ask(stage.connect("/ws/market"), action="SUBSCRIBE", channels=["status", "sector:METALS"])
    assert (error["code"], error["field"]) == ("invalid_field", "channels")
    assert error["message"] == "sector:METALS: the sectors are BANKING, IT"


def test_a_chain_that_expired_since_can_still_be_ended(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["chain:NIFTY:2026-11-24"])
    stage.table = type(stage.table).build({"x": [(stage.table.by_token[265], 265)]})
    assert ask(client, action="SUBSCRIBE", channels=["chain:NIFTY:2026-11-24"])["code"] == "invalid_field"
    assert ask(client, action="UNSUBSCRIBE", channels=["chain:NIFTY:2026-11-24"])["event"] == "unsubscribed"
    assert views(stage) == frozenset()


def behind(stage):
    return dict(stage.told[-1].interest.behind)


def test_what_a_channel_shows_must_stream_but_is_not_sent(stage, ask):
    stage.sectors = Sectors([Sector("ENERGY", "Energy", symbols=("RELIANCE", "GONE"))])
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["sector:ENERGY", "candles:1m:INFY", "candles", "status"])
    assert behind(stage) == {RELIANCE: "quote", INFY: "quote"}
    ask(client, action="SUBSCRIBE", channels=["chain:NIFTY:2026-11-24", "candles:1s:RELIANCE"])
    chain = {256265, *(number << 8 | 2 for number in (60001, 60002, 60003))}
    assert {token for token, mode in behind(stage).items() if mode == "full"} == chain
    ask(client, action="UNSUBSCRIBE", channels=["sector:Energy", "chain:nifty:2026-11-24"])
    assert behind(stage) == {RELIANCE: "quote", INFY: "quote"}
    ask(client, action="UNSUBSCRIBE", channels=["candles:1s:RELIANCE", "candles:1m:INFY"])
    assert (behind(stage), stage.told[-1].interest.tokens) == ({}, {})


def test_a_channel_asked_for_twice_is_one(stage, ask):
    stage.sectors = SECTORS
    stage.start()
    client = stage.connect("/ws/market")
    answer = ask(client, action="SUBSCRIBE", channels=["sector:IT"] * 4 + ["sector:it", "sector:Software"])
    assert answer["channels"] == ["sector:IT", "sector:it", "sector:Software"]
    ask(client, action="SUBSCRIBE", channels=["sector:IT"])
    assert views(stage) == {"sector:IT"}
    ask(client, action="UNSUBSCRIBE", channels=["sector:Software"])
    assert views(stage) == frozenset()


def test_what_channels_show_counts_as_names_of_the_request(stage, ask):
    stage.start(max_symbols_per_request=5)
    client = stage.connect("/ws/market")
    error = ask(client, action="SUBSCRIBE", channels=["status", "chain:NIFTY:2026-11-24", "candles:1m:INFY"])
    assert (error["code"], error["field"]) == ("too_many_symbols", "channels")
    error = ask(client, action="SUBSCRIBE", channels=["sector:IT"] * 1000)
    assert error["message"] == "1000 names in one request; 5 are allowed"
    assert ask(client, action="SUBSCRIBE", channels=["chain:NIFTY:2026-11-24"])["event"] == "subscribed"
    again = ask(client, action="SUBSCRIBE", channels=["chain:NIFTY:2026-11-24", "candles:1m:INFY"])
    assert again["event"] == "subscribed", "what it has counts no more"
