"""Imported lists of shares: kept, read again, and never a reason not to start."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import pytest

from mdactors.config import SectorSettings
from mdactors.errors import StoreError
from mdactors.market.sectors import Member
from mdactors.store.lists import Lists, index_of_file, load_sectors, read_list, stamp

HEADER = "Company Name,Industry,Symbol,Series,ISIN Code\n"
NEW_BANK = HEADER + "A new bank Ltd.,Financial Services,NEWBANK,EQ,INE999A01018\n"
SETTINGS = SectorSettings()


def test_an_imported_list_takes_the_place_of_what_is_shipped_of_that_index_alone(tmp_path: Path) -> None:
    Lists(tmp_path / "lists").keep("NIFTY BANK", NEW_BANK.encode())
    sectors = load_sectors(SETTINGS, tmp_path)
    assert sectors.index_members("BANKNIFTY") == [Member("INE999A01018", "NEWBANK")]
    assert len(sectors.index_members("NIFTY 50") or ()) == 50
    assert sectors.sector_of("INE999A01018", "NEWBANK") == ("BANKING", "Financial Services")


def test_an_imported_industry_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    Lists(tmp_path / "lists").keep("mine", (HEADER + "TCS,Realty,TCS,EQ,INE467B01029\n").encode())
    sectors = load_sectors(SETTINGS, tmp_path)
    assert sectors.sector_of("INE467B01029", "") == ("REALTY", "Realty")
    assert sectors.index_members("mine") is None


def test_a_list_is_kept_as_it_came_and_replaced_as_a_whole(tmp_path: Path) -> None:
    lists = Lists(tmp_path / "deep" / "lists")
    for data in (b"first", NEW_BANK.encode()):
        assert lists.keep("NIFTY IT", data).read_bytes() == data
    assert [path.name for path in (tmp_path / "deep" / "lists").iterdir()] == ["NIFTY IT.csv"]


def test_a_file_put_there_by_hand_is_read_under_the_exchanges_own_name(tmp_path: Path) -> None:
    (tmp_path / "ind_niftyitlist.csv").write_text(NEW_BANK)
    assert list(Lists(tmp_path).read()) == ["NIFTY IT"]


def test_a_damaged_list_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "NIFTY IT.csv").write_text("<html>")
    (tmp_path / "NIFTY BANK.csv").write_text(NEW_BANK)
    with caplog.at_level(logging.WARNING):
        assert list(Lists(tmp_path).read()) == ["NIFTY BANK"]
    (record,) = caplog.records
    assert "NIFTY IT.csv: has no column 'Company Name'" in record.getMessage()


def test_without_a_folder_there_are_no_lists(tmp_path: Path) -> None:
    assert Lists(tmp_path / "absent").read() == {}


def test_the_stamp_is_another_once_a_list_or_the_definition_is_another(tmp_path: Path) -> None:
    definition = tmp_path / "sectors.csv"
    definition.write_text("code,name,description,industries,indices,symbols\n")
    settings = SectorSettings(definition=str(definition))
    seen = [stamp(settings, tmp_path)]
    for name, data in (("a", NEW_BANK), ("b", NEW_BANK), ("b", NEW_BANK + "\n")):
        Lists(tmp_path / "lists").keep(name, data.encode())
        seen.append(stamp(settings, tmp_path))
    (tmp_path / "lists" / "a.csv").unlink()
    seen.append(stamp(settings, tmp_path))
    definition.unlink()
    seen.append(stamp(settings, tmp_path))
    assert all(one != other for one, other in pairwise(seen))
    assert stamp(settings, tmp_path) == seen[-1]


def test_a_list_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "lists").write_text("a file in the folder's place")
    with pytest.raises(StoreError, match=r"NIFTY IT\.csv: cannot be written: "):
        Lists(tmp_path / "lists").keep("NIFTY IT", b"")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent\.csv: cannot be read: No such file"):
        read_list(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"Caf\xe9,Realty,CAFE,EQ,INE999A01018\n")
    with pytest.raises(StoreError, match=r"latin\.csv: is not UTF-8 text"):
        read_list(tmp_path / "latin.csv")


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("ind_nifty50list.csv", "NIFTY 50"),
        ("ind_nifty500list.csv", "NIFTY 500"),
        ("ind_niftybanklist.csv", "NIFTY BANK"),
        ("ind_nifty_privatebanklist.csv", "NIFTY PVT BANK"),
        ("ind_niftyitlist (1).csv", ""),
        ("NIFTY PSU BANK.csv", "NIFTY PSU BANK"),
        ("shares.csv", ""),
    ],
)
def test_the_index_is_told_by_the_name_of_the_file(name: str, index: str) -> None:
    assert index_of_file(Path("anywhere") / name) == index
