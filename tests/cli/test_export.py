"""``mdactors export``: stored ticks become a file of rows."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from mdactors.cli import main, tables
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")
EXPIRED = Instrument(13000194, "NIFTY26OCTFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|50782")
OPEN = 1_795_146_300_000
MS = 1_000_000
DAY = ("--from", "2026-11-20", "--to", "2026-11-20")


def tick(seq: int, at_ms: int = OPEN, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", 1421.05 + seq, volume=seq, previous_close=1400.0, exchange_time=at_ms, **said)
    return Tick(instrument, quote, "x", 7, seq, (at_ms + 37) * MS, repeat=seq % 2 == 0)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_holds_the_ticks_of_each_instrument_in_turn(folder, run, tmp_path, capsys):
    folder.keep([tick(n, OPEN + n, which) for n in range(1, 4) for which in (RELIANCE, INFY)])
    out = tmp_path / "ticks.csv"
    assert run("export", "--symbol", "RELIANCE", "--symbol", "INFY", *DAY, "--out", out) == 0
    assert [(row["symbol"], row["seq"]) for row in rows(out)] == [
        (symbol, str(n)) for symbol in ("RELIANCE", "INFY") for n in (1, 2, 3)
    ]
    assert capsys.readouterr().out == f"{out}: 6 ticks of RELIANCE, INFY\n"


@pytest.mark.parametrize("name", ["BSE:RELIANCE", "BSE_EQ|INE002A01018", "128083204"])
def test_each_row_has_the_symbol_that_was_sent_and_its_exchange(folder, run, tmp_path, capsys, name):
    sent = Instrument(
        128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", own_name="BSE:RELIANCE"
    )
    folder.keep([tick(1), tick(1, instrument=sent)])
    out = tmp_path / "ticks.csv"
    assert run("export", "--symbol", name, *DAY, "--out", out) == 0
    assert [(row["symbol"], row["exchange"]) for row in rows(out)] == [("BSE:RELIANCE", "BSE")]
    assert capsys.readouterr().out == f"{out}: 1 ticks of BSE:RELIANCE\n"


def test_a_file_that_cannot_be_written_is_named(folder, run, tmp_path, capsys):
    folder.keep([tick(1)])
    out = tmp_path / "absent" / "ticks.csv"
    assert run("export", "--symbol", "RELIANCE", *DAY, "--out", out) == 1
    assert capsys.readouterr().err == f"mdactors: {out}: cannot be written: No such file or directory\n"


def test_the_range_is_inclusive(folder, run, tmp_path):
    folder.keep([tick(n, OPEN + 1000 * n) for n in range(10)])
    out = tmp_path / "ticks.csv"
    span = ("--from", "2026-11-20T09:15:03", "--to", "2026-11-20T09:15:05")
    assert run("export", "--symbol", "NSE:RELIANCE", *span, "--out", out) == 0
    assert [row["seq"] for row in rows(out)] == ["3", "4", "5"]


def test_parquet_has_typed_columns_and_says_what_was_sent(folder, run, tmp_path):
    ticks = [tick(1, OPEN, open_interest=0), tick(2, OPEN + 1, last_trade_time=OPEN - 5, iv=0.25)]
    folder.keep(ticks)
    out = tmp_path / "ticks.parquet"
    assert run("export", "--symbol", "RELIANCE", *DAY, "--out", out, "--mode", "full") == 0
    table = parquet.read_table(out)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["timestamp"] == types["lastTradeTime"] == "timestamp[ms, tz=Asia/Kolkata]"
    assert (types["seq"], types["lastTradedPrice"], types["repeat"], types["symbol"]) == (
        "int64", "double", "bool", "string",
    )  # fmt: skip
    found = table.to_pylist()
    said = [json.loads(encode(tick, View("full"))) for tick in ticks]
    for row, expected in zip(found, said, strict=True):
        assert row["timestamp"] == dt.datetime.fromisoformat(expected["timestamp"])
        assert row["lastTradedPrice"] == expected["lastTradedPrice"]
        assert row["ohlc.close"] == expected["ohlc"]["close"]
        assert row["openInterest"] == expected.get("openInterest")
        assert row["iv"] == expected.get("iv")
        assert row["repeat"] is expected.get("repeat", False)
    assert found[1]["lastTradeTime"] == dt.datetime.fromtimestamp((OPEN - 5) / 1000, dt.UTC)


def test_parquet_is_written_in_row_groups_and_nothing_is_lost(folder, run, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "GROUP_ROWS", 1000)
    folder.keep([tick(n, OPEN + n) for n in range(12_000)])
    out = tmp_path / "ticks.parquet"
    assert run("export", "--symbol", "RELIANCE", *DAY, "--out", out) == 0
    assert parquet.ParquetFile(out).num_row_groups > 2
    assert parquet.read_table(out)["seq"].to_pylist() == list(range(12_000))


def test_without_ticks_the_file_has_columns_and_no_row(folder, run, tmp_path):
    folder.keep([])
    for out in (tmp_path / "none.csv", tmp_path / "none.parquet"):
        assert run("export", "--symbol", "INFY", *DAY, "--out", out) == 0
    assert len((tmp_path / "none.csv").read_text().splitlines()) == 1
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_an_expired_contract_is_had_by_its_token_also_without_a_list_of_instruments(folder, run, tmp_path):
    folder.keep([tick(1, OPEN, EXPIRED)])
    out = tmp_path / "ticks.csv"
    assert run("export", "--symbol", "13000194", *DAY, "--out", out) == 0
    (folder.data / "instruments.msgpack").unlink()
    assert run("export", "--symbol", "13000194", *DAY, "--out", out) == 0
    assert [row["symbol"] for row in rows(out)] == ["NIFTY26OCTFUT"]


def test_an_unknown_symbol_is_one_line_with_suggestions_and_no_file(folder, run, tmp_path, capsys):
    folder.keep([])
    out = tmp_path / "ticks.csv"
    assert run("export", "--symbol", "RELIANSE", *DAY, "--out", out) == 1
    assert capsys.readouterr().err == (
        "mdactors: no instrument is called 'RELIANSE'; did you mean RELIANCE?\n"
    )
    assert not out.exists()


def test_a_store_that_is_not_there_is_not_made(folder, run, tmp_path, capsys):
    assert run("export", "--symbol", "INFY", *DAY, "--out", tmp_path / "ticks.csv") == 1
    assert "ticks.db: nothing is stored there yet" in capsys.readouterr().err
    assert not (folder.data / "ticks.db").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--from", "soon", "--to", "2026-11-20", "--out", "x.csv"], "'soon' is no time"),
        (["--from", "2026-11-20", "--to", "2026-11-20", "--out", "x.xlsx"], "must end with .csv or .parquet"),
        (["--from", "2026-11-20", "--to", "2026-11-20"], "--out"),
    ],
)
def test_a_wrong_command_line_is_explained(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", "--symbol", "INFY", *words])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_range_that_ends_before_it_begins_is_refused(run, tmp_path, capsys):
    span = ("--from", "2026-11-21", "--to", "2026-11-20")
    assert run("export", "--symbol", "INFY", *span, "--out", tmp_path / "x.csv") == 1
    assert capsys.readouterr().err == "mdactors: --from is after --to\n"


def test_without_pyarrow_it_says_how_to_get_it(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run("export", "--symbol", "INFY", *DAY, "--out", tmp_path / "x.parquet") == 1
    assert "pip install pyarrow" in capsys.readouterr().err


def test_a_file_that_is_there_already_stays_until_the_new_one_is_whole(folder, run, tmp_path, monkeypatch):
    folder.keep([tick(1)])
    for suffix in (".csv", ".parquet"):
        out = tmp_path / f"ticks{suffix}"
        out.write_text("before")
        with monkeypatch.context() as patched:
            patched.setattr("mdactors.store.pages.ticks_between", interrupted)
            assert run("export", "--symbol", "RELIANCE", *DAY, "--out", out) == 130
        assert out.read_text() == "before"
        assert run("export", "--symbol", "RELIANCE", *DAY, "--out", out) == 0
        assert out.read_bytes() != b"before"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def interrupted(*_arguments: Any) -> Any:
    raise KeyboardInterrupt
    yield


def test_a_folder_that_is_not_there_is_one_line(folder, run, tmp_path, capsys):
    folder.keep([tick(1)])
    assert run("export", "--symbol", "RELIANCE", *DAY, "--out", tmp_path / "no" / "ticks.csv") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_on_a_terminal_a_bar_moves(folder, tmp_path):
    folder.keep([tick(n, OPEN + n) for n in range(2000)])
    master, terminal = pty.openpty()
    words = ["export", "--symbol", "RELIANCE", *DAY, "--out", tmp_path / "t.csv", "--config", folder.config]
    command = [sys.executable, "-m", "mdactors", *map(str, words)]
    with subprocess.Popen(command, stderr=terminal, stdout=subprocess.DEVNULL) as process:
        os.close(terminal)
        drawn = b""
        try:
            while part := os.read(master, 65_536):
                drawn += part
        except OSError:
            pass  # the terminal's other end is closed: the command has ended
        finally:
            os.close(master)
    assert process.returncode == 0
    assert b"RELIANCE" in drawn
    assert b"100%" in drawn
