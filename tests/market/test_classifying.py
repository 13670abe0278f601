"""Which class each instrument of a table is of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest

from mdactors.market.classifying import classify, farm_goods
from mdactors.market.instrument import InstrumentRow
from mdactors.market.trading_class import CLASSES, trading_class_of

TODAY = dt.date(2026, 11, 2)


def share(symbol: str, segment: str = "NSE_EQ", *, cas: bool = False, series: str = "EQ") -> InstrumentRow:
    return InstrumentRow(
        0, symbol, segment[:3], segment, "STOCK", f"{segment}|{symbol}", series=series, cas_eligible=cas
    )


def future(underlying: str, expiry: str, segment: str = "NSE_FO") -> InstrumentRow:
    symbol = f"{underlying}{expiry}"
    return InstrumentRow(
        0, symbol, segment[:3], segment, "FUTURE", symbol, expiry=expiry, underlying=underlying
    )


def option(underlying: str, expiry: str, segment: str = "NSE_FO") -> InstrumentRow:
    symbol = f"{underlying}{expiry}CE"
    return InstrumentRow(
        0, symbol, segment[:3], segment, "OPTION", symbol, expiry=expiry, underlying=underlying
    )


def classes(rows: Iterable[InstrumentRow], today: dt.date = TODAY) -> dict[str, str]:
    found = classify(rows, today, lambda day: day.weekday() < 5)
    return {row.symbol: trading_class_of(row) for row in found}


def test_shares_on_which_contracts_are_written_have_an_auction_where_no_list_says_it() -> None:
    rows = [share("ONE"), share("TWO-BE", series="BE"), share("THREE"), share("ONE", "BSE_EQ", series="A")]
    rows += [future("ONE", "2026-11-24"), option("TWO", "2026-11-24")]
    found = [row.trading_class for row in classify(rows, TODAY, lambda _day: True)][:4]
    assert found == ["auction_shares", "auction_shares", "shares", "auction_shares"]


def test_a_list_that_says_it_goes_before_the_contracts_for_its_segment() -> None:
    rows = [share("ONE"), share("TWO", cas=True), share("THREE", "BSE_EQ"), future("ONE", "2026-11-24")]
    rows.append(future("THREE", "2026-11-24", "BSE_FO"))
    found = classes(rows)
    assert [found[name] for name in ("ONE", "TWO", "THREE")] == ["shares", "auction_shares", "auction_shares"]


@pytest.mark.parametrize(
    ("today", "near"),
    [
        ("2026-11-02", ["2026-11-24"]),
        ("2026-11-17", ["2026-11-24"]),
        ("2026-11-18", ["2026-11-24", "2026-12-29"]),  # the fifth trading day before it is over
        ("2026-11-24", ["2026-11-24", "2026-12-29"]),
        ("2026-11-25", ["2026-12-29"]),
    ],
)
def test_this_months_future_has_a_pre_open_session_and_next_months_in_the_last_five_days(
    today: str, near: list[str]
) -> None:
    expiries = ["2026-12-29", "2026-11-24", "2027-01-26"]
    found = classes((future("ONE", expiry) for expiry in expiries), dt.date.fromisoformat(today))
    assert sorted(symbol[3:] for symbol, name in found.items() if name == "near_futures") == near


def test_commodities_end_by_what_they_are() -> None:
    rows = [future(name, "2026-12-18", "MCX_FO") for name in ("CRUDEOIL", "CARDAMOM", "KAPAS", "cotton")]
    assert list(classes(rows).values()) == [
        "commodities", "commodities_to_17", "commodities_to_21", "commodities_to_21",
    ]  # fmt: skip
    assert set(farm_goods().values()) <= set(CLASSES)


def test_everything_else_goes_by_segment_and_type() -> None:
    rows = [
        InstrumentRow(0, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "a"),
        InstrumentRow(0, "MCXBULLDEX", "MCX", "MCX_INDEX", "INDEX", "b"),
        InstrumentRow(0, "GIFT NIFTY", "NSEIX", "GLOBAL_INDEX", "INDEX", "c"),
        option("ONE", "2026-11-24"),
        future("USDINR", "2026-11-26", "NCD_FO"),
        share("GILT-GS", series="GS"),
    ]
    assert list(classes(rows).values()) == [
        "indices", "commodities", "world", "options", "currencies", "shares",
    ]  # fmt: skip
