"""The classes of what is subscribed, by which it is known when something could trade."""

from __future__ import annotations

from collections.abc import Mapping

from mdactors.actors.trading_classes import TradingClasses
from mdactors.market.calendar import TradingClass
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerToken

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
SMALL = Instrument(257, "SMALL-BE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|SMALL", series="BE")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
FUTURE = Instrument(
    2050, "RELIANCE26NOVFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|8", expiry="2026-11-24",
    underlying="RELIANCE",
)  # fmt: skip
LISTED = {each.token: each for each in (RELIANCE, SMALL, NIFTY, FUTURE)}


def classes_of(listed: Mapping[BrokerToken, Instrument]) -> TradingClasses:
    return TradingClasses(listed.get, ["RELIANCE", "NIFTY"])


def test_shares_with_contracts_are_a_class_of_their_own() -> None:
    wanted = [dict.fromkeys((RELIANCE.token, SMALL.token)), {}, {NIFTY.token: "full", FUTURE.token: "ltp"}]
    assert classes_of(LISTED).of(wanted) == {
        TradingClass("NSE_EQ", has_derivatives=True),
        TradingClass("NSE_EQ"),
        TradingClass("NSE_INDEX"),
        TradingClass("NSE_FO"),
    }


def test_what_no_table_knows_is_left_out_until_one_does() -> None:
    listed: dict[BrokerToken, Instrument] = {}
    classes = classes_of(listed)
    wanted = [{NIFTY.token: "full"}]
    assert classes.of(wanted) == frozenset()
    listed[NIFTY.token] = NIFTY
    classes.use(["RELIANCE"])
    assert classes.of(wanted) == {TradingClass("NSE_INDEX")}


def test_what_is_replaced_is_looked_at_again() -> None:
    classes = classes_of(LISTED)
    assert classes.of([{NIFTY.token: "full"}, {}]) == {TradingClass("NSE_INDEX")}
    assert classes.of([{NIFTY.token: "full"}, {FUTURE.token: "full"}]) == {
        TradingClass("NSE_INDEX"),
        TradingClass("NSE_FO"),
    }
    assert classes.of([{}, {}]) == frozenset()


def test_a_new_day_is_looked_up_anew() -> None:
    classes = classes_of(LISTED)
    wanted = [{RELIANCE.token: "full"}]
    assert classes.of(wanted) == {TradingClass("NSE_EQ", has_derivatives=True)}
    classes.use(["NIFTY"])
    assert classes.of(wanted) == {TradingClass("NSE_EQ", has_derivatives=True)}
    classes.forget()
    assert classes.of(wanted) == {TradingClass("NSE_EQ")}
