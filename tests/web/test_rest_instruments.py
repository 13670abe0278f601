"""REST of what can be streamed: search, and all that is known of one instrument."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from mdactors.market.instrument import InstrumentRow
from mdactors.market.sectors import Sector, Sectors
from mdactors.store.instruments import InstrumentStore
from mdactors.store.instruments_sqlite import write

PATH = "/api/instruments"
RELIANCE = 738561
KNOWN: dict[int, dict[str, Any]] = {
    RELIANCE: {
        "name": "RELIANCE INDUSTRIES LTD", "isin": "INE002A01018", "tick_size": 0.1, "sector": "ENERGY",
        "industry": "Oil Gas & Consumable Fuels", "tradable": True, "mtf": True, "mis": True,
    },
    408065: {"name": "INFOSYS LIMITED", "sector": "IT"},
    256265: {"name": "Nifty 50"},
}  # fmt: skip
"""Our token -> what the store knows beside what a tick carries."""


@pytest.fixture
def listed(stage: Any, tmp_path: Path) -> Any:
    """A server whose store has every instrument of its table."""
    path = tmp_path / "instruments.db"
    rows = [
        InstrumentRow(**msgspec.structs.asdict(each) | KNOWN.get(token, {}))
        for token, each in stage.table.by_token.items()
    ]
    write(path, rows)
    stage.instrument_store = InstrumentStore(path)
    energy = Sector("ENERGY", "Energy and Power", industries=("Oil Gas & Consumable Fuels",))
    stage.sectors = Sectors([energy, Sector("IT", "Information Technology")])
    return stage.start()


def found(stage: Any, **asked: Any) -> list[tuple[str, str]]:
    """Exchange and symbol of what a search answers."""
    status, body = stage.get(f"{PATH}?{urlencode(asked)}")
    assert status == 200, body
    return [(each["exchange"], each["symbol"]) for each in body]


def refused(stage: Any, path: str) -> tuple[int, str, str]:
    """Status, code and field of an error."""
    status, body = stage.get(path)
    return status, body["error"]["code"], body["error"].get("field", "")


def test_an_instrument_is_answered_with_all_that_is_known_and_nothing_else(listed):
    assert listed.get(f"{PATH}/RELIANCE") == (
        200,
        {
            "symbol": "RELIANCE", "instrumentToken": RELIANCE, "instrumentKey": "NSE_EQ|INE002A01018",
            "exchange": "NSE", "segment": "NSE_EQ", "type": "STOCK", "series": "EQ",
            "name": "RELIANCE INDUSTRIES LTD", "isin": "INE002A01018", "lotSize": 1, "tickSize": 0.1,
            "sector": "ENERGY", "industry": "Oil Gas & Consumable Fuels", "tradable": True, "mtf": True,
            "mis": True,
        },
    )  # fmt: skip


def test_an_option_has_its_terms_and_an_index_neither_lot_nor_tick(listed):
    option = listed.get(f"{PATH}/NIFTY60001CE")[1]
    terms = ("expiry", "strike", "optionType", "underlying", "lotSize", "tradable")
    assert [option[term] for term in terms] == ["2026-11-24", 24400.0, "CE", "NIFTY", 1, False]
    index = listed.get(f"{PATH}/NIFTY%2050")[1]
    assert {"lotSize", "tickSize", "strike", "expiry", "etf", "mtf"}.isdisjoint(index)


@pytest.mark.parametrize("name", ["reliance", "NSE:RELIANCE", "NSE_EQ|INE002A01018", str(RELIANCE)])
def test_an_instrument_is_found_by_any_of_its_names(listed, name):
    assert listed.get(f"{PATH}/{quote(name)}")[1]["instrumentToken"] == RELIANCE


@pytest.mark.parametrize("name", ["BSE:RELIANCE", "bse:reliance", "BSE_EQ|INE002A01018", "128083204"])
def test_what_another_is_called_as_well_is_answered_with_its_exchange(listed, name):
    answered = listed.get(f"{PATH}/{quote(name)}")[1]
    assert (answered["symbol"], answered["exchange"]) == ("BSE:RELIANCE", "BSE")
    assert listed.get(f"{PATH}/SENSEX")[1]["symbol"] == "SENSEX"


def test_an_unknown_instrument_is_404_with_suggestions(listed):
    status, body = listed.get(f"{PATH}/RELIANSE")
    assert (status, body["error"]["code"], body["error"]["field"]) == (404, "unknown_symbol", "symbol")
    assert "RELIANCE" in body["error"]["suggestions"]


def test_without_a_store_there_is_what_a_tick_carries_and_a_search_finds_nothing(stage):
    stage.start()
    assert stage.get(f"{PATH}/RELIANCE")[1] == {
        "symbol": "RELIANCE", "instrumentToken": RELIANCE, "instrumentKey": "NSE_EQ|INE002A01018",
        "exchange": "NSE", "segment": "NSE_EQ", "type": "STOCK", "series": "EQ",
    }  # fmt: skip
    assert found(stage, q="RELIANCE") == []


def test_a_search_answers_the_likeliest_first_and_at_most_so_many(listed):
    assert found(listed, q="reliance") == [("NSE", "RELIANCE"), ("BSE", "BSE:RELIANCE")]
    assert found(listed, q="reliance", limit=1) == [("NSE", "RELIANCE")]
    assert found(listed, q="bse:reliance") == [("BSE", "BSE:RELIANCE")]
    assert found(listed, q="infosys") == [("NSE", "INFY")]
    assert found(listed, q="nifty 24500 ce") == [("NSE", "NIFTY60003CE")]
    assert found(listed, q="nothing") == []


def test_a_search_without_words_answers_all_and_an_empty_parameter_narrows_nothing(listed):
    every = found(listed)
    assert len(every) == len(listed.table)
    narrowing = ("q", "type", "sector", "exchange", "underlying", "expiry", "mtf", "mis")
    assert found(listed, **dict.fromkeys(narrowing, "")) == every


@pytest.mark.parametrize("sector", ["ENERGY", "energy and power", "Oil Gas & Consumable Fuels"])
def test_a_sector_is_understood_by_code_name_and_industry(listed, sector):
    assert found(listed, sector=sector) == [("NSE", "RELIANCE")]


def test_a_search_is_narrowed_by_type_exchange_underlying_and_expiry(listed):
    assert found(listed, type="INDEX") == [("NSE", "NIFTY 50"), ("BSE", "SENSEX")]
    assert found(listed, q="reliance", exchange="bse") == [("BSE", "BSE:RELIANCE")]
    assert found(listed, underlying="NIFTY 50", expiry="2026-12-29") == [("NSE", "NIFTY60004CE")]
    assert found(listed, expiry="2026-12-30") == []


def test_a_search_is_narrowed_to_what_may_be_bought_on_margin_or_may_not(listed):
    assert found(listed, mtf="true") == [("NSE", "RELIANCE")]
    assert found(listed, mtf="true", mis="false") == []
    assert found(listed, q="reliance", mtf="false") == [("BSE", "BSE:RELIANCE")]
    assert found(listed, type="STOCK", mis="false") == [("NSE", "INFY"), ("BSE", "BSE:RELIANCE")]
    assert len(found(listed, mtf="false")) == len(listed.table) - 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ("type=BOND", "type"),
        ("type=index", "type"),
        ("expiry=24-11-2026", "expiry"),
        ("expiry=2026-02-30", "expiry"),
        ("expiry=20261124", "expiry"),
        ("mtf=yes", "mtf"),
        ("mis=1", "mis"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
    ],
)
def test_a_wrong_parameter_is_named(listed, wrong, field):
    assert refused(listed, f"{PATH}?{wrong}") == (400, "invalid_parameter", field)


def test_an_unknown_sector_is_404_with_the_codes(listed):
    assert refused(listed, f"{PATH}?sector=BANKS") == (404, "unknown_sector", "sector")
    assert listed.get(f"{PATH}?sector=BANKS")[1]["error"]["suggestions"] == ["ENERGY", "IT"]


def test_a_store_that_cannot_be_read_is_503(stage, tmp_path):
    path = tmp_path / "instruments.db"
    path.write_bytes(b"no database" * 100)
    stage.instrument_store = InstrumentStore(path)
    stage.start()
    for asked in (PATH, f"{PATH}/RELIANCE"):
        assert refused(stage, asked) == (503, "unavailable", "")


def test_before_the_instruments_are_there_both_paths_are_503(stage):
    stage.table = type(stage.table).build({})
    stage.start()
    for asked in (PATH, f"{PATH}/RELIANCE"):
        assert refused(stage, asked) == (503, "not_ready", "")
