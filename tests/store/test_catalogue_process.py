"""A process of its own loads the instruments; what fails or comes short changes nothing."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.today import NOW_MS, TODAY, todays_clock

from mdactors.config import InstrumentSettings, Settings
from mdactors.errors import BrokerError, StoreError
from mdactors.market.instruments import InstrumentTable
from mdactors.plugins import make_adapters, plain_sections
from mdactors.runtime import Clock
from mdactors.simulator import Exchange, SimulatorOptions, SimulatorServer
from mdactors.store import catalogue_process
from mdactors.store.catalogue_process import Loaded, Order, Progress
from mdactors.store.downloads import Downloads
from mdactors.store.instruments import InstrumentStore
from mdactors_upstox.simulator import UpstoxSimulator

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
KEY = "NSE_EQ|INE002A01018"
SHARE = {
    "segment": "NSE_EQ", "exchange": "NSE", "name": "RELIANCE INDUSTRIES LTD", "isin": "INE002A01018",
    "instrument_type": "EQ", "instrument_key": KEY, "lot_size": 1, "exchange_token": "2885",
    "tick_size": 10.0, "trading_symbol": "RELIANCE",
}  # fmt: skip


def kite_file(path: Path, count: int, *more: str) -> Path:
    numbers = range(100_001, 100_000 + count)
    shares = [f"{n << 8 | 1},{n},S{n},Share {n},0,,0,0.05,1,EQ,NSE,NSE" for n in numbers]
    path.write_text(
        "\n".join([HEADER, "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.1,1,EQ,NSE,NSE", *shares, *more])
    )
    return path


def upstox_file(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_bytes(gzip.compress(json.dumps(rows or [SHARE]).encode()))
    return path


def ordered(folder: Path, *sources: str, brokers: dict[str, Any] | None = None, **files: Path) -> Order:
    names = [name.replace("_MTF", "/MTF").replace("_NSE_MIS", "/NSE_MIS") for name in files]
    settings = Settings(
        data_dir=str(folder),
        brokers=brokers or {},
        instruments=InstrumentSettings(sources=list(sources) or names),
    )
    given = dict(zip(names, map(str, files.values()), strict=True))
    return Order.of(settings, plain_sections(make_adapters(settings)), given, todays_clock().timeline())


def loaded_from(order: Order) -> Loaded:
    return catalogue_process.load(order)


@pytest.fixture
def upstox(clock: Clock) -> Any:
    simulator = UpstoxSimulator(Exchange(seed=3, start_ms=NOW_MS, clock=clock), SimulatorOptions(beat=0))
    with SimulatorServer(simulator) as server:
        yield server


def sections(server: SimulatorServer) -> dict[str, Any]:
    return {"upstox": yaml.safe_load(yaml.safe_dump(dict(server.settings())))}


def test_files_of_both_brokers_become_one_table_and_one_store(tmp_path: Path):
    told: list[Progress] = []
    order = ordered(tmp_path, kite=kite_file(tmp_path / "k", 6000), upstox=upstox_file(tmp_path / "u"))
    loaded = catalogue_process.load(order, told.append)
    assert loaded == Loaded(
        {"indices": 0, "stocks": 6000, "futures": 0, "options": 0}, {"kite": 6000, "upstox": 1}, [], []
    )
    assert [(each.source, each.rows) for each in told] == [("kite", 5000), ("kite", 6000), ("upstox", 1)]
    table = InstrumentTable.load(tmp_path / "instruments.msgpack")
    assert table.broker_tokens("upstox") == {738561: KEY}
    with closing(InstrumentStore(tmp_path / "instruments.db")) as store:
        (row,) = store.search("reliance")
        assert (row.key, row.isin, row.name) == (KEY, "INE002A01018", "RELIANCE INDUSTRIES")
        assert (row.sector, row.industry) == ("ENERGY", "Oil Gas & Consumable Fuels")
        assert (row.tradable, row.tick_size) == (True, 0.1)
        assert "BANKING" in {code for code, _, _ in store.sectors()}


def test_further_lists_add_flags_and_no_instruments(tmp_path: Path):
    other = {**SHARE, "instrument_key": "NSE_EQ|INE111111111", "exchange_token": "77"}
    order = ordered(
        tmp_path,
        upstox_MTF=upstox_file(tmp_path / "m", SHARE, other),
        upstox_NSE_MIS=upstox_file(tmp_path / "n", SHARE),
        kite=kite_file(tmp_path / "k", 3),
    )
    assert loaded_from(order).counts["stocks"] == 3
    with closing(InstrumentStore(tmp_path / "instruments.db")) as store:
        flags = {row.symbol: (row.mtf, row.mis) for row in store.search()}
    assert flags == {"RELIANCE": (True, True), "S100001": (False, False), "S100002": (False, False)}


def test_a_list_with_fewer_than_half_of_the_rows_keeps_those_before(tmp_path: Path):
    assert loaded_from(ordered(tmp_path, kite=kite_file(tmp_path / "k", 100))).failures == []
    short = loaded_from(ordered(tmp_path, kite=kite_file(tmp_path / "k", 49)))
    (failure,) = short.failures
    assert failure.startswith(
        f"kite is not whole: all NSE_EQ STOCK of NSE lacks 51 rows since {TODAY}, which stay"
    )
    assert short.counts["stocks"] == 100
    half = loaded_from(ordered(tmp_path, kite=kite_file(tmp_path / "k", 50)))
    assert (half.failures, half.counts["stocks"]) == ([], 50)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8bdamaged", HEADER.encode()])
def test_a_list_that_is_none_keeps_the_rows_before(tmp_path: Path, content: bytes):
    loaded_from(ordered(tmp_path, kite=kite_file(tmp_path / "k", 3)))
    (tmp_path / "k").write_bytes(content)
    again = loaded_from(ordered(tmp_path, kite=tmp_path / "k"))
    assert len(again.failures) == 1
    assert again.counts["stocks"] == 3


def test_only_the_named_files_are_loaded_anew(tmp_path: Path):
    both = ordered(tmp_path, kite=kite_file(tmp_path / "k", 3), upstox=upstox_file(tmp_path / "u"))
    loaded_from(both)
    (tmp_path / "u").unlink()
    again = loaded_from(ordered(tmp_path, "kite", "upstox", kite=kite_file(tmp_path / "k", 4)))
    assert (again.sources, again.failures) == ({"kite": 4, "upstox": 1}, [])


def test_expired_contracts_leave_and_new_ones_appear_while_a_failed_list_keeps_only_the_living(
    tmp_path: Path,
):
    old = "512,2,OLDFUT,X,0,2020-01-30,0,0.1,500,FUT,NFO-FUT,NFO"
    living = f"1024,4,NOWFUT,X,0,{TODAY},0,0.1,500,FUT,NFO-FUT,NFO"
    loaded_from(ordered(tmp_path, kite=kite_file(tmp_path / "k", 3, old, living)))
    (tmp_path / "k").write_bytes(b"")
    assert loaded_from(ordered(tmp_path, kite=tmp_path / "k")).counts["futures"] == 1
    fresh = "1536,6,NEWFUT,X,0,2099-01-29,0,0.1,500,FUT,NFO-FUT,NFO"
    loaded_from(ordered(tmp_path, kite=kite_file(tmp_path / "k", 3, fresh)))
    table = InstrumentTable.load(tmp_path / "instruments.msgpack")
    assert [each.symbol for each in table.contracts("X")] == ["NEWFUT"]


def test_over_the_network_an_unchanged_list_is_not_sent_again(tmp_path: Path, upstox: SimulatorServer):
    order = ordered(tmp_path, "upstox", brokers=sections(upstox))
    first = loaded_from(order)
    assert first.counts["indices"] >= 4
    file = tmp_path / "instruments" / "upstox.list"
    kept = Downloads(file.parent).get("upstox")
    assert kept is not None
    assert kept.rows == first.sources["upstox"]
    assert kept.download.etag
    written = file.stat()
    assert loaded_from(order) == first
    assert file.stat().st_ino == written.st_ino, "304: what is kept stays"


def test_with_every_source_away_nothing_is_written_and_the_reasons_are_told(
    tmp_path: Path, upstox: SimulatorServer
):
    order = ordered(tmp_path, "upstox", brokers=sections(upstox))
    upstox.stop()
    with pytest.raises(
        BrokerError, match=r"cannot fetch the instruments from 127\.0\.0\.1:[0-9]+: ConnectionError"
    ):
        loaded_from(order)
    assert not (tmp_path / "instruments.db").exists()
    assert not (tmp_path / "instruments.msgpack").exists()


def test_with_every_source_away_the_rows_before_are_enough(tmp_path: Path, upstox: SimulatorServer):
    order = ordered(tmp_path, "upstox", brokers=sections(upstox))
    first = loaded_from(order)
    upstox.stop()
    again = loaded_from(order)
    assert len(again.failures) == 1
    assert again.counts == first.counts


def test_it_can_be_given_up_and_the_process_ends(tmp_path: Path):
    order = ordered(tmp_path, kite=kite_file(tmp_path / "k", 3))
    with pytest.raises(StoreError, match="given up"):
        catalogue_process.load(order, give_up=lambda: True)
    assert not children()


def test_a_process_that_dies_is_an_error_of_one_line(tmp_path: Path, wait_until: Callable[..., None]):
    order = ordered(tmp_path, kite=kite_file(tmp_path / "k", 20_000))

    def kill(_progress: Progress) -> None:
        for child in children():
            subprocess.run(["kill", "-KILL", str(child)], check=True)

    with pytest.raises(StoreError, match="ended with code -9"):
        catalogue_process.load(order, kill)
    assert not children()


def children() -> list[int]:
    listed = [
        pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    return [int(pid) for pid in listed if b"mdactors.catalogue" in Path(f"/proc/{pid}/cmdline").read_bytes()]
