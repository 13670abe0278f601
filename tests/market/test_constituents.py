"""Lists of shares as NSE publishes them: what is read, and how a mistake is named."""

from __future__ import annotations

import re

import pytest

from mdactors.market.constituents import Constituent, read_constituents

HEADER = "Company Name,Industry,Symbol,Series,ISIN Code\n"
BANK = "HDFC Bank Ltd.,Financial Services,HDFCBANK,EQ,INE040A01034\n"
OIL = "Reliance Industries Ltd.,Oil Gas & Consumable Fuels,RELIANCE,EQ,INE002A01018\n"


def test_a_list_is_read_in_its_order() -> None:
    assert read_constituents(HEADER + OIL + BANK) == [
        Constituent("RELIANCE", "Oil Gas & Consumable Fuels", "INE002A01018"),
        Constituent("HDFCBANK", "Financial Services", "INE040A01034"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        HEADER.upper() + BANK,
        HEADER.replace("\n", "\r\n") + BANK.replace("\n", "\r\n"),
        HEADER + "\n" + BANK + ",,,,\n",
        'Symbol, ISIN Code,Series,Industry,Company Name\nhdfcbank,ine040a01034,EQ,"Financial Services","A,B"',
    ],
    ids=["capitals", "CR LF", "empty rows", "another order, quotes, small letters"],
)
def test_how_it_is_written_makes_no_difference(text: str) -> None:
    assert read_constituents(text) == [Constituent("HDFCBANK", "Financial Services", "INE040A01034")]


def test_a_share_that_is_none_yet_is_left_out() -> None:
    dummy = "A demerged company,Power,DUMMYABC1,EQ,DUM002A01018\n"
    assert [share.symbol for share in read_constituents(HEADER + dummy + BANK)] == ["HDFCBANK"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no column 'Company Name'; there must be Company Name, Industry, Symbol, Series, ISIN Code"),
        (HEADER.replace("Symbol", "Ticker") + BANK, "has no column 'Symbol'; there must be Company Name, "),
        (HEADER, "lists no shares"),
        (HEADER + BANK + "A,B,C\n", "line 3: has 3 fields, the header 5"),
        (HEADER + BANK.replace("HDFCBANK", ""), "line 2: Symbol is empty"),
        (HEADER + BANK.replace("Financial Services", ""), "line 2: HDFCBANK has no Industry"),
        (
            HEADER + OIL + BANK.replace("INE040A01034", "INE040A"),
            "line 3: the ISIN Code of HDFCBANK is INE040A,",
        ),
        (HEADER + BANK.replace("INE040A01034", ""), "line 2: the ISIN Code of HDFCBANK is empty,"),
        (HEADER + BANK + BANK, "line 3: HDFCBANK is listed twice"),
        ("<!DOCTYPE html>\n<p>Access Denied</p>\n", "has no column 'Company Name'; there must be"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        read_constituents(text)
