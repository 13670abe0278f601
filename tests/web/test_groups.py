"""Groups on the market's path: a sector's shares and an underlying's options, asked for by one name."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.market.constituents import Constituent
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sector, Sectors
from mdactors.protocol import BadRequest, Request
from mdactors.web.directory import Directory
from mdactors.web.paths import MARKET, PATHS
from mdactors.web.selection import Selection
from mdactors.web.terms import Terms

NEAR, FAR = "2026-11-24", "2026-12-29"
NIFTY, HDFC, AXIS, SBI, CRUDE, BSE_HDFC = 256265, 341249, 1510401, 779521, 3 << 8 | 7, 9 << 8 | 4


def share(token: int, symbol: str, exchange: str = "NSE", series: str = "EQ") -> Instrument:
    segment = f"{exchange}_EQ"
    return Instrument(token, symbol, exchange, segment, "STOCK", f"{segment}|{symbol}", series=series)


def contract(
    token: int, symbol: str, underlying: str, expiry: str, strike: float = 0.0, exchange: str = "NSE"
) -> Instrument:
    return Instrument(
        token, symbol, exchange, f"{exchange}_FO", "OPTION" if strike else "FUTURE", symbol,
        expiry=expiry, strike=strike, option_type="CE" if strike else "", underlying=underlying,
    )  # fmt: skip


LISTED = [
    Instrument(NIFTY, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50"),
    share(HDFC, "HDFCBANK"),
    share(AXIS, "AXISBANK-BE", series="BE"),
    share(SBI, "SBIN"),
    share(BSE_HDFC, "HDFCBANK", "BSE", "A"),
    contract(1026, "NIFTY26NOV24400CE", "NIFTY", NEAR, 24400.0),
    contract(1282, "NIFTY26NOV24500CE", "NIFTY", NEAR, 24500.0),
    contract(1538, "NIFTY26DEC24400CE", "NIFTY", FAR, 24400.0),
    contract(1794, "NIFTY26NOVFUT", "NIFTY", NEAR),
    contract(2052, "HDFCBANK26NOV900CE", "HDFCBANK", NEAR, 900.0, "BSE"),
    contract(CRUDE, "CRUDEOIL26NOVFUT", "CRUDEOIL", NEAR, exchange="MCX"),
    contract(4 << 8 | 7, "CRUDEOIL26NOV5500CE", "CRUDEOIL", NEAR, 5500.0, "MCX"),
]
SECTORS = Sectors(
    [Sector("BANKING", "Banks", symbols=("HDFCBANK", "AXISBANK", "GONEBANK")), Sector("IT", "Software")],
    {"x": [Constituent("HDFCBANK", "", ""), Constituent("AXISBANK", "", "")]},
)
(PATH,) = (path for path in PATHS if path.name == MARKET)


def directory(today: str = "2026-11-20", sectors: Sectors = SECTORS, but: int = 0) -> Directory:
    """What is listed on a date, but for one instrument."""
    listed = [(each, each.token) for each in LISTED if each.token != but]
    return Directory(InstrumentTable.build({"x": listed}), sectors, today)


@pytest.fixture
def chosen() -> Selection:
    return Selection(PATH, Terms(), 5)


def tokens(chosen: Selection) -> set[int]:
    return set(chosen.interest.tokens)


@pytest.mark.parametrize("name", ["BANKING", "banking", "Banks"])
def test_a_sector_means_its_shares_in_the_mode_of_the_request(chosen: Selection, name: str) -> None:
    answer = chosen.change(Request("SUBSCRIBE", sector=name, mode="full", id=1), directory())
    assert answer["symbols"] == {"HDFCBANK": "HDFCBANK", "AXISBANK": "AXISBANK-BE"}
    assert answer["unknown"] == ["GONEBANK"]
    assert chosen.interest.tokens == {HDFC: "full", AXIS: "full"}


def test_a_sector_is_ended_as_it_was_though_its_members_are_others_now(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", sector="BANKING", symbols=["SBIN"]), directory())
    changed = directory(sectors=Sectors([Sector("BANKING", "Banks", symbols=("SBIN",))]))
    answer = chosen.change(Request("UNSUBSCRIBE", sector="banking"), changed)
    assert set(answer["symbols"]) == {"HDFCBANK", "AXISBANK-BE"}
    assert (tokens(chosen), chosen.symbols) == ({SBI}, ["SBIN"])


def test_an_underlying_means_the_options_of_its_nearest_expiry_and_its_spot(chosen: Selection) -> None:
    answer = chosen.change(Request("SUBSCRIBE", underlying="nifty 50"), directory())
    assert list(answer["symbols"]) == ["NIFTY 50", "NIFTY26NOV24400CE", "NIFTY26NOV24500CE"]
    assert tokens(chosen) == {NIFTY, 1026, 1282}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"expiry": FAR}, {"NIFTY 50", "NIFTY26DEC24400CE"}),
        ({"expiry": FAR, "type": "OPTION"}, {"NIFTY26DEC24400CE"}),
        ({"underlying": "CRUDEOIL"}, {"CRUDEOIL26NOVFUT", "CRUDEOIL26NOV5500CE"}),
        ({"underlying": "BSE:HDFCBANK"}, {"BSE:HDFCBANK", "HDFCBANK26NOV900CE"}),
    ],
)
def test_the_expiry_the_type_and_what_prices_it(
    chosen: Selection, asked: dict[str, str], found: set[str]
) -> None:
    request = Request("SUBSCRIBE", **{"underlying": "NIFTY", **asked})  # type: ignore[arg-type] # its own fields
    assert set(chosen.change(request, directory())["symbols"]) == found


def test_the_nearest_expiry_of_then_is_ended_when_another_is_the_nearest(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY"), directory())
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY"), directory(today="2026-11-25", but=1026))
    assert tokens(chosen) == set()


def test_a_name_stands_for_nothing_that_has_ended_since(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY"), directory())
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY", expiry=NEAR), directory())
    later = directory(today="2026-11-25")
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", expiry=FAR), later)
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY"), later)
    assert tokens(chosen) == set()


def test_a_member_that_was_subscribed_by_its_own_name_too_goes_on(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", symbols=["HDFCBANK"], mode="ltp"), directory())
    chosen.change(Request("SUBSCRIBE", sector="BANKING", mode="full"), directory())
    assert chosen.interest.tokens == {HDFC: "full", AXIS: "full"}
    answer = chosen.change(Request("UNSUBSCRIBE", sector="BANKING"), directory())
    assert set(answer["symbols"]) == {"AXISBANK-BE"}
    assert chosen.interest.tokens == {HDFC: "ltp"}


def test_a_member_of_two_groups_goes_on_until_both_are_ended(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", sector="BANKING"), directory())
    chosen.change(Request("SUBSCRIBE", underlying="BSE:HDFCBANK"), directory())
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", expiry=FAR, mode="full"), directory())
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY", expiry=NEAR), directory())
    assert chosen.interest.tokens[NIFTY] == "full"
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY", expiry=FAR), directory())
    assert (tokens(chosen) >= {NIFTY, 1026, 1282}, 1538 in tokens(chosen)) == (True, False)
    assert chosen.interest.tokens[NIFTY] == "quote"
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY", expiry=NEAR), directory())
    assert tokens(chosen) == {HDFC, AXIS, BSE_HDFC, 2052}


def test_a_members_own_name_ends_it_altogether(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", symbols=["HDFCBANK"], sector="BANKING"), directory())
    assert chosen.change(Request("UNSUBSCRIBE", symbols=["HDFCBANK"]), directory())["symbols"]
    assert tokens(chosen) == {AXIS}
    assert set(chosen.change(Request("UNSUBSCRIBE", sector="BANKING"), directory())["symbols"]) == {
        "AXISBANK-BE"
    }


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ({"sector": "BANKING"}, {"sector": "Banks"}),
        ({"underlying": "NIFTY"}, {"underlying": "Nifty 50", "expiry": NEAR}),
        ({"underlying": "NIFTY", "expiry": NEAR}, {"underlying": "nifty"}),
        ({"underlying": "NIFTY", "strikes": 0}, {"underlying": "NIFTY", "strikes": 9}),
    ],
)
def test_a_group_is_ended_by_any_of_its_names(
    chosen: Selection, begun: dict[str, Any], ended: dict[str, Any]
) -> None:
    chosen.change(Request("SUBSCRIBE", **begun), directory())
    assert tokens(chosen)
    chosen.change(Request("UNSUBSCRIBE", **ended), directory())
    assert tokens(chosen) == set()


def test_only_members_of_a_type_are_ended_where_it_is_named(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", underlying="NIFTY"), directory())
    chosen.change(Request("UNSUBSCRIBE", underlying="NIFTY", type="OPTION"), directory())
    assert tokens(chosen) == {NIFTY}


def test_a_group_that_was_not_asked_for_has_nothing_to_end(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", symbols=["HDFCBANK", "SBIN"]), directory())
    assert chosen.change(Request("UNSUBSCRIBE", sector="BANKING"), directory())["symbols"] == {}
    assert chosen.symbols == ["HDFCBANK", "SBIN"]


def test_what_is_refused_is_wanted_by_no_group_either(chosen: Selection) -> None:
    chosen.change(Request("SUBSCRIBE", symbols=["HDFCBANK"], sector="BANKING"), directory())
    chosen.remove({HDFC}, chosen.interest.version)
    assert tokens(chosen) == {AXIS}


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        ({"sector": "METALS"}, "sector", "METALS: the sectors are BANKING, IT"),
        ({"sector": ""}, "sector", ": the sectors are BANKING, IT"),
        ({"underlying": "SBIN"}, "underlying", "SBIN: no options are written on this"),
        ({"underlying": "NIFTY", "expiry": "2026-11-25"}, "expiry",
         f"NIFTY: the expiries of NIFTY are {NEAR}, {FAR}"),
        ({"sector": "BANKING", "expiry": NEAR}, "expiry", "expiry wants an underlying beside it"),
        ({"sector": "BANKING", "strikes": 2}, "strikes", "strikes wants an underlying beside it"),
        ({"symbols": ["SBIN"], "sector": "BANKING", "underlying": "NIFTY"}, "underlying",
         "6 names in one request; 5 are allowed"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_an_error_that_says_why_and_changes_nothing(
    chosen: Selection, asked: dict[str, str], field: str, message: str
) -> None:
    request = Request("SUBSCRIBE", id=7, **asked)  # type: ignore[arg-type] # its own fields
    with pytest.raises(BadRequest) as refused:
        chosen.change(request, directory())
    assert (refused.value.field, refused.value.message, refused.value.request_id) == (field, message, 7)
    assert (tokens(chosen), chosen.interest.version) == (set(), 0)


def test_a_group_is_answered_over_the_wire(stage, ask):  # type: ignore[no-untyped-def] # fixtures
    stage.table, stage.sectors = directory().table, SECTORS
    stage.start()
    client = stage.connect(MARKET)
    answer = ask(client, action="SUBSCRIBE", sector="BANKING", underlying="NIFTY", expiry=FAR, id="a")
    assert (answer["event"], answer["id"]) == ("subscribed", "a")
    assert set(answer["symbols"]) == {"HDFCBANK", "AXISBANK", "NIFTY 50", "NIFTY26DEC24400CE"}
    assert ask(client, action="UNSUBSCRIBE", sector="BANKING")["symbols"].keys() == {
        "HDFCBANK",
        "AXISBANK-BE",
    }
    assert set(stage.told[-1].interest.tokens) == {NIFTY, 1538}
