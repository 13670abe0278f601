"""``mdactors sectors``: what there is, and importing the exchange's lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdactors.cli import main

HEADER = "Company Name,Industry,Symbol,Series,ISIN Code\n"
BANK = "A new bank Ltd.,Financial Services,NEWBANK,EQ,INE999A01018\n"
PAPER = "A fisher Ltd.,Fishing,FISHER,EQ,INE998A01010\n"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    """``run("import", …)``: the command on a configuration with a folder of its own; its exit code."""
    config = tmp_path / "config.yaml"
    config.write_text(f"data_dir: {tmp_path / 'data'}\n")
    return lambda *words: main(["sectors", *map(str, words), "--config", str(config)])


def listed(out: str) -> dict[str, int]:
    """Code or index -> count; both tables have it in the same column."""
    return {
        line[:place].strip(): int(line[place:end])
        for heading in [out.splitlines()[0]]
        for place, end in [(heading.index("SHARES"), heading.index("SHARES") + len("SHARES"))]
        for line in out.splitlines()
        if line[place:end].strip().isdigit()
    }


def test_the_sectors_and_indices_are_listed_with_their_counts(run, capsys):
    assert run() == 0
    counts = listed(capsys.readouterr().out)
    assert counts["NIFTY 50"] == 50
    assert counts["BANKING"] > 20
    assert counts["IT"] >= 10


def test_an_imported_list_counts_from_then_on(run, tmp_path, capsys):
    path = tmp_path / "ind_niftybanklist.csv"
    path.write_text(HEADER + BANK)
    assert run("import", path) == 0
    kept = tmp_path / "data" / "lists" / "NIFTY BANK.csv"
    assert capsys.readouterr().out == f"NIFTY BANK: 1 share, kept as {kept}\n"
    assert kept.read_bytes() == path.read_bytes()
    assert run() == 0
    assert listed(capsys.readouterr().out)["NIFTY BANK"] == 1


def test_the_index_may_be_named_by_any_of_its_names(run, tmp_path, capsys):
    path = tmp_path / "download.csv"
    path.write_text(HEADER + BANK)
    assert run("import", path, "--index", "banknifty") == 0
    assert capsys.readouterr().out.startswith("NIFTY BANK: 1 share")


def test_a_list_of_no_index_gives_industries_and_says_so(run, tmp_path, capsys):
    path = tmp_path / "download.csv"
    path.write_text(HEADER + BANK + PAPER)
    assert run("import", path) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "no index goes by the file's name: only the industries count, unless --index names one",
        "no sector takes the industry Fishing (1 share): see sectors.definition",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Symbol,Industry\n", "has no column 'Company Name'; there must be Company Name, Industry, Symbol, "),
        (HEADER + BANK + "x,y\n", "line 3: has 2 fields, the header 5"),
        (HEADER + BANK.replace("INE999A01018", "?"), "line 2: the ISIN Code of NEWBANK is ?, which is none"),
    ],
)
def test_a_file_with_a_mistake_changes_nothing_and_is_one_line(run, tmp_path, capsys, text, problem):
    path = tmp_path / "ind_niftybanklist.csv"
    path.write_text(text)
    assert run("import", path) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"mdactors: {path}: {problem}")
    assert said.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_an_index_that_there_is_not_is_refused_with_a_suggestion(run, tmp_path, capsys):
    path = tmp_path / "download.csv"
    path.write_text(HEADER + BANK)
    assert run("import", path, "--index", "NIFTY BNAK") == 1
    assert "no index is called 'NIFTY BNAK'; did you mean NIFTY BANK" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_configuration_may_stand_before_the_action(tmp_path, capsys):
    config, path = tmp_path / "config.yaml", tmp_path / "ind_niftyitlist.csv"
    config.write_text(f"data_dir: {tmp_path / 'data'}\n")
    path.write_text(HEADER + BANK)
    assert main(["sectors", "--config", str(config), "import", str(path)]) == 0
    assert (tmp_path / "data" / "lists" / "NIFTY IT.csv").exists()
    assert capsys.readouterr().out


@pytest.mark.realdata
def test_the_exchanges_own_list_is_imported_whole(run, shared_data, capsys):
    assert run("import", shared_data / "ind_nifty500list.csv") == 0
    assert capsys.readouterr().out.startswith("NIFTY 500: 500 shares, kept as ")
    assert run() == 0
    counts = listed(capsys.readouterr().out)
    assert (counts["NIFTY 500"], counts["BANKING"], counts["IT"]) == (500, 34, 27)
