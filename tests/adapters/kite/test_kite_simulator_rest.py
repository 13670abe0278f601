"""The simulated Kite's REST, asked by the official client and by the adapter."""

from __future__ import annotations

from datetime import date

import pytest
import requests
from kiteconnect import KiteConnect
from kiteconnect.exceptions import InputException, NetworkException, TokenException
from tests.today import NOW_MS

from mdactors.simulator import Exchange


@pytest.fixture
def market():
    return Exchange(seed=5, start_ms=NOW_MS)


@pytest.fixture
def server(serve, market):
    return serve(market)


@pytest.fixture
def official(server):
    settings = server.settings()
    client = KiteConnect(settings["api_key"], settings["access_token"], root=settings["rest_url"])
    yield client
    client.reqsession.close()


def test_the_adapter_reads_the_market_out_of_the_list_of_instruments(server, market, connect):
    listings = {listing.token: listing.instrument for listing in connect(server).adapter.instruments()}
    assert set(listings) == set(market.states)
    for token, ours in listings.items():
        theirs = market.states[token].instrument
        for name in (
            "token", "symbol", "exchange", "segment", "type", "lot_size", "expiry", "strike", "option_type",
            "underlying",
        ):  # fmt: skip
            assert getattr(ours, name) == getattr(theirs, name), name
        if ours.type != "INDEX":
            assert ours.tick_size == theirs.tick_size


def test_the_adapter_is_told_the_isins_which_kite_itself_does_not_say(server, market, connect):
    listings = {listing.token: listing.instrument for listing in connect(server).adapter.instruments()}
    for token, ours in listings.items():
        if ours.type == "STOCK":
            theirs = market.states[token].instrument
            assert (ours.isin, ours.key) == (theirs.isin, theirs.key)
    assert listings[738561].key == "NSE_EQ|INE002A01018"


def test_the_official_client_reads_the_same_list_whole_or_by_exchange(official, market):
    rows = official.instruments()
    assert {row["instrument_token"] for row in rows} == set(market.states)
    assert all(int(row["exchange_token"]) == row["instrument_token"] >> 8 for row in rows)
    (nifty,) = [row for row in rows if row["tradingsymbol"] == "NIFTY 50"]
    assert (nifty["segment"], nifty["instrument_type"], nifty["lot_size"]) == ("INDICES", "EQ", 0)
    assert nifty["tick_size"] == 0.0
    segments = {row["segment"] for row in official.instruments("NFO")}
    assert segments == {"NFO-FUT", "NFO-OPT"}
    assert official.instruments("GLOBAL") == []


def test_the_dump_is_on_the_wire_dialect_and_open_to_all(server):
    answer = requests.get(server.settings()["rest_url"] + "/instruments", timeout=10)
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["Content-Encoding"] == "gzip"
    lines = answer.text.splitlines()
    assert lines[0].startswith("instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,")
    (row,) = [line for line in lines if line.startswith("738561,")]
    assert row.endswith(",0,,0,0.1,1,EQ,NSE,NSE")
    assert row.split(",")[3].startswith('"')
    plain = requests.get(answer.url, headers={"Accept-Encoding": "identity"}, timeout=10)
    assert plain.text == answer.text


def test_quotes_are_keyed_as_asked_and_what_is_unknown_is_absent(official, market):
    state = market.states[738561]
    asked = ["NSE:RELIANCE", "256265", "NSE:NOBODY", "BSE:NIFTY 50", "999"]
    full = official.quote(asked)
    assert set(full) == {"NSE:RELIANCE", "256265"}
    share = full["NSE:RELIANCE"]
    assert share["instrument_token"] == 738561
    assert share["last_price"] == state.last_price
    assert share["ohlc"]["close"] == state.previous_close
    assert [len(share["depth"][side]) for side in ("buy", "sell")] == [5, 5]
    assert share["depth"]["buy"][0]["price"] == state.bids(1)[0].price
    assert full["256265"]["depth"]["buy"] == [{"price": 0, "quantity": 0, "orders": 0}] * 5
    assert official.ohlc("NSE:RELIANCE")["NSE:RELIANCE"]["ohlc"]["open"] == state.open
    assert official.ltp(["NSE:RELIANCE"]) == {
        "NSE:RELIANCE": {"instrument_token": 738561, "last_price": state.last_price}
    }


def test_derivatives_are_asked_for_under_their_own_exchange(official, market):
    contract = next(i for i in market.instruments if i.segment == "NSE_FO")
    asked = [f"NFO:{contract.symbol}", f"NSE:{contract.symbol}"]
    assert set(official.ltp(asked)) == {asked[0]}


def test_too_many_keys_are_an_input_exception(official):
    with pytest.raises(InputException, match="500"):
        official.quote([str(n) for n in range(501)])


def test_a_second_question_within_a_second_is_one_too_many(official):
    official.ltp("NSE:RELIANCE")
    with pytest.raises(NetworkException, match="Too many requests") as caught:
        official.ltp("NSE:RELIANCE")
    assert caught.value.code == 429


def test_without_a_living_token_quotes_and_profile_are_refused(server, official):
    assert official.profile()["broker"] == "ZERODHA"
    server.faults.expire()
    for ask in (official.profile, lambda: official.ltp("NSE:RELIANCE")):
        with pytest.raises(TokenException) as caught:
            ask()
        assert caught.value.code == 403
    assert len(official.instruments("NSE")) > 50
    answer = requests.get(server.settings()["rest_url"] + "/user/profile", timeout=10)
    assert answer.status_code == 403
    assert answer.json()["error_type"] == "TokenException"


def test_the_adapter_is_told_the_close_of_the_day_before(server, market, connect):
    state = next(iter(market.states.values()))
    known = connect(server).adapter.previous_close(state.token, date(2026, 11, 20))
    assert known == state.previous_close
