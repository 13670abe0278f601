"""The newest prices by type, as pages poll them."""

from __future__ import annotations

import msgspec
import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.prices import TYPES, price, prices_by_type
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
FUTURE = Instrument(9 << 8 | 2, "NIFTY26NOVFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|9")
CALL = Instrument(10 << 8 | 2, "NIFTY26NOV24400CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|10")
RECEIVED_NS = 1_790_653_501_123_456_789


def tick(instrument: Instrument, **said: object) -> Tick:
    return Tick(instrument, Quote(instrument.token, "full", **said), "test", 1, 1, RECEIVED_NS)  # type: ignore[arg-type]


def test_a_price_has_numbers_and_texts_where_pages_expect_them() -> None:
    said = tick(
        RELIANCE,
        last_price=1421.05,
        previous_close=1411.3,
        last_trade_time=1_790_653_500_999,
        last_quantity=12,
    )
    assert msgspec.to_builtins(price(said)) == {
        "updated_at": "2026-09-29T09:15:01.123", "ltp": 1421.05, "cp": 1411.3, "ltt": "1790653500",
        "ltq": "12", "change": 0.69,
    }  # fmt: skip


def test_what_is_not_known_is_left_out() -> None:
    assert msgspec.to_builtins(price(tick(NIFTY, last_price=24400.0))) == {
        "updated_at": "2026-09-29T09:15:01.123", "ltp": 24400.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("index", ["NSE_INDEX|Nifty 50"]),
        ("equity", ["NSE_EQ|INE002A01018"]),
        ("futures", ["NSE_FO|9"]),
        ("options", ["NSE_FO|10"]),
        ("all", ["NSE_EQ|INE002A01018", "NSE_INDEX|Nifty 50", "NSE_FO|9", "NSE_FO|10"]),
    ],
)
def test_prices_are_by_instrument_key_and_only_of_the_type_that_was_asked_for(kind, keys) -> None:
    ticks = [tick(each, last_price=1.0) for each in (RELIANCE, NIFTY, FUTURE, CALL)]
    assert list(prices_by_type(ticks, kind)) == keys
    assert kind in TYPES
