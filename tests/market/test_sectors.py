"""Sectors: how they are called, what belongs to them, and which share a list means."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.market import indices
from mdactors.market.constituents import Constituent
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Member, Sector, Sectors, share_of

BANK = Constituent("HDFCBANK", "Financial Services", "INE040A01034")
LENDER = Constituent("CHOLAFIN", "Financial Services", "INE121A01024")
OIL = Constituent("RELIANCE", "Oil Gas & Consumable Fuels", "INE002A01018")
SMALL_BANK = Constituent("CUB", "Financial Services", "INE491A01021")
DEFINITION = [
    Sector("BANKING", "Banks", indices=("Nifty Bank",), symbols=("CUB",)),
    Sector("FINANCE", "Financial services", industries=("Financial Services",)),
    Sector("ENERGY", "Energy", industries=("Oil, Gas and Consumable Fuels", "Power")),
]


@pytest.fixture
def sectors() -> Sectors:
    return Sectors(DEFINITION, {"niftybank": [BANK], "NIFTY 50": [OIL, BANK], "others": [LENDER, SMALL_BANK]})


def share(token: int, symbol: str, isin: str = "", series: str = "EQ") -> Instrument:
    key = f"NSE_EQ|{isin or symbol}"
    return Instrument(token, symbol, "NSE", "NSE_EQ", "STOCK", key, series=series)


def table(*instruments: Instrument) -> InstrumentTable:
    return InstrumentTable.build({"x": [(each, each.token) for each in instruments]})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("BANKING", "BANKING"),
        (" banking ", "BANKING"),
        ("banks", "BANKING"),
        ("Financial Services", "FINANCE"),
        ("Oil Gas & Consumable Fuels", "ENERGY"),
        ("OIL, GAS AND CONSUMABLE FUELS", "ENERGY"),
        ("power", "ENERGY"),
    ],
)
def test_code_name_and_industry_are_understood(sectors: Sectors, text: str, code: str) -> None:
    found = sectors.find(text)
    assert found is not None
    assert found.code == code


def test_what_is_no_sector_is_none(sectors: Sectors) -> None:
    assert sectors.find("Bank") is None
    assert sectors.find("") is None
    assert sectors.members("Bank") == []


def test_the_codes_keep_their_order(sectors: Sectors) -> None:
    assert sectors.codes() == ("BANKING", "FINANCE", "ENERGY")


def test_a_share_belongs_to_the_first_sector_that_takes_it(sectors: Sectors) -> None:
    assert sectors.members("BANKING") == [Member("INE491A01021", "CUB"), Member("INE040A01034", "HDFCBANK")]
    assert sectors.members("Financial Services") == [Member("INE121A01024", "CHOLAFIN")]
    assert sectors.sector_of("INE040A01034", "HDFCBANK") == ("BANKING", "Financial Services")


def test_the_members_of_an_index_are_found_by_any_of_its_names(sectors: Sectors) -> None:
    for name in ("NIFTY 50", "NIFTY", "nifty50", "Nifty 50"):
        assert sectors.index_members(name) == [
            Member("INE002A01018", "RELIANCE"),
            Member("INE040A01034", "HDFCBANK"),
        ]
    assert sectors.index_members("NIFTY IT") is None
    assert sectors.index_members("others") is None
    assert sectors.indices() == ("NIFTY 50", "NIFTY BANK")


@pytest.mark.parametrize(
    ("isin", "symbol", "code"),
    [
        ("INE002A01018", "RENAMED", "ENERGY"),
        ("", "RELIANCE", "ENERGY"),
        ("", "reliance", "ENERGY"),
        ("INE002A01026", "RELIANCE", "ENERGY"),
        ("INE002A08534", "RELIANCE", ""),
        ("INE999Z01011", "RELIANCE", ""),
        ("INE999Z01011", "UNKNOWN", ""),
        ("", "", ""),
    ],
    ids=[
        "the ISIN decides", "no ISIN", "small letters", "a new ISIN after a split", "a bond",
        "another company", "on no list", "nothing",
    ],
)  # fmt: skip
def test_the_sector_of_a_share(sectors: Sectors, isin: str, symbol: str, code: str) -> None:
    assert sectors.sector_of(isin, symbol)[0] == code


def test_the_later_of_two_lists_says_the_industry_and_an_isin_stays_known() -> None:
    sectors = Sectors(DEFINITION, {"a": [OIL], "b": [Constituent("RELIANCE", "Financial Services")]})
    assert sectors.sector_of("INE002A01018", "RELIANCE") == ("FINANCE", "Financial Services")


def test_without_lists_there_are_sectors_and_no_members() -> None:
    sectors = Sectors(DEFINITION)
    assert sectors.members("ENERGY") == []
    assert sectors.members("BANKING") == [Member("", "CUB")]


@pytest.mark.parametrize(
    ("member", "token"),
    [
        (Member("INE121A01024", "CHOLAFIN"), 1),
        (Member("", "CHOLAFIN"), 1),
        (Member("INE121A01099", "CHOLAFIN"), 1),
        (Member("INE483A01010", "WAS_CENTRALBK"), 3),
        (Member("", "CENTRALBK"), 3),
        (Member("", "BONDONLY"), None),
        (Member("INE000A01010", "NOWHERE"), None),
    ],
    ids=["both", "symbol", "old ISIN", "renamed", "series BE", "a bond alone", "neither"],
)
def test_a_share_is_meant_and_never_the_bond_of_its_symbol(member: Member, token: int | None) -> None:
    listed = table(
        share(2, "CHOLAFIN-D1", "INE121A08OE1", "D1"), share(1, "CHOLAFIN", "INE121A01024"),
        share(3, "CENTRALBK-BE", "INE483A01010", "BE"), share(4, "BONDONLY-N0", "INE999A08011", "N0"),
    )  # fmt: skip
    found = share_of(listed, member)
    assert (found.token if found else None) == token


def test_each_share_that_is_listed_leads_to_its_sector(sectors: Sectors) -> None:
    listed: Any = table(share(1, "RELIANCE", "INE002A01018"), share(2, "HDFCBANK"), share(3, "OTHER"))
    assert sectors.by_token(listed) == {1: "ENERGY", 2: "BANKING"}


def test_no_two_indices_answer_to_one_name() -> None:
    for index in indices.all_indices():
        for name in (index.symbol, index.symbol.lower().replace(" ", ""), *index.aliases):
            assert indices.by_name(name) is index
    assert indices.by_name("NIFTY OIL, GAS") is None
