"""The options around the money: so many strikes on each side, wherever the price goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.web.test_groups import FAR, NEAR, NIFTY, PATH, contract

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.quote import Quote
from mdactors.market.sectors import Sectors
from mdactors.market.tick import Tick
from mdactors.messages import SessionReported
from mdactors.protocol import Request
from mdactors.web.directory import Directory
from mdactors.web.paths import MARKET
from mdactors.web.selection import Selection
from mdactors.web.terms import Terms

STRIKES = range(24000, 25000, 100)
INDEX = Instrument(NIFTY, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
LISTED = [
    INDEX,
    contract(9 << 8 | 2, "NIFTY26NOVFUT", "NIFTY", NEAR),
    *(contract(strike << 8 | 2, f"NIFTY26NOV{strike}CE", "NIFTY", NEAR, strike) for strike in STRIKES),
    contract(60 << 8 | 2, "NIFTY26DEC24400CE", "NIFTY", FAR, 24400.0),
]
TABLE = InstrumentTable.build({"x": [(each, each.token) for each in LISTED]})


def directory(price: float | None = None) -> Directory:
    return Directory(TABLE, Sectors(), "2026-11-20", {} if price is None else {NIFTY: price})


@pytest.fixture
def chosen() -> Selection:
    return Selection(PATH, Terms(), 5)


def strikes(chosen: Selection) -> list[int]:
    return sorted(token >> 8 for token in chosen.interest.tokens if token != NIFTY)


def test_so_many_strikes_on_each_side_of_the_price_are_meant(chosen: Selection) -> None:
    answer = chosen.change(
        Request("SUBSCRIBE", underlying="NIFTY", strikes=1, mode="full"), directory(24310.0)
    )
    assert list(answer["symbols"]) == [
        "NIFTY 50", "NIFTY26NOV24200CE", "NIFTY26NOV24300CE", "NIFTY26NOV24400CE",
    ]  # fmt: skip
    assert set(chosen.interest.tokens.values()) == {"full"}
    assert chosen.priced_by == {NIFTY, 9 << 8 | 2}


def test_they_follow_the_price_and_end_with_the_group(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=1), directory(24310.0))
    version = chosen.interest.version
    assert not chosen.follow({NIFTY: 24360.0}, TABLE), "that is not far enough"
    assert not chosen.follow({}, TABLE)
    assert chosen.follow({NIFTY: 24480.0}, TABLE)
    assert (strikes(chosen), chosen.interest.version) == ([24400, 24500, 24600], version + 1)
    assert chosen.symbols == ["NIFTY 50", "NIFTY26NOV24400CE", "NIFTY26NOV24500CE", "NIFTY26NOV24600CE"]
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY"), directory())
    assert (strikes(chosen), chosen.symbols, chosen.priced_by) == ([], [], frozenset())
    assert not chosen.follow({NIFTY: 24800.0}, TABLE)


def test_without_a_price_they_are_in_the_middle_until_one_is_known(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=0), directory())
    assert strikes(chosen) == [24500]
    assert chosen.follow({NIFTY: 24110.0}, TABLE)
    assert strikes(chosen) == [24100]


def test_what_was_subscribed_by_its_own_name_stays_when_the_money_leaves_it(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", symbols=["NIFTY26NOV24300CE"]), directory())
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=0), directory(24310.0))
    assert chosen.follow({NIFTY: 24700.0}, TABLE)
    assert strikes(chosen) == [24300, 24700]


def test_what_was_ended_by_its_own_name_does_not_come_back_while_the_money_is_near(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=1), directory(24300.0))
    chosen.change(Request("UNSUBSCRIBE", symbols=["NIFTY26NOV24400CE"]), directory())
    assert chosen.follow({NIFTY: 24400.0}, TABLE)
    assert strikes(chosen) == [24300, 24500]


def test_asked_for_again_it_is_what_was_asked_for_last(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=1), directory(24300.0))
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=0), directory(24300.0))
    assert strikes(chosen) == [24300]
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", expiry=FAR), directory())
    assert chosen.follow({NIFTY: 24600.0}, TABLE)
    assert strikes(chosen) == [60, 24600]


@pytest.mark.parametrize("ended", [{"symbols": ["NIFTY 50"]}, {"underlying": "NIFTY", "type": "INDEX"}])
def test_the_price_streams_for_them_though_the_client_does_not_want_it(
    chosen: Selection, ended: dict[str, Any]
) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=1), directory(24310.0))
    chosen.change(Request("UNSUBSCRIBE", **ended), directory())
    assert (NIFTY in chosen.interest.tokens, chosen.interest.behind) == (False, {NIFTY: "ltp"})
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY"), directory())
    assert chosen.interest.behind == {}


def test_where_only_options_are_asked_for_their_price_streams_too(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=0, type="OPTION"), directory())
    assert (strikes(chosen), chosen.interest.behind) == ([24500], {NIFTY: "ltp"})
    assert chosen.follow({NIFTY: 24110.0}, TABLE)
    assert (strikes(chosen), chosen.interest.behind) == ([24100], {NIFTY: "ltp"})


def test_when_every_member_was_ended_by_its_own_name_none_begins_again(chosen: Selection) -> None:
    answer = chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=1), directory(24310.0))
    chosen.change(Request("UNSUBSCRIBE", symbols=list(answer["symbols"])), directory())
    assert (chosen.priced_by, chosen.interest.behind) == (frozenset(), {})
    assert not chosen.follow({NIFTY: 24800.0}, TABLE)


def test_the_spot_can_be_asked_for_again_without_an_end_of_the_options(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=0), directory(24310.0))
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", type="INDEX", mode="full"), directory())
    assert (strikes(chosen), chosen.interest.tokens[NIFTY]) == ([24300], "full")
    assert chosen.follow({NIFTY: 24800.0}, TABLE)
    assert strikes(chosen) == [24800]


def test_what_is_listed_no_more_is_passed_over(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", strikes=1), directory(24300.0))
    fewer = InstrumentTable.build({"x": [(each, each.token) for each in LISTED if each.strike != 24500.0]})
    assert chosen.follow({NIFTY: 24400.0}, fewer)
    assert strikes(chosen) == [24300, 24400]


def test_the_server_asks_for_the_price_first_and_goes_on_following_it(
    stage: Any, ask: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    def price(last: float) -> None:
        quote = Quote(NIFTY, "full", last, previous_close=24000.0)
        stage.ticks = {NIFTY: Tick(INDEX, quote, "x", 1, 1, 1_790_000_000_000_000_000)}

    stage.table = TABLE
    price(24210.0)
    stage.start()
    client = stage.connect(MARKET)
    client.send(json.dumps({"action": "SUBSCRIBE", "underlying": "NIFTY", "strikes": 0, "id": 1}))
    second = ask(client, action="SUBSCRIBE", symbols=["NIFTY26DEC24400CE"], id=2)
    assert (second["id"], list(second["symbols"])) == (1, ["NIFTY 50", "NIFTY26NOV24200CE"])
    assert json.loads(client.recv())["id"] == 2, "requests are answered in their order"
    price(24590.0)

    def wanted() -> set[int]:
        return {token >> 8 for token in stage.told_of(SessionReported)[-1].interest.tokens}

    wait_until(lambda: wanted() == {NIFTY >> 8, 60, 24600})
    assert stage.told_of(SessionReported)[-1].request == {}


def test_where_the_hub_does_not_answer_the_request_is_served_nevertheless(
    stage: Any, wait_until: Callable[..., None]
) -> None:
    stage.table = TABLE
    stage.start()
    stage.gate.clear()
    client = stage.connect(MARKET)
    client.send(json.dumps({"action": "SUBSCRIBE", "underlying": "NIFTY", "strikes": 0}))
    wait_until(lambda: stage.told)
    wait_until(lambda: stage.get("/api/ticks/subscriptions")[1][stage.session()]["subscribedSymbols"])
    stage.gate.set()
    assert list(json.loads(client.recv())["symbols"]) == ["NIFTY 50", "NIFTY26NOV24500CE"]


def test_where_there_are_no_groups_the_hub_is_not_asked_for_a_price(
    stage: Any, ask: Callable[..., Any]
) -> None:
    stage.table = TABLE
    stage.start()
    stage.gate.clear()
    client = stage.connect("/ws/options")
    asked = {"symbols": ["NIFTY26NOV24500CE"], "underlying": "NIFTY", "strikes": 0}
    assert ask(client, action="SUBSCRIBE", **asked)["symbols"], "the hub was free to answer"


def test_strikes_that_are_no_whole_number_are_refused(stage: Any, ask: Callable[..., Any]) -> None:
    client = stage.start().connect(MARKET)
    for wrong in (-1, 1.5, "5"):
        answer = ask(client, action="SUBSCRIBE", underlying="NIFTY", strikes=wrong)
        assert (answer["code"], answer["field"]) == ("invalid_field", "strikes")
