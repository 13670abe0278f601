"""Underlyings: what contracts are written on, by every name that people and brokers have for it."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.underlyings import Underlyings

NEAR, FAR = "2026-08-25", "2026-09-29"
TODAY = "2026-08-18"


def cash(token: int, symbol: str, segment: str, **more: Any) -> Instrument:
    kind: Any = "INDEX" if segment.endswith("INDEX") else "STOCK"
    return Instrument(
        token, symbol, segment[:3], segment, kind, more.pop("key", f"{segment}|{symbol}"), **more
    )


def contract(
    token: int, word: str, expiry: str, strike: float = 0.0, kind: Any = "", **more: Any
) -> Instrument:
    symbol = f"{word}{expiry}{strike:g}{kind or 'FUT'}"
    exchange, segment = more.get("exchange", "NSE"), more.get("segment", "NSE_FO")
    return Instrument(
        token, symbol, exchange, segment, "OPTION" if kind else "FUTURE", f"{segment}|{token >> 8}",
        expiry=expiry, strike=strike, option_type=kind, underlying=word,
    )  # fmt: skip


LISTED = [
    cash(256265, "NIFTY 50", "NSE_INDEX"),
    cash(738561, "RELIANCE", "NSE_EQ", series="EQ", key="NSE_EQ|INE002A01018"),
    cash(128083204, "RELIANCE", "BSE_EQ"),
    cash(1025, "GOLD", "NSE_EQ", series="EQ"),
    contract(2 << 8 | 2, "NIFTY", FAR),
    contract(3 << 8 | 2, "NIFTY", NEAR),
    contract(4 << 8 | 2, "NIFTY", NEAR, 24600.0, "PE"),
    contract(5 << 8 | 2, "NIFTY", NEAR, 24600.0, "CE"),
    contract(6 << 8 | 2, "NIFTY", NEAR, 24550.0, "CE"),
    contract(7 << 8 | 2, "NIFTY", FAR, 24600.0, "CE"),
    contract(8 << 8 | 2, "RELIANCE", NEAR),
    contract(9 << 8 | 7, "GOLD", FAR, exchange="MCX", segment="MCX_FO"),
    contract(10 << 8 | 12, "GOLD", NEAR, exchange="NSE", segment="NSE_COM"),
    contract(11 << 8 | 2, "UNLISTED", NEAR),
]
WITH_OPTIONS = [
    *LISTED,
    contract(12 << 8 | 2, "RELIANCE", NEAR, 1400.0, "CE"),
    contract(13 << 8 | 2, "RELIANCE", NEAR, 1420.0, "CE", exchange="BSE", segment="BSE_FO"),
    contract(14 << 8 | 2, "GOLD", NEAR, 90000.0, "CE", exchange="MCX", segment="MCX_FO"),
]


@pytest.fixture(scope="module")
def underlyings() -> Underlyings:
    return Underlyings(InstrumentTable.build({"x": [(each, each.token) for each in LISTED]}))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NIFTY", "NIFTY"),
        ("nifty 50", "NIFTY"),
        ("NSE:NIFTY", "NIFTY"),
        ("NSE_INDEX|Nifty 50", "NIFTY"),
        ("256265", "NIFTY"),
        ("RELIANCE", "RELIANCE"),
        ("NSE_EQ|INE002A01018", "RELIANCE"),
        ("GOLD", "GOLD"),
        ("MCX:GOLD", "MCX:GOLD"),
    ],
)
def test_every_name_of_it_is_understood(underlyings: Underlyings, name: str, found: str) -> None:
    underlying = underlyings.find(name)
    assert underlying is not None
    assert underlying.name == found


@pytest.mark.parametrize("name", ["BSE:RELIANCE", "NIFTY2026-08-250FUT", "BSE:NIFTY", "NOTHING", ""])
def test_what_no_contract_is_written_on_is_none(underlyings: Underlyings, name: str) -> None:
    assert underlyings.find(name) is None


def test_its_contracts_are_in_order(underlyings: Underlyings) -> None:
    nifty = underlyings.find("NIFTY")
    assert nifty is not None
    assert [future.expiry for future in nifty.futures] == [NEAR, FAR]
    assert {
        expiry: [(each.strike, each.option_type) for each in chain]
        for expiry, chain in nifty.expiries.items()
    } == {
        NEAR: [(24550.0, "CE"), (24600.0, "CE"), (24600.0, "PE")],
        FAR: [(24600.0, "CE")],
    }
    assert list(nifty.expiries) == [NEAR, FAR]
    assert [nifty.nearest(on) for on in (TODAY, NEAR, "2026-08-26", "2027-01-01")] == [NEAR, NEAR, FAR, ""]


def test_the_spot_says_where_the_money_is_then_the_nearest_future(underlyings: Underlyings) -> None:
    def priced_by(name: str, on: str) -> list[tuple[str, str]]:
        found = underlyings.find(name)
        assert found is not None
        return [(each.type, each.expiry) for each in found.priced_by(on)]

    assert priced_by("NIFTY", TODAY) == [("INDEX", ""), ("FUTURE", NEAR)]
    assert priced_by("NIFTY", "2026-08-26") == [("INDEX", ""), ("FUTURE", FAR)]
    assert priced_by("NIFTY", "2027-01-01") == [("INDEX", "")]
    assert priced_by("UNLISTED", TODAY) == [("FUTURE", NEAR)]


def test_what_expired_before_a_date_is_neither_an_expiry_nor_a_future() -> None:
    table = InstrumentTable.build({"x": [(each, each.token) for each in LISTED]})
    nifty = Underlyings(table, on="2026-08-26").find("NIFTY")
    assert nifty is not None
    assert list(nifty.expiries) == [FAR]
    assert [each.expiry for each in nifty.futures] == [FAR]
    assert Underlyings(table, on=NEAR).find("UNLISTED") is not None, "on its last day it trades"
    assert Underlyings(table, on="2026-08-26").find("UNLISTED") is None


def test_a_commodity_has_no_spot_though_a_share_is_called_like_it(underlyings: Underlyings) -> None:
    gold = underlyings.find("GOLD")
    assert gold is not None
    assert (gold.spot, gold.exchange) == (None, "NSE")


def test_the_outlines_begin_with_what_people_trade_most(underlyings: Underlyings) -> None:
    assert [outline.name for outline in underlyings.outlines] == [
        "NIFTY", "RELIANCE", "GOLD", "UNLISTED", "MCX:GOLD",
    ]  # fmt: skip
    assert underlyings.outlines[0].expiries == {NEAR: 3, FAR: 1}


@pytest.mark.parametrize(
    ("name", "meant", "spot", "strike"),
    [
        (" nifty50 ", "NIFTY", 256265, 24550.0),
        ("RELIANCE", "RELIANCE", 738561, 1400.0),
        ("BSE:RELIANCE", "BSE:RELIANCE", 128083204, 1420.0),
        ("128083204", "BSE:RELIANCE", 128083204, 1420.0),
        ("GOLD", "MCX:GOLD", None, 90000.0),
        ("MCX:GOLD", "MCX:GOLD", None, 90000.0),
    ],
)
def test_each_exchange_has_its_own_options_and_the_nse_is_meant_first_where_it_has_some(
    name: str, meant: str, spot: int | None, strike: float
) -> None:
    table = InstrumentTable.build({"x": [(each, each.token) for each in WITH_OPTIONS]})
    found = Underlyings(table).find(name, with_options=True)
    assert found is not None
    assert (found.name, found.spot and found.spot.token) == (meant, spot)
    assert found.expiries[NEAR][0].strike == strike


@pytest.mark.parametrize(
    "name", ["RELIANCE", "UNLISTED", "NOTHING", "", "BSE:NIFTY", "NSE:GOLD", ":", "NIFTY:"]
)
def test_what_has_no_options_is_none_where_some_are_wanted(underlyings: Underlyings, name: str) -> None:
    assert underlyings.find(name, with_options=True) is None
