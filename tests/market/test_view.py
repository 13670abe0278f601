"""A tick as clients read it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import MODES, Auction, Depth, Greeks, Level, Mode, Quote
from mdactors.market.tick import Tick
from mdactors.market.view import as_snapshot, encode, read_quote

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
RECEIVED_NS = 1_790_653_501_123_456_789
IDENTITY = {
    "symbol": "RELIANCE", "instrumentToken": 738561, "type": "STOCK", "exchange": "NSE",
    "instrumentKey": "NSE_EQ|INE002A01018", "source": "kite",
    "timestamp": "2026-09-29T09:15:01.012+05:30", "timestampSource": "exchange",
    "receivedAt": "2026-09-29T09:15:01.123+05:30", "epoch": 7, "seq": 3,
}  # fmt: skip


FLAGS = ("snapshot", "repeat", "late", "phase", "open_interest_change")


class Booked(Quote, gc=False):
    def depth(self) -> Depth:
        rungs = tuple(Level(100.0 - n, 10 + n, n) for n in range(30))
        return Depth(rungs, (Level(101.0, 5), Level(102.0, 6, 0)))

    def greeks(self) -> Greeks:
        return Greeks(delta=0.5, theta=-1.25)


def tick(instrument: Instrument = RELIANCE, kind: type[Quote] = Quote, **said: Any) -> Tick:
    flags = {name: said.pop(name) for name in FLAGS if name in said}
    said = {"last_price": 1421.05, "exchange_time": 1_790_653_501_012} | said
    return Tick(instrument, kind("R", "full", **said), "kite", 7, 3, RECEIVED_NS, **flags)


def read(tick: Tick, mode: Mode = "quote", **view: Any) -> dict[str, Any]:
    return json.loads(encode(tick, View(mode, **view)))


WHOLE: dict[str, Any] = {
    "last_quantity": 12, "last_trade_time": 1_790_653_500_000, "volume": 1234567, "average_price": 1420.12,
    "open": 1400.0, "high": 1433.2, "low": 1399.95, "previous_close": 1411.3, "open_interest": 0,
    "buy_quantity": 5, "sell_quantity": 6, "iv": 0.125,
}  # fmt: skip
QUOTE_VIEW = IDENTITY | {
    "lastTradeTime": "2026-09-29T09:15:00.000+05:30", "lastTradedPrice": 1421.05, "volume": 1234567,
    "ohlc": {"open": 1400.0, "high": 1433.2, "low": 1399.95, "close": 1411.3},
    "change": 9.75, "changePercent": 0.69,
}  # fmt: skip


def test_the_quote_view_is_everything_but_book_and_quantities():
    assert read(tick(kind=Booked, **WHOLE)) == QUOTE_VIEW


def test_the_full_view_adds_quantities_greeks_and_five_rungs():
    written = read(tick(kind=Booked, **WHOLE), "full")
    depth = written.pop("depth")
    assert written == QUOTE_VIEW | {
        "averagePrice": 1420.12, "lastQuantity": 12, "openInterest": 0, "buyQuantity": 5, "sellQuantity": 6,
        "greeks": {"delta": 0.5, "theta": -1.25}, "iv": 0.125,
    }  # fmt: skip
    assert [rung["price"] for rung in depth["buy"]] == [100.0, 99.0, 98.0, 97.0, 96.0]
    assert depth["sell"] == [{"price": 101.0, "quantity": 5}, {"price": 102.0, "quantity": 6, "orders": 0}]


def test_the_phase_is_said_in_every_mode_where_it_is_not_open():
    for mode in MODES:
        assert read(tick(phase="closing_orders"), mode)["phase"] == "closing_orders"
        assert "phase" not in read(tick(phase="open"), mode)


def test_the_range_of_open_interest_and_its_change_are_of_the_full_view():
    said = {"open_interest_high": 9, "open_interest_low": 0, "open_interest_change": -3}
    written = {"openInterestHigh": 9, "openInterestLow": 0, "openInterestChange": -3}
    assert written.items() <= read(tick(**said), "full").items()
    assert not written.keys() & read(tick(**said), "quote").keys()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (
            Auction(99.5, 98.0, 700, 40, 50),
            {"price": 99.5, "referencePrice": 98.0, "matched": 700, "imbalance": 40, "side": "buy"},
        ),
        (
            Auction(99.5, matched=0, imbalance=-40),
            {"price": 99.5, "matched": 0, "imbalance": 40, "side": "sell"},
        ),
        (Auction(matched=700, imbalance=0), {"matched": 700, "imbalance": 0}),
        (Auction(reference_price=98.0), {"referencePrice": 98.0}),
    ],
)
def test_an_auction_is_a_group_of_the_full_views_that_says_whose_orders_are_left_over(said, written):
    for mode in ("full", "depth30"):
        assert read(tick(auction=said), mode)["auction"] == written
    for mode in ("ltp", "quote"):
        assert "auction" not in read(tick(auction=said), mode)


def test_the_depth30_view_has_every_rung():
    assert len(read(tick(kind=Booked), "depth30")["depth"]["buy"]) == 30


def test_the_ltp_view_has_neither_volume_nor_the_days_figures():
    expected = {name: value for name, value in QUOTE_VIEW.items() if name not in {"volume", "ohlc"}}
    assert read(tick(**WHOLE), "ltp") == expected


def test_the_flat_shape_is_flat():
    assert read(tick(**WHOLE), shape="flat") == {
        "instrumentKey": "NSE_EQ|RELIANCE", "key": "NSE_EQ|INE002A01018", "ltp": 1421.05,
        "open": 1400.0, "high": 1433.2, "low": 1399.95, "volume": 1234567,
        "timestamp": 1_790_653_501_012, "symbol": "RELIANCE",
        "close": 1411.3, "change": 9.75, "changePercent": 0.69, "seq": 3, "source": "kite",
    }  # fmt: skip


def test_without_an_exchange_time_the_receipt_stands_in_and_says_so():
    written = read(tick(exchange_time=None))
    assert (written["timestamp"], written["timestampSource"]) == ("2026-09-29T09:15:01.123+05:30", "receipt")
    assert read(tick(exchange_time=None), shape="flat")["timestamp"] == RECEIVED_NS // 1_000_000


def test_what_is_unknown_is_left_out_and_zero_is_not():
    assert read(tick(last_price=None)) == IDENTITY
    written = read(tick(volume=0, open=0.0))
    assert written == IDENTITY | {"lastTradedPrice": 1421.05, "volume": 0, "ohlc": {"open": 0.0}}


def test_an_index_has_the_volume_zero():
    assert read(tick(NIFTY))["volume"] == 0
    assert read(tick(NIFTY), shape="flat")["volume"] == 0
    assert "volume" not in read(tick(NIFTY), "ltp")


def test_flags_are_written_only_where_they_are_true():
    etf = msgspec.structs.replace(RELIANCE, etf=True)
    written = read(tick(etf, snapshot=True, repeat=True, late=True))
    assert {name for name, value in written.items() if value is True} == {"snapshot", "repeat", "late", "etf"}
    assert not {"snapshot", "repeat", "late", "etf"} & read(tick()).keys()


@pytest.mark.parametrize(
    ("last", "close", "change", "percent"),
    [
        (2500.1, 2499.9, 0.2, 0.01),
        (100.05, 100.35, -0.3, -0.3),
        (83.1225, 83.12, 0.0025, 0.0),
        (100.0, 100.0, 0.0, 0.0),
        (5.0, 4.0, 1.0, 25.0),
        (-37.63, 18.27, -55.9, -305.97),
    ],
)
def test_the_change_has_no_more_digits_than_a_price(last: float, close: float, change: float, percent: float):
    written = read(tick(last_price=last, previous_close=close))
    assert (written["change"], written["changePercent"]) == (change, percent)


def test_there_is_no_change_against_a_close_of_zero():
    assert "change" not in read(tick(previous_close=0.0))


@given(last=st.integers(1, 10**7), close=st.integers(1, 10**7))
def test_the_change_of_paise_is_paise(last: int, close: int):
    written = read(tick(last_price=last / 100, previous_close=close / 100))
    assert written["change"] == (last - close) / 100
    assert abs(written["changePercent"] - (last - close) / close * 100) <= 0.005000001


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "last_price": st.floats(allow_nan=False, allow_infinity=False),
            "previous_close": st.floats(allow_nan=False, allow_infinity=False),
            "volume": st.integers(0, 2**53 - 1),
            "exchange_time": st.integers(-(2**62), 2**62),
            "last_trade_time": st.integers(-(2**62), 2**62),
        },
    ),
    st.sampled_from(["ltp", "quote", "full", "depth30"]),
    st.sampled_from(["tick", "flat"]),
)
def test_any_quote_can_be_written(said: dict[str, Any], mode: Mode, shape: Any):
    written = read(tick(kind=Booked, **said), mode, shape=shape)
    assert written["symbol"] == "RELIANCE"


def test_a_snapshot_is_the_same_tick_flagged():
    live = tick(**WHOLE)
    flagged = as_snapshot(live)
    assert read(flagged) == read(live) | {"snapshot": True}
    assert live.snapshot is False
    assert as_snapshot(flagged) is flagged


@pytest.mark.parametrize("of", [RELIANCE, NIFTY])
@pytest.mark.parametrize("flags", [{}, {"snapshot": True, "repeat": True, "late": True, "phase": "pre_open"}])
@pytest.mark.parametrize("said", [WHOLE, {}, {"exchange_time": None}, {"volume": 0, "open": 0.0}])
def test_a_tick_that_was_written_in_the_quote_view_is_read_again(of, flags, said):
    written = encode(tick(of, **said, **flags), View("quote"))
    again = read_quote(written, of)
    assert encode(again, View("quote")) == written
    assert again.received_ns == RECEIVED_NS // 1_000_000 * 1_000_000
