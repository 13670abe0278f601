"""One identity for what several brokers list."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.market.instrument import InstrumentRow
from mdactors.market.merging import merge

ISIN = "INE002A01018"
KEY = f"NSE_EQ|{ISIN}"


def share(token: int = 738561, symbol: str = "RELIANCE", **more: Any) -> InstrumentRow:
    fields = {"exchange": "NSE", "segment": "NSE_EQ", "type": "STOCK", "series": "EQ"} | more
    fields.setdefault("key", f"{fields['segment']}|{symbol}")
    return InstrumentRow(token=token, symbol=symbol, **fields)


def keyed(token: int = 738561, symbol: str = "RELIANCE", isin: str = ISIN, **more: Any) -> InstrumentRow:
    return share(token, symbol, key=f"NSE_EQ|{isin}", isin=isin, **more)


def future(expiry: str, **more: Any) -> InstrumentRow:
    terms = {"segment": "NSE_FO", "type": "FUTURE", "series": "", "underlying": "NIFTY", "expiry": expiry}
    return share(58072 << 8 | 2, f"NIFTY{expiry}", key="NSE_FO|58072", **terms | more)


def test_the_first_broker_describes_and_the_other_adds_what_it_does_not_know():
    plain = share(name="RELIANCE INDUSTRIES", tick_size=0.1)
    other = keyed(name="Reliance", tick_size=10.0, mtf=True)
    merged = merge({"one": [(plain, 738561)], "two": [(other, KEY)]})
    (row,) = merged.by_token.values()
    assert (row.key, row.isin, row.name, row.tick_size, row.mtf) == (
        KEY,
        ISIN,
        "RELIANCE INDUSTRIES",
        0.1,
        True,
    )
    assert merged.tokens == {"one": {738561: 738561}, "two": {738561: KEY}}


def test_a_real_key_of_the_first_broker_is_not_replaced():
    merged = merge({"one": [(keyed(), "k")], "two": [(keyed(isin="INE000000000"), 738561)]})
    assert merged.by_token[738561].key == KEY


def test_an_index_has_the_key_of_the_table_of_indices_whoever_lists_it():
    nifty = share(256265, "NIFTY 50", segment="NSE_INDEX", type="INDEX", series="")
    assert merge({"one": [(nifty, 256265)]}).by_token[256265].key == "NSE_INDEX|Nifty 50"


def test_of_two_rows_of_one_broker_with_one_token_the_first_counts():
    merged = merge({"one": [(share(), "a"), (share(name="again"), "b")]})
    assert merged.tokens == {"one": {738561: "a"}}
    assert merged.by_token[738561].name == ""


@pytest.mark.parametrize("newer", ["one", "two"])
def test_a_share_that_moved_to_another_series_keeps_one_identity(newer: str):
    """RELIANCE moved from EQ to BE: its exchange token is another, its key stays. One list is older."""
    moved = {"token": 99 << 8 | 1, "symbol": "RELIANCE-BE", "series": "BE"}
    first = share(**moved) if newer == "one" else share()
    second = keyed() if newer == "one" else keyed(**moved)
    merged = merge({"one": [(first, first.token)], "two": [(second, KEY)]})
    (row,) = merged.by_token.values()
    assert (row.token, row.symbol, row.isin, row.key) == (first.token, first.symbol, ISIN, KEY)
    assert merged.tokens == {"one": {first.token: first.token}, "two": {first.token: KEY}}
    assert merged.strangers == {}


def test_a_bond_that_a_share_shares_its_symbol_with_is_another_instrument():
    cholafin = share(685 << 8 | 1, "CHOLAFIN")
    bond = keyed(19257 << 8 | 1, "CHOLAFIN-D1", "INE121A08PJ0", series="D1")
    merged = merge({"one": [(cholafin, 1)], "two": [(bond, "bond"), (keyed(685 << 8 | 1, "CHOLAFIN"), KEY)]})
    assert merged.tokens["two"] == {cholafin.token: KEY, bond.token: "bond"}
    assert merged.by_token[cholafin.token].isin == ISIN


def test_an_isin_that_changed_is_still_the_share_with_that_token():
    """After a split the ISIN is another; who lists the old one is out of date, the token says the same."""
    merged = merge({"one": [(keyed(), "old")], "two": [(keyed(isin="INE002A01026"), "new")]})
    assert merged.tokens == {"one": {738561: "old"}, "two": {738561: "new"}}


def test_another_token_and_another_isin_are_another_share_and_the_reason_is_told():
    other = keyed(99 << 8 | 1, isin="INE999999999")
    merged = merge({"one": [(keyed(), KEY)], "two": [(other, "other")]})
    assert set(merged.by_token) == {738561, other.token}
    ((stranger,),) = merged.strangers.values()
    assert (stranger.symbol, stranger.reason) == ("RELIANCE", f"the ISIN is not {ISIN}")


def test_only_one_row_can_be_the_share_that_moved():
    late = [(keyed(n << 8 | 1), n) for n in (7, 8)]
    merged = merge({"one": [(share(), 1)], "two": late})
    assert merged.tokens["two"] == {738561: 7, 8 << 8 | 1: 8}
    assert [stranger.reason for stranger in merged.strangers["two"]] == ["a second of this symbol"]


@pytest.mark.parametrize("newer", ["one", "two"])
def test_a_token_that_was_used_again_after_expiry_means_the_later_contract(newer: str):
    lists = {"one": [(future("2026-08-25"), "a")], "two": [(future("2026-09-29"), "b")]}
    if newer == "one":
        lists = {"one": lists["two"], "two": lists["one"]}
    merged = merge(lists)
    (row,) = merged.by_token.values()
    assert row.expiry == "2026-09-29"
    assert merged.tokens == {newer: {row.token: "b"}, ({"one", "two"} - {newer}).pop(): {}}


def test_a_further_list_only_completes_what_is_there():
    merged = merge({"one": [(keyed(), KEY)]})
    merged.complete([keyed(99 << 8 | 1, mis=True), keyed(1 << 8 | 1, "NEW", "INE111111111", mis=True)])
    assert merged.by_token == {738561: keyed(mis=True)}
    assert merged.tokens == {"one": {738561: KEY}}


@pytest.mark.parametrize(
    ("fields", "etf", "tradable"),
    [
        ({"isin": ISIN}, False, True),
        ({"isin": "INF204KB14I2"}, True, True),
        ({"isin": "INF204KB14I2", "etf": False, "series": "BE"}, True, True),
        ({"isin": ISIN, "etf": True}, False, True),
        ({"etf": True}, True, True),
        ({"isin": "IN0020200195", "series": "GB"}, False, False),
        ({"isin": "INE0GGX23010", "series": "IV"}, False, False),
        ({"isin": "INE041025011", "series": "RR"}, False, False),
        ({"isin": ISIN, "series": "SM"}, False, False),
        ({"isin": "INF109KC1V59", "series": "F", "segment": "BSE_EQ", "exchange": "BSE"}, False, False),
        ({"isin": "INF109KC1V59", "series": "E", "segment": "BSE_EQ", "exchange": "BSE"}, True, True),
        ({"type": "INDEX", "segment": "NSE_INDEX", "series": ""}, False, False),
        ({"type": "FUTURE", "segment": "NSE_FO", "series": "", "expiry": "2026-08-25"}, False, True),
    ],
)
def test_isin_and_series_say_what_it_is(fields: dict[str, Any], etf: bool, tradable: bool):
    (row,) = merge({"one": [(share(**fields), 1)]}).rows()
    assert (row.etf, row.tradable) == (etf, tradable)


def test_the_sectors_know_a_share_by_isin_and_by_its_symbol_without_the_series():
    asked = []

    def sector_of(isin: str, symbol: str) -> tuple[str, str]:
        asked.append((isin, symbol))
        return "ENERGY", "Oil Gas & Consumable Fuels"

    listed = [(keyed(symbol="RELIANCE-BE", series="BE"), 1), (future("2026-08-25"), 2)]
    share_row, future_row = merge({"one": listed}).rows(sector_of=sector_of)
    assert asked == [(ISIN, "RELIANCE")]
    assert (share_row.sector, share_row.industry) == ("ENERGY", "Oil Gas & Consumable Fuels")
    assert future_row.sector == ""


def test_further_series_are_tradable_where_they_are_set():
    (row,) = merge({"one": [(share(series="SM"), 1)]}).rows(series=("EQ", "SM"))
    assert row.tradable
