"""REST of the sectors: what belongs to them, and how they stand."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from mdactors.market.constituents import Constituent
from mdactors.market.sectors import Sector, Sectors

PATH = "/api/sectors"
REFINERS = "Oil Gas & Consumable Fuels"
STANDING = {
    "code": "ENERGY", "members": 1, "priced": 1, "advances": 1, "declines": 0, "unchanged": 0, "value": 18006,
    "changePercent": 0.7,
}  # fmt: skip


@pytest.fixture
def sectors(stage: Any, a_tick: Any) -> Any:
    """A server of three sectors; one share of the first is listed and trades, one of the second is listed."""
    shares = [
        Constituent("RELIANCE", REFINERS, "INE002A01018"),
        Constituent("GONE", REFINERS, "INE000A01010"),
    ]
    stage.sectors = Sectors(
        [
            Sector("ENERGY", "Energy and Power", "Refiners", (REFINERS,), ("NIFTY ENERGY",)),
            Sector("IT", "Information Technology", symbols=("INFY",)),
            Sector("MEDIA", "Media", symbols=("SILENT",)),
        ],
        {"NIFTY ENERGY": shares},
    )
    stage.ticks = {738561: a_tick()}
    return stage.start()


def test_all_sectors_are_answered_in_their_order_with_their_standing_and_without_members(sectors):
    status, body = sectors.get(PATH)
    assert (status, [each["code"] for each in body]) == (200, ["ENERGY", "IT", "MEDIA"])
    assert body[0] == {
        "code": "ENERGY", "name": "Energy and Power", "description": "Refiners", "industries": [REFINERS],
        "indices": ["NIFTY ENERGY"], "standing": STANDING,
    }  # fmt: skip
    assert (body[1]["standing"]["members"], body[1]["standing"]["priced"]) == (1, 0)
    assert "changePercent" not in body[1]["standing"]
    assert body[2] == {"code": "MEDIA", "name": "Media", "industries": [], "indices": []}


@pytest.mark.parametrize("name", ["ENERGY", "energy", "Energy and Power", REFINERS])
def test_a_sector_has_its_members_and_is_understood_by_code_name_and_industry(sectors, name):
    status, body = sectors.get(f"{PATH}/{quote(name)}")
    assert (status, body["code"], body["standing"]) == (200, "ENERGY", STANDING)
    assert body["members"] == [
        {
            "symbol": "RELIANCE", "isin": "INE002A01018", "instrumentToken": 738561,
            "instrumentKey": "NSE_EQ|INE002A01018",
        },
        {"symbol": "GONE", "isin": "INE000A01010"},
    ]  # fmt: skip


def test_a_sector_of_which_nothing_is_listed_has_no_standing(sectors):
    status, body = sectors.get(f"{PATH}/MEDIA")
    assert (status, body["members"]) == (200, [{"symbol": "SILENT"}])
    assert "standing" not in body


def test_an_unknown_sector_is_404_with_the_codes(sectors):
    status, body = sectors.get(f"{PATH}/BANKS")
    assert (status, body["error"]["code"], body["error"]["field"]) == (404, "unknown_sector", "code")
    assert body["error"]["suggestions"] == ["ENERGY", "IT", "MEDIA"]


def test_without_a_definition_there_are_no_sectors(stage):
    stage.start()
    assert stage.get(PATH) == (200, [])
    assert stage.get(f"{PATH}/IT")[0] == 404
