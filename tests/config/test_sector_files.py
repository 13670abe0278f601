"""The sectors that are shipped, and how the problems of another file of sectors are named."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mdactors.cli import main
from mdactors.config import SectorSettings, load_definition
from mdactors.config.sectors import SHIPPED, shipped_lists
from mdactors.errors import ConfigError
from mdactors.market import indices
from mdactors.market.sectors import Sectors

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = "code,name,description,industries,indices,symbols\n"
BANKS = "BANKING,Banks,,,NIFTY BANK,\n"


def written(tmp_path: Path, text: str) -> SectorSettings:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return SectorSettings(definition=str(path))


@pytest.fixture(scope="module")
def shipped() -> Sectors:
    return Sectors(load_definition(SectorSettings()), shipped_lists())


def test_the_file_beside_the_configurations_is_the_one_that_is_shipped() -> None:
    assert (REPOSITORY / "config" / "sectors.csv").samefile(SHIPPED)


def test_every_sector_has_members_before_anything_is_imported(shipped: Sectors) -> None:
    assert {"BANKING", "IT", "FMCG", "AUTO", "PHARMA", "METAL", "ENERGY", "REALTY"} <= set(shipped.codes())
    assert {code for code in shipped.codes() if not shipped.members(code)} == set()


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        ("HDFCBANK", "BANKING"), ("KARURVYSYA", "BANKING"), ("BAJFINANCE", "FINANCE"), ("TCS", "IT"),
        ("ITC", "FMCG"), ("MARUTI", "AUTO"), ("ASHOKLEY", "AUTO"), ("SUNPHARMA", "PHARMA"),
        ("NTPC", "ENERGY"),
        ("RELIANCE", "ENERGY"), ("TATASTEEL", "METAL"), ("LT", "INFRA"), ("ETERNAL", "CONSUMER"),
    ],
)  # fmt: skip
def test_well_known_shares_are_in_the_sector_that_people_expect(
    shipped: Sectors, symbol: str, code: str
) -> None:
    assert shipped.sector_of("", symbol)[0] == code


def test_the_shipped_members_are_of_indices_that_there_are(shipped: Sectors) -> None:
    names = set(shipped_lists()) - {""}
    assert {"NIFTY 50", "NIFTY BANK", "NIFTY IT"} <= names
    assert all(indices.by_name(name) for name in names)
    members = shipped.index_members("NIFTY")
    assert members is not None
    assert len(members) == 50


def test_no_two_sectors_answer_to_one_name(shipped: Sectors) -> None:
    for code in shipped.codes():
        sector = shipped.find(code)
        assert sector is not None
        for name in (sector.name, *sector.industries):
            assert shipped.find(name) is sector


@pytest.mark.realdata
def test_every_industry_of_the_exchanges_list_has_its_sector(shipped: Sectors, shared_data: Path) -> None:
    with (shared_data / "ind_nifty500list.csv").open() as file:
        rows = list(csv.DictReader(file))
    industries = {row["Industry"] for row in rows}
    assert len(industries) == 20
    assert {industry for industry in industries if shipped.find(industry) is None} == set()
    said = {row["Symbol"]: row["Industry"] for row in rows}
    shares = shipped_lists()[""]
    assert {share.symbol for share in shares} - set(said) == {"PSB"}
    assert [share for share in shares if share.industry != said.get(share.symbol, share.industry)] == []


@pytest.mark.realdata
def test_the_shipped_nifty_50_is_the_exchanges(shipped: Sectors, shared_data: Path) -> None:
    with (shared_data / "ind_nifty50list.csv").open() as file:
        symbols = {row["Symbol"] for row in csv.DictReader(file)}
    assert {member.symbol for member in shipped.index_members("NIFTY 50") or ()} == symbols


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": has no column 'code'; there must be code, name, "),
        ("code,name\n", ": has no column 'description'; "),
        (HEADER + "Banking,Banks,,,,\n", ", line 2: Banking: a code is one word of capitals, like BANKING"),
        (HEADER + "# a remark\n" + BANKS + BANKS, ", line 4: BANKING: is given twice"),
        (HEADER + "IT,,,,,\n", ", line 2: IT: has no name"),
        (HEADER + "IT,Software,,,NIFTY ITT,\n", ", line 2: IT: no index is called NIFTY ITT"),
        (HEADER + "IT,Software\n", ": line 2: has 2 fields, the header 6"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    settings = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_definition(settings)
    (found,) = caught.value.problems
    assert found.startswith(f"sectors.definition: {settings.definition}{problem}")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_definition(written(tmp_path, HEADER + "it,,,,NIFTY ITT,\n" + BANKS + BANKS))
    assert len(caught.value.problems) == 4


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"sectors\.definition: .*absent\.csv: cannot be read: No such file"
    ):
        load_definition(SectorSettings(definition=str(tmp_path / "absent.csv")))


def test_check_config_looks_at_the_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = written(tmp_path, HEADER + "IT,,,,,\n")
    config = tmp_path / "config.yaml"
    config.write_text(f"sectors: {{definition: {settings.definition}}}\n")
    assert main(["check-config", str(config)]) == 1
    assert capsys.readouterr().out.endswith("mine.csv, line 2: IT: has no name\n")
