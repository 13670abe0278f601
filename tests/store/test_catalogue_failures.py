"""Loading instruments when something goes wrong half-way: what was there stays, nothing is left behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.store.test_catalogue_process import children, kite_file, ordered, upstox_file
from tests.today import NOW, TODAY

from mdactors.errors import BrokerError, StoreError
from mdactors.market.instruments import InstrumentTable
from mdactors.store import catalogue_process
from mdactors.store.catalogue_process import Order
from mdactors.store.downloads import Downloads
from mdactors.store.instruments import InstrumentStore

FILES = ("instruments.db", "instruments.msgpack", "instruments/kite.list")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class OldServer:
    """A server that sends what it is told to send, byte for byte."""

    def __init__(self) -> None:
        self.reply = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(self.reply)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[OldServer]:
    with contextlib.closing(OldServer()) as started:
        yield started


def from_kite(folder: Path, server: OldServer) -> Order:
    kite = {"api_key": "k", "access_token": "", "rest_url": server.url}
    return ordered(folder, "kite", brokers={"kite": kite})


def http(data: bytes, cut: int = 0) -> bytes:
    """An answer of which the last so many bytes do not come."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data[: len(data) - cut]


def test_a_download_that_ends_half_way_keeps_the_rows_before(tmp_path: Path, server: OldServer):
    whole = kite_file(tmp_path / "k", 100).read_bytes()
    server.reply = http(whole)
    folder = tmp_path / "data"
    assert catalogue_process.load(from_kite(folder, server)).failures == []
    before = contents(folder)
    server.reply = http(whole + b"1000449,3908,NEW,NEW,0,,0,0.05,1,EQ,NSE,NSE\n" * 50, cut=100)
    again = catalogue_process.load(from_kite(folder, server))
    assert again.failures == ["kite: cannot fetch the instruments: ChunkedEncodingError"]
    assert again.counts["stocks"] == 100
    assert contents(folder)["instruments/kite.list"] == before["instruments/kite.list"]


def test_the_table_before_stays_when_a_source_fails_and_its_list_on_disk_is_damaged(tmp_path: Path):
    """Else a daemon would go on with the other brokers' instruments alone, and end its subscriptions."""
    folder = tmp_path / "data"
    files = {"kite": kite_file(tmp_path / "k", 100), "upstox": upstox_file(tmp_path / "u")}
    catalogue_process.load(ordered(folder, **files))
    (folder / "instruments" / "kite.list").write_bytes(b"damaged")
    before = contents(folder)
    files["kite"].unlink()
    with pytest.raises(BrokerError, match="k: cannot be read: No such file"):
        catalogue_process.load(ordered(folder, **files))
    assert contents(folder) == before


def test_what_has_expired_is_not_listed_and_that_is_said(tmp_path: Path):
    yesterday = (NOW.date() - dt.timedelta(days=1)).isoformat()
    rows = [
        f"{n * 256},{n},F{n},X,0,{day},0,0.1,1,FUT,NFO-FUT,NFO" for n, day in ((2, yesterday), (4, TODAY))
    ]
    folder = tmp_path / "data"
    kite = kite_file(tmp_path / "k", 3, *rows)
    fresh = catalogue_process.load(ordered(folder, kite=kite))
    assert (fresh.failures, fresh.counts["futures"]) == ([], 1)
    assert fresh.notes == [f"kite: 1 contracts have expired and are left out: {yesterday}"]
    upstox = upstox_file(tmp_path / "u")
    again = catalogue_process.load(ordered(folder, "kite", "upstox", upstox=upstox))
    assert (again.failures, again.counts["futures"]) == ([], 1)


def test_two_loads_at_once_come_one_after_the_other(tmp_path: Path):
    folder = tmp_path / "data"
    orders = [ordered(folder, kite=kite_file(tmp_path / f"k{count}", count)) for count in (6000, 6001, 6002)]
    with ThreadPoolExecutor() as pool:
        loaded = list(pool.map(catalogue_process.load, orders))
    assert [each.counts["stocks"] for each in loaded] == [6000, 6001, 6002]
    table = InstrumentTable.load(folder / "instruments.msgpack")
    with contextlib.closing(InstrumentStore(folder / "instruments.db")) as store:
        assert store.count() == len(table)
    kept = Downloads(folder / "instruments").get("kite")
    assert kept is not None
    assert kept.rows == len(table)
    assert sorted(contents(folder)) == sorted(FILES)


def test_what_a_process_left_that_was_killed_while_it_wrote_is_gone_after_the_next_load(
    tmp_path: Path, wait_until: Callable[..., None]
):
    folder = tmp_path / "data"
    order = ordered(folder, kite=kite_file(tmp_path / "k", 30_000))
    half = folder / "instruments.db.new"
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(catalogue_process.load, order)
        wait_until(half.exists, 30)
        for child in children():
            os.kill(child, signal.SIGKILL)
        with pytest.raises(StoreError, match="ended with code -9"):
            loading.result()
    assert half.exists()
    assert not (folder / "instruments.db").exists()
    assert catalogue_process.load(order).failures == []
    assert sorted(contents(folder)) == sorted(FILES)


@pytest.mark.parametrize("blocks", [400, 3000], ids=["the list", "the file that is searched"])
def test_a_full_disk_is_one_line_and_changes_nothing(tmp_path: Path, blocks: int, capfd: Any):
    """No file may grow beyond so many blocks of 512 bytes: that is how a full disk looks to the process."""
    config, data = tmp_path / "c.yaml", tmp_path / "data"
    config.write_text(f"data_dir: {data}\n")

    def sync(count: int, blocks: str) -> int:
        command = [sys.executable, "-m", "mdactors", "instruments", "sync", "--config", str(config)]
        words = [*command, "--from", f"kite={kite_file(tmp_path / 'k', count)}"]
        return subprocess.run(
            ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *words], check=False
        ).returncode

    assert sync(3, "unlimited") == 0
    before = contents(data)
    capfd.readouterr()
    assert sync(20_000, str(blocks)) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("mdactors: ")
    assert "written" in line
    after = contents(data)
    assert sorted(after) == sorted(FILES)
    for name in FILES[:2]:
        assert after[name] == before[name]
