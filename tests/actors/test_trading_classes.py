"""The classes of what is subscribed, by which it is known when something could trade."""

from __future__ import annotations

from mdactors.actors.trading_classes import TradingClasses
from mdactors.market.calendar import TradingClass
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
SMALL = Instrument(257, "SMALL-BE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|SMALL", series="BE")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
FUTURE = Instrument(
    2050, "RELIANCE26NOVFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|8", expiry="2026-11-24",
    underlying="RELIANCE",
)  # fmt: skip
TABLE = InstrumentTable.build({"kite": [(each, each.token) for each in (RELIANCE, SMALL, NIFTY, FUTURE)]})


def test_shares_with_contracts_are_a_class_of_their_own() -> None:
    wanted = [dict.fromkeys((RELIANCE.token, SMALL.token)), {}, {NIFTY.token: "full", FUTURE.token: "ltp"}]
    assert TradingClasses("kite", TABLE).of(wanted) == {
        TradingClass("NSE_EQ", has_derivatives=True),
        TradingClass("NSE_EQ"),
        TradingClass("NSE_INDEX"),
        TradingClass("NSE_FO"),
    }


def test_what_no_table_knows_is_left_out_until_one_does() -> None:
    classes = TradingClasses("kite", InstrumentTable.build({}))
    wanted = [{NIFTY.token: "full"}]
    assert classes.of(wanted) == frozenset()
    classes.use(TABLE)
    assert classes.of(wanted) == {TradingClass("NSE_INDEX")}


def test_what_is_replaced_is_looked_at_again() -> None:
    classes = TradingClasses("kite", TABLE)
    assert classes.of([{NIFTY.token: "full"}, {}]) == {TradingClass("NSE_INDEX")}
    assert classes.of([{NIFTY.token: "full"}, {FUTURE.token: "full"}]) == {
        TradingClass("NSE_INDEX"),
        TradingClass("NSE_FO"),
    }
    assert classes.of([{}, {}]) == frozenset()


def test_a_new_day_is_looked_up_anew() -> None:
    classes = TradingClasses("kite", TABLE)
    wanted = [{RELIANCE.token: "full"}]
    assert classes.of(wanted) == {TradingClass("NSE_EQ", has_derivatives=True)}
    classes.use(InstrumentTable.build({"kite": [(RELIANCE, RELIANCE.token)]}))
    assert classes.of(wanted) == {TradingClass("NSE_EQ", has_derivatives=True)}
    classes.forget()
    assert classes.of(wanted) == {TradingClass("NSE_EQ")}
