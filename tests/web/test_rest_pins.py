"""REST that subscribes for nobody's session."""

from __future__ import annotations

import json

import pytest

from mdactors.market.sectors import Sector, Sectors
from mdactors.messages import PinAsked, UnpinAsked

SUBSCRIBE, UNSUBSCRIBE = "/api/market/subscribe", "/api/market/unsubscribe"
RELIANCE, INFY = 738561, 408065


@pytest.fixture
def sectors(stage):
    stage.sectors = Sectors(
        [
            Sector("ENERGY", "Energy and Power", symbols=("RELIANCE", "GONE")),
            Sector("IT", "Information Technology", symbols=("INFY",)),
        ]
    )
    return stage.start()


def test_symbols_are_subscribed_and_the_unknown_and_the_refused_named(stage):
    stage.refused = {INFY: "no capacity"}
    stage.start()
    body = {"symbols": ["RELIANCE", "infy", "RELIANSE"], "whatever": 1}
    assert stage.post(SUBSCRIBE, body) == (
        200,
        {
            "subscribed": {"RELIANCE": "RELIANCE"},
            "unknown": ["RELIANSE"],
            "notStreamed": [{"symbol": "INFY", "asked": "infy", "reason": "no capacity"}],
        },
    )
    assert stage.told_of(PinAsked) == [PinAsked(frozenset({RELIANCE, INFY}))]


@pytest.mark.parametrize("key", ["NSE_EQ|INE002A01018", "NSE_EQ|RELIANCE"])
def test_an_instrument_key_is_understood_in_either_form(stage, key):
    stage.start()
    assert stage.post(SUBSCRIBE, {"instrumentKey": key})[1]["subscribed"] == {key: "RELIANCE"}
    assert stage.told_of(PinAsked) == [PinAsked(frozenset({RELIANCE}))]


@pytest.mark.parametrize("name", ["ENERGY", "energy and power"])
def test_a_sector_is_pinned_by_its_code_and_its_shares_are_answered(stage, sectors, name):
    status, body = stage.post(SUBSCRIBE, {"sector": name})
    assert (status, body["subscribed"], body["unknown"]) == (200, {"RELIANCE": "RELIANCE"}, ["GONE"])
    assert stage.told_of(PinAsked) == [PinAsked(frozenset(), frozenset({"ENERGY"}))]


def test_an_unknown_sector_is_404_and_the_codes_are_named(stage, sectors):
    for path in (SUBSCRIBE, UNSUBSCRIBE):
        status, body = stage.post(path, {"sector": "BANKS"})
        assert (status, body["error"]["code"], body["error"]["field"]) == (404, "unknown_sector", "sector")
        assert body["error"]["suggestions"] == ["ENERGY", "IT"]
        assert "ENERGY, IT" in body["error"]["message"]


def test_the_same_body_ends_it(stage, sectors):
    body = {"sector": "IT", "symbols": ["RELIANCE", "NOPE"]}
    assert stage.post(UNSUBSCRIBE, body) == (
        200, {"unsubscribed": {"RELIANCE": "RELIANCE", "INFY": "INFY"}, "unknown": ["NOPE"]},
    )  # fmt: skip
    assert stage.told_of(UnpinAsked) == [UnpinAsked(frozenset({RELIANCE}), frozenset({"IT"}))]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{", None),
        ("", None),
        ("[]", None),
        ({}, "symbols"),
        ({"symbols": "RELIANCE"}, "symbols"),
        ({"symbols": ["X"] * 11}, "symbols"),
        ({"symbols": []}, "symbols"),
        ({"symbols": [], "sector": "IT"}, "symbols"),
        ({"instrumentKey": 5}, "instrumentKey"),
        ({"sector": ["IT"]}, "sector"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_its_field(stage, body, field):
    stage.start(max_symbols_per_request=10)
    for path in (SUBSCRIBE, UNSUBSCRIBE):
        status, answer = stage.post(path, body)
        assert (status, answer["error"]["code"]) == (400, "invalid_parameter")
        assert answer["error"].get("field") == field
    assert not stage.told


def test_before_the_instruments_are_loaded_nothing_is_unknown_yet(stage):
    stage.table = type(stage.table).build({})
    stage.start()
    assert stage.post(SUBSCRIBE, {"symbols": ["INFY"]})[0] == 503


def test_a_page_of_another_origin_may_not(stage):
    stage.start()
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    assert stage.post(SUBSCRIBE, {"symbols": ["INFY"]}, **headers)[0] == 403


def test_a_byte_order_mark_before_a_body_is_read_over(stage):
    stage.start()
    for path in (SUBSCRIBE, UNSUBSCRIBE):
        status, answer = stage.post(path, json.dumps({"symbols": ["INFY"]}).encode("utf-8-sig"))
        assert (status, answer["unknown"]) == (200, [])
