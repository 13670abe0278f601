"""What sessions asked for, from one table of instruments to the next: it goes on, or they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from tests.today import NOW_NS, TODAY

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel, View
from mdactors.market.quote import Quote
from mdactors.market.sectors import Sector, Sectors
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store.cache_memory import MemoryCache


def share(number: int, symbol: str, series: str = "EQ", exchange: str = "NSE", **more: Any) -> Instrument:
    code, segment = (1, "NSE_EQ") if exchange == "NSE" else (4, "BSE_EQ")
    key = f"{segment}|INE{symbol:0<6.6}01018"
    return Instrument(
        number << 8 | code, symbol, exchange, segment, "STOCK", more.pop("key", key), series=series, **more
    )  # fmt: skip


GOLDCO, GOLDCO_BE = share(71001, "GOLDCO"), share(71002, "GOLDCO", "BE")
SILVERCO = share(71003, "SILVERCO")
GOLDCO_BSE = share(571001, "GOLDCO", "A", "BSE")
OPTION = Instrument(
    60001 << 8 | 2, "GOLDCO26NOV100CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|60001", expiry=TODAY, strike=100.0,
    option_type="CE", underlying="GOLDCO",
)  # fmt: skip


@pytest.fixture
def lists(stage: Any) -> Callable[..., None]:
    """Put another table in the place of the one before, and have the sessions go by it."""

    def put(*rows: Instrument, day: str = TODAY) -> None:
        stage.table = InstrumentTable.of(rows, {}, day, stage.table)
        if stage.web is not None:
            stage.on_loop(stage.web.follow_table())

    return put


def hear(client: Any, event: str) -> Any:
    """The next of these events; others are passed over."""
    while (heard := json.loads(client.recv())).get("event") != event:
        pass
    return heard


def wanted(stage: Any) -> Any:
    return stage.told[-1].interest


@pytest.mark.parametrize("name", ["GOLDCO", "goldco", "NSE_EQ|INEGOLDCO01018", str(GOLDCO.token)])
def test_a_share_that_moves_to_another_series_streams_on_under_its_new_number(stage, ask, lists, name):
    lists(GOLDCO, SILVERCO)
    stage.start()
    client = stage.connect("/ws/stocks")
    ask(client, action="SUBSCRIBE", symbols=[name, "SILVERCO"], mode="full")
    lists(GOLDCO_BE, SILVERCO)
    told = hear(client, "subscribed")
    assert set(told["symbols"].values()) == {"GOLDCO"}
    assert set(told["instrumentTokens"].values()) == {GOLDCO_BE.token}
    assert wanted(stage).tokens == {GOLDCO_BE.token: "full", SILVERCO.token: "full"}
    assert ask(client, action="UNSUBSCRIBE", symbols=[GOLDCO.token])["symbols"] == {
        str(GOLDCO.token): "GOLDCO"
    }
    assert set(wanted(stage).tokens) == {SILVERCO.token}


def test_what_is_listed_no_more_is_told_and_told_again_when_it_is_back(stage, ask, lists):
    lists(GOLDCO, SILVERCO)
    stage.start()
    client = stage.connect("/ws/stocks")
    ask(client, action="SUBSCRIBE", symbols=["GOLDCO", "SILVERCO"])
    lists(SILVERCO)
    assert hear(client, "unsubscribed") == {
        "event": "unsubscribed", "symbols": {"GOLDCO": "GOLDCO"}, "reason": "unlisted",
    }  # fmt: skip
    assert set(wanted(stage).tokens) == {SILVERCO.token}
    lists(GOLDCO, SILVERCO)
    assert hear(client, "subscribed")["instrumentTokens"] == {"GOLDCO": GOLDCO.token}
    assert set(wanted(stage).tokens) == {SILVERCO.token, GOLDCO.token}


def test_a_bare_name_never_goes_over_to_another_exchange_under_who_streams_it(stage, ask, lists):
    lists(GOLDCO, GOLDCO_BSE)
    stage.start()
    client = stage.connect("/ws/stocks")
    ask(client, action="SUBSCRIBE", symbols=["GOLDCO"])
    lists(GOLDCO_BSE, day="2030-01-01")
    assert hear(client, "unsubscribed")["symbols"] == {"GOLDCO": "GOLDCO"}
    assert not wanted(stage).tokens
    lists(GOLDCO_BSE, GOLDCO_BE)
    assert hear(client, "subscribed")["instrumentTokens"] == {"GOLDCO": GOLDCO_BE.token}


def test_what_was_lost_and_is_unsubscribed_does_not_come_back(stage, ask, lists, wait_until):
    lists(GOLDCO, SILVERCO)
    stage.start()
    client = stage.connect("/ws/stocks")
    ask(client, action="SUBSCRIBE", symbols=["GOLDCO", "SILVERCO"])
    lists(SILVERCO)
    hear(client, "unsubscribed")
    assert ask(client, action="UNSUBSCRIBE", symbols=["goldco"])["symbols"] == {"goldco": "GOLDCO"}
    lists(GOLDCO)
    assert hear(client, "unsubscribed")["symbols"] == {"SILVERCO": "SILVERCO"}
    assert not wanted(stage).tokens


def test_a_session_with_events_hears_of_both_in_one_event(stage, ask, lists):
    lists(GOLDCO, SILVERCO)
    stage.sectors = Sectors([Sector("METAL", "Metal", symbols=("GOLDCO", "SILVERCO"))])
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", sector="METAL")
    lists(GOLDCO_BE)
    told = hear(client, "subscription")
    assert (told["added"], told["removed"]) == ({"GOLDCO": "GOLDCO"}, {"SILVERCO": "SILVERCO"})
    assert (told["instrumentTokens"], told["rejected"]) == ({"GOLDCO": GOLDCO_BE.token}, [])
    lists(GOLDCO_BE, SILVERCO)
    assert hear(client, "subscription")["added"] == {"SILVERCO": "SILVERCO"}
    ask(client, action="UNSUBSCRIBE", sector="METAL")
    assert not wanted(stage).tokens, "both are of the sector as before"


def test_a_renamed_share_streams_on_and_its_new_name_is_told(stage, ask, lists):
    lists(GOLDCO)
    stage.start()
    client = stage.connect("/ws/stocks")
    ask(client, action="SUBSCRIBE", symbols=["GOLDCO"])
    renamed = msgspec.structs.replace(GOLDCO, symbol="AURUM")
    lists(renamed, day="2030-01-01")
    told = hear(client, "subscribed")
    assert (told["symbols"], told["instrumentTokens"]) == ({"GOLDCO": "AURUM"}, {"GOLDCO": GOLDCO.token})
    assert ask(client, action="UNSUBSCRIBE", symbols=["goldco"])["symbols"] == {"goldco": "AURUM"}


def test_the_token_of_an_expired_contract_is_not_taken_for_the_next_that_has_it(stage, ask, lists):
    lists(OPTION)
    stage.start()
    client = stage.connect("/ws/options")
    ask(client, action="SUBSCRIBE", symbols=[OPTION.symbol])
    other = msgspec.structs.replace(OPTION, symbol="IRON27JAN100CE", underlying="IRON", expiry="2027-01-28")
    lists(other, day="2030-01-01")
    assert hear(client, "unsubscribed")["symbols"] == {OPTION.symbol: OPTION.symbol}
    assert not wanted(stage).tokens


def test_channels_follow_what_they_are_about_and_say_where_it_is_gone(stage, ask, lists):
    lists(GOLDCO, SILVERCO)
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["candles:1m:GOLDCO", "candles:1s:SILVERCO", "candles"])
    lists(GOLDCO_BE)
    assert hear(client, "subscription")["channels"] == {"added": [], "removed": ["candles:1s:SILVERCO"]}
    assert BarChannel("1m", GOLDCO_BE.token) in wanted(stage).channels
    assert wanted(stage).behind == {GOLDCO_BE.token: "quote"}
    lists(GOLDCO_BE, SILVERCO)
    assert hear(client, "subscription")["channels"] == {"added": ["candles:1s:SILVERCO"], "removed": []}
    assert wanted(stage).behind == {GOLDCO_BE.token: "quote", SILVERCO.token: "quote"}


def test_a_channel_of_an_auction_follows_its_share_too(stage, ask, lists):
    lists(GOLDCO, SILVERCO)
    stage.start()
    client = stage.connect("/ws/market")
    ask(client, action="SUBSCRIBE", channels=["auction:GOLDCO", "auction:SILVERCO", "auction"])
    lists(GOLDCO_BE)
    assert hear(client, "subscription")["channels"] == {"added": [], "removed": ["auction:SILVERCO"]}
    assert {"auction", f"auction:{GOLDCO_BE.token}"} <= wanted(stage).views
    assert wanted(stage).behind == {GOLDCO_BE.token: "full"}
    lists(GOLDCO_BE, SILVERCO)
    assert hear(client, "subscription")["channels"] == {"added": ["auction:SILVERCO"], "removed": []}


def ticks(instrument: Instrument, first: int, seconds: Iterable[int]) -> list[Tick]:
    return [
        Tick(
            instrument,
            Quote(instrument.token, "full", 100.0 + n),
            "x",
            7,
            first + n,
            NOW_NS - (60 - n) * 10**9,
        )
        for n in seconds
    ]


def test_todays_earlier_ticks_are_found_under_the_new_number_too(stage, lists):
    lists(GOLDCO)
    lists(GOLDCO_BE)
    lists(GOLDCO_BE)
    before, after = ticks(GOLDCO, 1, range(5)), ticks(GOLDCO_BE, 1, range(5, 9))
    stage.cache = MemoryCache(1440)
    stage.cache.write(before + after)
    stage.start()
    sent = [json.loads(encode(tick, View())) for tick in before + after]
    assert stage.get("/api/ticks/today/GOLDCO") == (200, sent)
    assert stage.get("/api/ticks/today/GOLDCO?limit=6") == (200, sent[-6:])
