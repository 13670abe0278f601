"""What options are written on, by the names that people say."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.underlying import find_underlying

NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
RELIANCE = Instrument(
    738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ"
)  # fmt: skip
RELIANCE_BSE = Instrument(128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", series="A")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")


def contract(
    number: int, underlying: str, expiry: str, strike: float, side: Any, exchange: str = "NSE"
) -> Instrument:
    return Instrument(
        number << 8 | 2, f"{underlying}{expiry}{strike:g}{side or 'FUT'}", exchange, f"{exchange}_FO",
        "OPTION" if side else "FUTURE", f"{exchange}_FO|{number}", expiry=expiry, strike=strike,
        option_type=side, underlying=underlying,
    )  # fmt: skip


NOVEMBER, DECEMBER = "2026-11-24", "2026-12-29"
LISTED = [
    NIFTY, RELIANCE, RELIANCE_BSE, INFY,
    contract(1, "NIFTY", DECEMBER, 24400.0, "PE"), contract(2, "NIFTY", NOVEMBER, 24400.0, "PE"),
    contract(3, "NIFTY", NOVEMBER, 24400.0, "CE"), contract(4, "NIFTY", NOVEMBER, 24300.0, "CE"),
    contract(5, "NIFTY", NOVEMBER, 0.0, ""), contract(6, "RELIANCE", NOVEMBER, 1400.0, "CE"),
    contract(7, "RELIANCE", NOVEMBER, 1420.0, "CE", "BSE"),
    contract(8, "CRUDEOIL", NOVEMBER, 5500.0, "CE", "MCX"), contract(9, "INFY", NOVEMBER, 0.0, ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> InstrumentTable:
    return InstrumentTable.build({"test": [(each, each.token) for each in LISTED]})


def test_expiries_come_in_order_and_their_options_by_strike(table: InstrumentTable) -> None:
    found = find_underlying(table, "NIFTY")
    assert found is not None
    assert (found.name, found.spot) == ("NIFTY", NIFTY)
    assert list(found.expiries) == [NOVEMBER, DECEMBER]
    assert [each.token >> 8 for each in found.expiries[NOVEMBER]] == [4, 3, 2]


@pytest.mark.parametrize(
    "name", ["NIFTY", " nifty ", "NIFTY 50", "nifty50", "NSE:NIFTY", "NSE_INDEX|Nifty 50", "256265"]
)
def test_any_name_of_the_spot_means_its_options(table: InstrumentTable, name: str) -> None:
    found = find_underlying(table, name)
    assert found is not None
    assert found.name == "NIFTY"


@pytest.mark.parametrize(
    ("name", "meant", "spot", "number"),
    [
        ("RELIANCE", "RELIANCE", RELIANCE, 6),
        ("BSE:RELIANCE", "BSE:RELIANCE", RELIANCE_BSE, 7),
        ("BSE_EQ|INE002A01018", "BSE:RELIANCE", RELIANCE_BSE, 7),
        ("CRUDEOIL", "CRUDEOIL", None, 8),
        ("MCX:CRUDEOIL", "CRUDEOIL", None, 8),
    ],
)
def test_each_exchange_has_its_own_options_and_the_nse_is_meant_first(
    table: InstrumentTable, name: str, meant: str, spot: Instrument | None, number: int
) -> None:
    found = find_underlying(table, name)
    assert found is not None
    assert (found.name, found.spot) == (meant, spot)
    assert [each.token >> 8 for each in found.expiries[NOVEMBER]] == [number]


@pytest.mark.parametrize("name", ["INFY", "NOBODY", "", "BSE:NIFTY", "NSE:CRUDEOIL", ":", "NIFTY:"])
def test_what_has_no_options_is_no_underlying(table: InstrumentTable, name: str) -> None:
    assert find_underlying(table, name) is None


def test_the_nearest_expiry_is_the_first_that_has_not_passed(table: InstrumentTable) -> None:
    found = find_underlying(table, "NIFTY")
    assert found is not None
    assert [found.nearest(on) for on in ("2026-11-24", "2026-11-25", "2027-01-01")] == [
        NOVEMBER,
        DECEMBER,
        "",
    ]
