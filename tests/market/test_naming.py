"""Under which name an instrument is answered: one that means just it, the whole day."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable

TODAY, TOMORROW = "2026-11-23", "2026-11-24"


def listed(token: int, symbol: str, segment: str = "NSE_EQ", **more: Any) -> Instrument:
    exchange, _, kind = segment.partition("_")
    kinds: dict[str, Any] = {"INDEX": "INDEX", "EQ": "STOCK", "FO": "FUTURE", "COM": "FUTURE"}
    return Instrument(
        token, symbol, exchange, segment, kinds[kind], **{"key": f"{segment}|{symbol}", **more}
    )  # fmt: skip


def table(
    rows: Iterable[Instrument], before: InstrumentTable | None = None, day: str = TODAY
) -> InstrumentTable:
    return InstrumentTable.of(rows, {}, day, before)


def names(of: InstrumentTable) -> dict[int, str]:
    return {token: each.answered for token, each in of.by_token.items()}


def token(of: InstrumentTable, name: str) -> int | None:
    found = of.resolve(name)
    return None if found is None else found.token


NSE = listed(738561, "RELIANCE", series="EQ", key="NSE_EQ|INE002A01018")
BSE = listed(128083204, "RELIANCE", "BSE_EQ", series="A", key="BSE_EQ|INE002A01018")
DELIVERY = listed(738817, "RELIANCE-BE", series="BE", key="NSE_EQ|INE002A01018")
INFY = listed(408065, "INFY", series="EQ")
SENSEX = listed(265, "SENSEX", "BSE_INDEX")
SIXTY = listed(403209, "BSE SENSEX SIXTY 65:35", "BSE_INDEX", key="BSE_INDEX|SS6535")
FUND, FUND_OF_BSE = listed(2561, "INFRA", series="EQ"), listed(2564, "INFRA", "BSE_EQ", series="B")
INFRA = listed(282377, "INFRA", "BSE_INDEX", key="BSE_INDEX|INFRA")
SHARE_OF_BSE = listed(500001 << 8 | 4, "ONLYBSE", "BSE_EQ", series="B", key="BSE_EQ|INE000A01011")
BOND_OF_BSE = listed(900001 << 8 | 4, "ONLYBSE", "BSE_EQ", series="F", key="BSE_EQ|INE000A07011")
UNKNOWN_BOND = listed(900002 << 8 | 4, "ONLYBSE", "BSE_EQ", series="F")
BOND = listed(19257 << 8 | 1, "CHOLAFIN-D1", series="D1", key="NSE_EQ|INE121A08PJ0")
GOLD = listed(121601 << 8 | 7, "GOLD26DECFUT", "NSE_COM", expiry="2026-12-04", key="NSE_COM|121601")
GOLD_OF_MCX = listed(483079 << 8 | 6, "GOLD26DECFUT", "MCX_FO", expiry="2026-12-04", key="MCX_FO|483079")
DIGITS = listed(51, "738561", "BSE_EQ", series="B")
"""Called as RELIANCE's token is."""


@pytest.mark.parametrize(
    ("instrument", "name"),
    [
        (NSE, "RELIANCE"),
        (BSE, "BSE:RELIANCE"),
        (DELIVERY, "RELIANCE-BE"),
        (SENSEX, "SENSEX"),
        (SIXTY, "BSE SENSEX SIXTY 65:35"),
        (FUND, "INFRA"),
        (FUND_OF_BSE, "BSE:INFRA"),
        (INFRA, "BSE_INDEX|INFRA"),
        (SHARE_OF_BSE, "ONLYBSE"),
        (BOND_OF_BSE, "BSE_EQ|INE000A07011"),
        (UNKNOWN_BOND, str(UNKNOWN_BOND.token)),
        (BOND, "CHOLAFIN-D1"),
        (GOLD, "GOLD26DECFUT"),
        (GOLD_OF_MCX, "MCX:GOLD26DECFUT"),
        (DIGITS, "BSE:738561"),
    ],
)
def test_the_name_is_the_shortest_that_means_just_this_instrument(instrument: Instrument, name: str):
    rows = (
        NSE, BSE, DELIVERY, SENSEX, SIXTY, FUND, FUND_OF_BSE, INFRA, SHARE_OF_BSE, BOND_OF_BSE, UNKNOWN_BOND,
        BOND, GOLD, GOLD_OF_MCX, DIGITS,
    )  # fmt: skip
    made = table(rows)
    assert made.by_token[instrument.token].answered == name
    assert token(made, name) == token(made, name.lower()) == instrument.token
    assert made.by_token[instrument.token].symbol == instrument.symbol, "which stays apart"


def test_a_suggestion_is_a_name_that_means_what_was_suggested():
    assert table([BSE, INFY]).suggest("RELIANC") == ["RELIANCE"]
    assert table([NSE, BSE, INFRA, FUND]).suggest("INFR") == ["INFRA"]


# --- While the day lasts


def test_what_leaves_one_exchange_leaves_the_name_of_its_twin_alone():
    morning = table([NSE, BSE, INFY])
    noon = table([BSE, INFY], morning)
    assert names(noon) == {BSE.token: "BSE:RELIANCE", INFY.token: "INFY"}
    assert token(noon, "RELIANCE") is None, "nobody else is called so today"
    assert token(noon, "BSE:RELIANCE") == token(noon, "BSE_EQ|RELIANCE") == BSE.token
    assert noon.suggest("RELIANCE") == ["BSE:RELIANCE"]
    evening = table([NSE, BSE, INFY], table([BSE, INFY], noon))
    assert names(evening) == names(morning)
    assert token(evening, "RELIANCE") == NSE.token


def test_what_another_exchange_lists_as_well_takes_no_name_away():
    noon = table([NSE, BSE], table([BSE]))
    assert names(noon) == {BSE.token: "RELIANCE", NSE.token: "NSE:RELIANCE"}
    assert token(noon, "RELIANCE") == BSE.token, "who streams it goes on with the same"
    assert token(noon, "NSE:RELIANCE") == token(noon, NSE.key) == NSE.token
    evening = table([NSE], noon)
    assert names(evening) == {NSE.token: "NSE:RELIANCE"}
    assert token(evening, "RELIANCE") is None


def test_the_next_day_names_are_given_anew():
    noon = table([NSE, BSE], table([BSE]))
    assert names(table([NSE, BSE], noon, TOMORROW)) == {NSE.token: "RELIANCE", BSE.token: "BSE:RELIANCE"}


@pytest.mark.parametrize("days", [1, 2, 30])
def test_what_leaves_one_exchange_leaves_its_name_to_no_other_on_later_days_either(days):
    now = table([NSE, BSE, INFY])
    for day in range(days):
        now = table([BSE, INFY], now, f"2026-12-{day + 1:02d}")
    assert names(now) == {BSE.token: "BSE:RELIANCE", INFY.token: "INFY"}
    assert token(now, "RELIANCE") is None
    assert now.suggest("RELIANCE") == ["BSE:RELIANCE"]
    back = table([NSE, BSE, INFY], now, "2027-01-01")
    assert names(back) == {NSE.token: "RELIANCE", BSE.token: "BSE:RELIANCE", INFY.token: "INFY"}


def test_a_name_goes_to_nse_and_to_who_takes_its_share_over():
    assert token(table([NSE], table([BSE]), TOMORROW), "RELIANCE") == NSE.token
    assert token(table([DELIVERY, BSE], table([NSE, BSE]), TOMORROW), "RELIANCE") == DELIVERY.token
    assert names(table([BSE], table([BSE]), TOMORROW)) == {BSE.token: "RELIANCE"}


def test_what_expired_leaves_its_name_to_whoever_has_it():
    gone = msgspec.structs.replace(GOLD, expiry=TODAY)
    assert token(table([GOLD_OF_MCX], table([gone, GOLD_OF_MCX]), TOMORROW), GOLD.symbol) == GOLD_OF_MCX.token


def test_what_was_renamed_is_found_by_its_new_name_alone_and_the_old_one_leads_to_that():
    renamed = msgspec.structs.replace(INFY, symbol="INFOSYS")
    reissued = msgspec.structs.replace(NSE, key="NSE_EQ|INE002A01999")
    moved = msgspec.structs.replace(NSE, token=5 << 8 | 1, symbol="JIO")
    now = table([renamed, reissued], table([INFY, NSE]), TOMORROW)
    assert (now.resolve("INFY"), now.resolve(NSE.key)) == (None, None)
    for _ in range(3):
        assert now.renamed_to("infy") == now.renamed_to("NSE:INFY") == "INFOSYS"
        assert now.renamed_to("BSE:INFY") == now.renamed_to("RELIANCE") == now.renamed_to("SBIN") == ""
        assert now.suggest("INFY")[0] == "INFOSYS"
        assert now.suggest(NSE.key)[0] == "RELIANCE"
        now = table([renamed, reissued], now, "2026-12-01")
    assert table([moved], table([NSE]), TOMORROW).renamed_to("RELIANCE") == "JIO", "by its ISIN"
    assert table([NSE], now, "2026-12-02").renamed_to("INFY") == "", "it is listed no more"


def test_a_share_that_moved_to_another_series_is_found_by_the_name_without_one():
    noon = table([DELIVERY, BSE], table([NSE, BSE]))
    assert names(noon) == {DELIVERY.token: "RELIANCE-BE", BSE.token: "BSE:RELIANCE"}
    assert token(noon, "RELIANCE") == DELIVERY.token


def test_what_is_renamed_keeps_its_name_for_the_day_and_is_found_by_the_new_one():
    renamed = msgspec.structs.replace(INFY, symbol="INFOSYS", key="NSE_EQ|INFOSYS")
    noon = table([renamed], table([INFY]))
    assert names(noon) == {INFY.token: "INFY"}
    assert {token(noon, name) for name in ("INFY", "INFOSYS", "NSE:INFOSYS")} == {INFY.token}
    assert names(table([renamed], noon)) == {INFY.token: "INFY"}
    assert names(table([renamed], noon, TOMORROW)) == {INFY.token: "INFOSYS"}


def test_a_name_of_today_goes_to_nobody_by_a_renaming():
    renamed = msgspec.structs.replace(INFY, symbol="RELIANCE", key="NSE_EQ|RELIANCE")
    noon = table([renamed], table([NSE, INFY]))
    assert (token(noon, "RELIANCE"), token(noon, "INFY")) == (None, INFY.token)


def test_a_contract_that_has_the_token_of_an_expired_one_has_a_name_of_its_own():
    december = msgspec.structs.replace(GOLD, symbol="GOLD27FEBFUT", expiry="2027-02-05")
    noon = table([december, GOLD_OF_MCX], table([GOLD, GOLD_OF_MCX]))
    assert names(noon)[GOLD.token] == "GOLD27FEBFUT"
    assert names(noon)[GOLD_OF_MCX.token] == "MCX:GOLD26DECFUT"


def test_an_instrument_whose_key_is_known_later_keeps_its_name():
    known = msgspec.structs.replace(UNKNOWN_BOND, key="BSE_EQ|INE000A07029")
    noon = table([SHARE_OF_BSE, known], table([SHARE_OF_BSE, UNKNOWN_BOND]))
    assert names(noon)[known.token] == str(known.token)
    again = table([SHARE_OF_BSE, UNKNOWN_BOND], table([SHARE_OF_BSE, known]))
    assert names(again)[known.token] == str(known.token), "the old name is none of its forms any more"


def test_an_instrument_of_an_older_journal_is_called_by_its_symbol():
    old = msgspec.msgpack.encode(msgspec.structs.astuple(BSE)[:12])
    assert msgspec.msgpack.decode(old, type=Instrument) == BSE
    assert BSE.answered == "RELIANCE"


def test_names_of_the_day_come_back_from_disk(tmp_path: Path):
    path = tmp_path / "instruments.msgpack"
    table([BSE, INFY], table([NSE, BSE])).save(path)
    again = InstrumentTable.load(path)
    assert (again.day, names(again)[BSE.token], token(again, "RELIANCE")) == (TODAY, "BSE:RELIANCE", None)
    assert names(table([NSE, BSE], again))[NSE.token] == "RELIANCE"


def test_spaces_around_a_symbol_are_no_part_of_its_name():
    index, padded = listed(9, "A", "NSE_INDEX"), listed(9, " A", "NSE_INDEX")
    share = listed(1, "A", series="EQ")
    noon = table([padded, share], table([], table([index])))
    assert {token(noon, name): each for each, name in names(noon).items()} == {9: 9, 1: 1}


SYMBOLS = ("A", "B", "A-BE", "NSE:A", "BSE:A", "NIFTY", "NIFTY 50", "4", "7", "a", " A")
SEGMENTS = ("NSE_EQ", "BSE_EQ", "NSE_INDEX", "BSE_INDEX", "NSE_FO", "MCX_FO")
SERIES = {"NSE_EQ": ("EQ", "N1"), "BSE_EQ": ("A", "F")}


@st.composite
def listings(draw: st.DrawFn) -> list[Instrument]:
    """Instruments that have their symbols from few."""
    tokens = draw(st.sets(st.integers(1, 12)))
    rows = []
    for number in tokens:
        segment = draw(st.sampled_from(SEGMENTS))
        series = draw(st.sampled_from(SERIES.get(segment, ("",))))
        rows.append(listed(number, draw(st.sampled_from(SYMBOLS)), segment, series=series))
    return rows


@given(st.lists(listings(), max_size=4))
def test_whatever_is_listed_a_name_leads_to_who_is_called_so(tables: list[list[Instrument]]):
    made = None
    for rows in tables:
        made = table(rows, made)
        for each in made.by_token.values():
            assert token(made, each.answered) == each.token


def two_tokens_of_a_share(rows: list[Instrument]) -> bool:
    """Whether one would count as the other after it moved."""
    shares = [(each.segment, each.symbol) for each in rows if each.series == "EQ"]
    return len(set(shares)) < len(shares)


@given(
    listings().filter(lambda rows: not two_tokens_of_a_share(rows)),
    st.lists(st.sets(st.integers(1, 12)), min_size=2, max_size=5),
)
def test_whoever_comes_and_goes_a_name_is_one_instruments_all_day(
    every: list[Instrument], tables: list[set[int]]
):
    called: dict[str, int] = {}
    made = None
    for there in tables:
        made = table([each for each in every if each.token in there], made)
        for each in made.by_token.values():
            called.setdefault(each.answered.upper(), each.token)
        for name, owner in called.items():
            assert token(made, name) == (owner if owner in made.by_token else None)
    assert len(set(called.values())) == len(called), "each has one name"
