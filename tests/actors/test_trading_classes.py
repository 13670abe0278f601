"""The classes of what is subscribed, by which it is known when something could trade."""

from __future__ import annotations

from collections.abc import Mapping

from mdactors.actors.trading_classes import TradingClasses
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerToken
from mdactors.market.trading_class import AUCTION_SHARES, FUTURES, INDICES, SHARES, Traded

RELIANCE = Instrument(
    738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", trading_class=AUCTION_SHARES
)
SMALL = Instrument(257, "SMALL-BE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|SMALL", series="BE")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
FUTURE = Instrument(
    2050, "RELIANCE26NOVFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|8", expiry="2026-11-24",
    underlying="RELIANCE",
)  # fmt: skip
LISTED: dict[BrokerToken, Instrument] = {each.token: each for each in (RELIANCE, SMALL, NIFTY, FUTURE)}
AN_INDEX = Traded("NSE_INDEX", INDICES)


def classes_of(listed: Mapping[BrokerToken, Instrument]) -> TradingClasses:
    return TradingClasses(listed.get)


def test_each_segment_and_class_is_there_once() -> None:
    wanted = [dict.fromkeys((RELIANCE.token, SMALL.token)), {}, {NIFTY.token: "full", FUTURE.token: "ltp"}]
    assert classes_of(LISTED).of(wanted) == {
        Traded("NSE_EQ", AUCTION_SHARES),
        Traded("NSE_EQ", SHARES),
        AN_INDEX,
        Traded("NSE_FO", FUTURES),
    }


def test_what_no_table_knows_is_left_out_until_one_does() -> None:
    listed: dict[BrokerToken, Instrument] = {}
    classes = classes_of(listed)
    wanted = [{NIFTY.token: "full"}]
    assert classes.of(wanted) == frozenset()
    listed[NIFTY.token] = NIFTY
    classes.look_again()
    assert classes.of(wanted) == {AN_INDEX}


def test_what_is_replaced_is_looked_at_again() -> None:
    classes = classes_of(LISTED)
    assert classes.of([{NIFTY.token: "full"}, {}]) == {AN_INDEX}
    assert classes.of([{NIFTY.token: "full"}, {FUTURE.token: "full"}]) == {
        AN_INDEX,
        Traded("NSE_FO", FUTURES),
    }
    assert classes.of([{}, {}]) == frozenset()


def test_a_new_day_is_looked_up_anew() -> None:
    listed = {**LISTED}
    classes = classes_of(listed)
    wanted = [{SMALL.token: "full"}]
    assert classes.of(wanted) == {Traded("NSE_EQ", SHARES)}
    listed[SMALL.token] = RELIANCE
    classes.look_again()
    assert classes.of(wanted) == {Traded("NSE_EQ", SHARES)}
    classes.forget()
    assert classes.of(wanted) == {Traded("NSE_EQ", AUCTION_SHARES)}
