"""``mdactors instruments``: loading lists from files, and searching what is loaded."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mdactors.cli import main

KITE = """instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,\
instrument_type,segment,exchange
738561,2885,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.1,1,EQ,NSE,NSE
779521,3045,SBIN,STATE BANK OF INDIA,0,,0,0.05,1,EQ,NSE,NSE
256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
16035586,62639,RELIANCE26SEP1300CE,RELIANCE,0,2099-09-29,1300,0.05,500,CE,NFO-OPT,NFO
"""
UPSTOX = [
    {
        "segment": "NSE_EQ", "exchange": "NSE", "name": "RELIANCE INDUSTRIES LTD", "isin": "INE002A01018",
        "instrument_type": "EQ", "instrument_key": "NSE_EQ|INE002A01018", "lot_size": 1,
        "exchange_token": "2885", "tick_size": 10.0, "trading_symbol": "RELIANCE",
    }
]  # fmt: skip


class Lists:
    """A configuration without brokers, and a file of each."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.config = folder / "config.yaml"
        self.config.write_text(f"data_dir: {self.data}\n")
        self.kite = folder / "instruments.csv"
        self.kite.write_text(KITE)
        self.upstox = folder / "complete.json.gz"
        self.upstox.write_bytes(gzip.compress(json.dumps(UPSTOX).encode()))

    def run(self, *words: Any) -> int:
        return main(["instruments", *map(str, words), "--config", str(self.config)])


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


@pytest.fixture
def loaded(lists: Lists, capsys: Any) -> Lists:
    assert lists.run("sync", "--from", lists.kite, "--from", lists.upstox) == 0
    capsys.readouterr()
    return lists


def test_a_files_broker_is_seen_and_what_was_loaded_is_told(lists: Lists, capsys: Any):
    assert lists.run("sync", "--from", lists.kite, "--from", lists.upstox) == 0
    told = capsys.readouterr()
    counts = "1 indices, 2 stocks, 0 futures, 1 options"
    assert told.out.splitlines() == ["kite: 4 rows", "upstox: 1 rows", counts]
    assert told.err == ""


def test_a_bar_for_each_list_is_drawn_on_a_terminal_only(lists: Lists):
    leader, terminal = pty.openpty()
    try:
        words = [sys.executable, "-m", "mdactors", "instruments", "sync", "--config", str(lists.config)]
        words += ["--from", str(lists.kite), "--from", str(lists.upstox)]
        told = subprocess.run(words, stdout=subprocess.PIPE, stderr=terminal, check=True, timeout=60)
        drawn = os.read(leader, 65_536)
    finally:
        os.close(leader)
        os.close(terminal)
    assert told.stdout.splitlines()[:2] == [b"kite: 4 rows", b"upstox: 1 rows"]
    assert b"kite" in drawn
    assert b"upstox" in drawn
    assert b"100%" in drawn
    silent = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert silent.stderr == b""


def test_a_file_can_be_said_to_be_a_brokers_or_one_of_its_further_lists(lists: Lists, capsys: Any):
    words = ["--from", f"kite={lists.kite}", "--from", f"upstox/MTF={lists.upstox}"]
    assert lists.run("sync", *words) == 0
    assert "upstox/MTF: 1 rows" in capsys.readouterr().out


def test_a_file_that_fails_is_named_and_the_rows_before_stay(loaded: Lists, capsys: Any):
    loaded.kite.write_text(KITE.splitlines()[0] + "\n")
    assert loaded.run("sync", "--from", f"kite={loaded.kite}") == 1
    told = capsys.readouterr()
    assert "kite: 4 rows" in told.out
    assert told.err == "mdactors: kite listed no instruments\n"


def test_more_rows_that_cannot_be_read_than_may_be_overlooked_are_an_exit_code(loaded: Lists, capsys: Any):
    loaded.kite.write_text(KITE + "x,1,LOST,LOST,0,,0,0.05,1,EQ,NSE,NSE\n")
    assert loaded.run("sync", "--from", f"kite={loaded.kite}") == 1
    told = capsys.readouterr()
    assert "kite: 4 rows" in told.out
    assert told.err.startswith("mdactors: kite: 1 of 5 rows cannot be read, and are left out: LOST (")


def test_a_part_that_is_missing_is_named_and_an_exit_code(loaded: Lists, capsys: Any):
    loaded.kite.write_text("\n".join(line for line in KITE.splitlines() if "INDICES" not in line))
    assert loaded.run("sync", "--from", f"kite={loaded.kite}") == 1
    assert "kite is not whole: all NSE_INDEX INDEX of NSE lacks 1 rows" in capsys.readouterr().err
    assert loaded.run("search", "nifty 50") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sync"], "no source of instruments"),
        (["sync", "--from", "/nowhere"], "/nowhere: cannot be read"),
        (["sync", "--from", "/proc/self/status"], "is no list of instruments of kite, upstox"),
        (["sync", "--from", "upstox/NONE=/proc/self/status"], "upstox has no such list; there are: MTF"),
        (["search", "reliance"], "there is none yet; load it with: mdactors instruments sync"),
    ],
)
def test_what_cannot_be_done_is_one_line(lists: Lists, capsys: Any, words: list[str], said: str):
    assert lists.run(*words) in (1, 2)
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert said in told.err


def test_a_search_shows_what_is_meant_first(loaded: Lists, capsys: Any):
    assert loaded.run("search", "rel", "--limit", 2) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["SYMBOL", "EXCHANGE", "TYPE", "TOKEN", "KEY", "SECTOR", "NAME"]
    assert first.split()[:5] == ["RELIANCE", "NSE", "STOCK", "738561", "NSE_EQ|INE002A01018"]
    assert first.endswith("ENERGY  RELIANCE INDUSTRIES")
    assert second.endswith("RELIANCE 2099-09-29 1300 CE, lot 500")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["state", "bank"], ["SBIN"]),
        (["--sector", "banking"], ["SBIN"]),
        (["--type", "index"], ["NIFTY"]),
        (["--underlying", "RELIANCE", "--expiry", "2099-09-29"], ["RELIANCE26SEP1300CE"]),
        (["reliance", "--exchange", "NSE", "--type", "STOCK"], ["RELIANCE"]),
    ],
)
def test_a_search_can_be_narrowed(loaded: Lists, capsys: Any, words: list[str], found: list[str]):
    assert loaded.run("search", *words) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == found


def test_a_search_that_finds_nothing_says_so_and_exits_with_1(loaded: Lists, capsys: Any):
    assert loaded.run("search", "nobody") == 1
    assert capsys.readouterr() == ("", "mdactors: no instrument is like that\n")


def test_a_sector_is_found_by_its_name_and_an_unknown_one_is_an_error(loaded: Lists, capsys: Any):
    assert loaded.run("search", "--sector", "energy") == 0
    assert "RELIANCE" in capsys.readouterr().out
    assert loaded.run("search", "--sector", "NOPE") == 1
    assert capsys.readouterr().err.startswith("mdactors: no sector is called 'NOPE'; the sectors are ")


@pytest.mark.parametrize(
    ("option", "value"), [("--expiry", "soon"), ("--exchange", "LSE"), ("--limit", "0"), ("--limit", "-1")]
)
def test_what_a_search_cannot_mean_is_refused(loaded: Lists, capsys: Any, option: str, value: str):
    with pytest.raises(SystemExit) as ended:
        loaded.run("search", option, value)
    assert ended.value.code == 2
    assert f"argument {option}: " in capsys.readouterr().err


def test_it_starts_without_what_it_does_not_need():
    code = (
        "import sys, mdactors.cli.instruments; print({'msgspec', 'kiteconnect', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
