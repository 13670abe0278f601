"""REST of movers and option chains."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

MOVERS, CHAIN = "/api/movers", "/api/optionchain"
NIFTY, RELIANCE, INFY, CALL = 256265, 738561, 408065, 60001 << 8 | 2


@pytest.fixture
def market(stage: Any) -> Any:
    """A server of a day on which RELIANCE rose and traded less, INFY fell, and one option ticked."""
    stage.ticks = {
        token: Tick(
            stage.table.by_token[token], Quote(token, "full", **said), "x", 1, 1, 1_790_000_000_000_000_000
        )
        for token, said in {
            NIFTY: {"last_price": 24410.0, "previous_close": 24300.0},
            RELIANCE: {"last_price": 1500.5, "previous_close": 1490.0, "volume": 12},
            INFY: {"last_price": 1480.0, "previous_close": 1500.0, "volume": 100},
            CALL: {"last_price": 180.5, "volume": 650, "open_interest": 1300},
        }.items()
    }
    return stage.start()


def symbols(stage: Any, query: str = "") -> list[str]:
    """Of the movers."""
    status, body = stage.get(f"{MOVERS}{query}")
    assert status == 200, body
    return [each["symbol"] for each in body]


def test_movers_are_ranked_by_what_is_asked_and_gainers_by_default(market):
    assert symbols(market) == symbols(market, "?by=gainers") == ["RELIANCE"]
    assert symbols(market, "?by=losers") == ["INFY"]
    assert symbols(market, "?by=active") == symbols(market, "?by=volume") == ["INFY", "RELIANCE"]
    assert symbols(market, "?by=active&n=1") == ["INFY"]


def test_a_mover_has_its_figures(market):
    assert market.get(MOVERS)[1] == [
        {
            "symbol": "RELIANCE", "instrumentToken": RELIANCE, "instrumentKey": "NSE_EQ|INE002A01018",
            "lastTradedPrice": 1500.5, "change": 10.5, "changePercent": 0.7, "volume": 12, "value": 18006.0,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field"), [("by=price", "by"), ("n=0", "n"), ("n=ten", "n")])
def test_a_wrong_parameter_of_movers_is_named(market, wrong, field):
    status, body = market.get(f"{MOVERS}?{wrong}")
    assert (status, body["error"]["code"], body["error"]["field"]) == (400, "invalid_parameter", field)


@pytest.mark.parametrize("name", ["NIFTY", "nifty", "NIFTY 50", "NSE_INDEX|Nifty 50"])
def test_a_chain_is_of_the_nearest_expiry_and_its_underlying_has_many_names(market, name):
    status, body = market.get(f"{CHAIN}/{quote(name)}")
    assert (status, body["underlying"], body["expiry"]) == (200, "NIFTY", "2026-11-24")
    assert body["expiries"] == ["2026-11-24", "2026-12-29"]
    assert (body["spot"], body["atTheMoney"], body["ce"]["openInterest"]) == (24410.0, 24400.0, 1300)
    first, second = body["rows"]
    assert first["ce"] == {
        "symbol": "NIFTY60001CE", "instrumentToken": CALL, "instrumentKey": "NSE_FO|60001",
        "lastTradedPrice": 180.5, "volume": 650, "openInterest": 1300,
    }  # fmt: skip
    assert first["pe"].keys() == {"symbol", "instrumentToken", "instrumentKey"}
    assert (second["strike"], "pe" in second) == (24500.0, False)


def test_a_chain_of_another_expiry_is_asked_for_by_its_date(market):
    body = market.get(f"{CHAIN}/NIFTY?expiry=2026-12-29")[1]
    assert (body["expiry"], len(body["rows"])) == ("2026-12-29", 1)
    assert market.get(f"{CHAIN}/NIFTY?expiry=")[1]["expiry"] == "2026-11-24"


def test_an_expiry_that_there_is_not_is_404_with_the_expiries(market):
    status, body = market.get(f"{CHAIN}/NIFTY?expiry=2026-11-25")
    assert (status, body["error"]["code"], body["error"]["field"]) == (404, "unknown_expiry", "expiry")
    assert body["error"]["suggestions"] == ["2026-11-24", "2026-12-29"]
    assert "no options on NIFTY expire on 2026-11-25" in body["error"]["message"]


def test_after_the_last_expiry_the_nearest_is_404(stage):
    stage.today = "2027-01-01"
    stage.start()
    status, body = stage.get(f"{CHAIN}/NIFTY")
    assert (status, body["error"]["code"]) == (404, "unknown_expiry")


def test_what_has_no_options_is_404_with_suggestions(market):
    status, body = market.get(f"{CHAIN}/NIFTI")
    assert (status, body["error"]["code"], body["error"]["field"]) == (404, "unknown_symbol", "underlying")
    assert body["error"]["suggestions"] == ["NIFTY"]
    assert market.get(f"{CHAIN}/INFY")[0] == 404


def test_a_wrong_date_is_400_and_before_the_instruments_are_there_it_is_503(market, stage):
    status, body = market.get(f"{CHAIN}/NIFTY?expiry=soon")
    assert (status, body["error"]["field"]) == (400, "expiry")
    stage.table = type(stage.table).build({})
    assert market.get(f"{CHAIN}/NIFTY")[0] == 503
