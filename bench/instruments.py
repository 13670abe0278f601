"""The instruments: reading both brokers' lists, searching, and what a loaded table costs.

The lists are those recorded beside the checkout or, where there are none, made up: 120,000 rows, the same
in every run. ``MDACTORS_INSTRUMENT_FILES`` names others (Upstox's and Kite's, with a colon between); empty,
they are made up. Search is over a fixed mix of questions, asked as a page does while somebody types.
*Resident* is a process that has only loaded the cached table; *ready* is the daemon from its start until
``/ready`` says yes, with a cached table and no network: the median of some starts.
"""

from __future__ import annotations

import gc
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from bench._lists import lists
from bench._program import Program, program
from mdactors.adapter import BrokerAdapter
from mdactors.config import InstrumentSettings, Settings
from mdactors.plugins import make_adapters, plain_sections
from mdactors.store.catalogue_process import Order, load
from mdactors.store.instruments import FILE, Filter, InstrumentStore

ROUNDS = 3
ASKED = 40
"""How often each question is asked."""
STARTS = 3
READY_WITHIN = 30.0
GOALS = {
    "search_p99_ms": ("<=", 5.0),
    "resident_mb": ("<=", 80.0),
    "ready_seconds": ("<=", 1.5),
}
_RESIDENT = """
import sys
from pathlib import Path
from mdactors.market.instruments import InstrumentTable
table = InstrumentTable.load(Path(sys.argv[1]))
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
print(len(table), int(line.split()[1]) * 1024 / 1e6)
"""


def measure() -> dict[str, object]:
    """Rates, latencies, memory and the time to a ready daemon."""
    upstox, kite, made_up = lists()
    settings = Settings(instruments=InstrumentSettings(sources=["kite", "upstox"]))
    adapters = make_adapters(settings)
    figures: dict[str, object] = {"made_up": made_up}
    for name, data in (("upstox", upstox), ("kite", kite)):
        figures[f"{name}_rows"], figures[f"{name}_rows_per_second"] = _parse_rate(adapters[name], data)
    with tempfile.TemporaryDirectory() as folder:
        files = {"upstox": Path(folder) / "upstox", "kite": Path(folder) / "kite"}
        files["upstox"].write_bytes(upstox)
        files["kite"].write_bytes(kite)
        figures["load_seconds"] = _load(settings, folder, files)
        figures |= _search(Path(folder) / FILE)
        figures |= _resident(Path(folder) / "instruments.msgpack")
        figures |= _ready(Path(folder))
    return figures


def _parse_rate(adapter: BrokerAdapter, data: bytes) -> tuple[int, float]:
    best, rows = float("inf"), 0
    for _ in range(ROUNDS):
        gc.collect()
        started = time.perf_counter()
        rows = sum(1 for _ in adapter.listings(data))
        best = min(best, time.perf_counter() - started)
    return rows, rows / best


def _load(settings: Settings, folder: str, files: dict[str, Path]) -> float:
    """The child process from its start to its end: read, merge, write."""
    told = msgspec.structs.replace(settings, data_dir=folder)
    named = {name: str(path) for name, path in files.items()}
    order = Order.of(told, plain_sections(make_adapters(told)), named)
    started = time.perf_counter()
    failures = load(order).failures
    assert not failures, failures
    return time.perf_counter() - started


def _search(path: Path) -> dict[str, object]:
    with closing(InstrumentStore(path)) as store:
        rows = store.count()
        took = []
        for _ in range(ASKED):
            for text, narrowed in _questions(store):
                started = time.perf_counter()
                store.search(text, narrowed)
                took.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(took, n=100)
    return {"rows": rows, "search_p50_ms": cuts[49], "search_p99_ms": cuts[98], "search_worst_ms": max(took)}


def _questions(store: InstrumentStore) -> Iterator[tuple[str, Filter]]:
    """Every letter of some symbols as they are typed, words of names, and filters alone and together."""
    shares = store.search("", Filter(type="STOCK", exchange="NSE"), 1000)[::200]
    options = store.search("", Filter(type="OPTION"), 1000)[::200]
    for row in (*shares, *options):
        for length in range(1, len(row.symbol) + 1):
            yield row.symbol[:length].lower(), Filter()
    for sign in string.ascii_lowercase + string.digits:
        yield sign, Filter()
        yield sign, Filter(type="OPTION")
    for text in (
        "nifty",
        "nifty 50",
        "bank",
        "limited",
        "l",
        "ban lim",
        "ce",
        "100 ce",
        "nobody",
        "a b c d",
        "",
    ):
        yield text, Filter()
    option = options[0]
    yield "", Filter(underlying=option.underlying, expiry=option.expiry)
    yield "", Filter(type="OPTION", exchange="NSE")
    yield "1", Filter(type="STOCK", exchange="BSE")


def _resident(path: Path) -> dict[str, object]:
    said = subprocess.run([sys.executable, "-c", _RESIDENT, path], capture_output=True, text=True, check=True)
    rows, megabytes = said.stdout.split()
    return {
        "table_rows": int(rows),
        "resident_mb": float(megabytes),
        "table_file_mb": path.stat().st_size / 1e6,
    }


def _ready(folder: Path) -> dict[str, object]:
    starts = [_start(folder) for _ in range(STARTS)]
    return {
        "ready_seconds": statistics.median(seconds for seconds, _ in starts),
        "daemon_resident_mb": statistics.median(megabytes for _, megabytes in starts),
    }


def _start(folder: Path) -> tuple[float, float]:
    """Seconds from the program's start to a ready daemon, and the daemon's memory then."""
    address = "127.0.0.1:9"
    away = {
        "api_key": "k",
        "access_token": "t",
        "rest_url": f"http://{address}",
        "websocket_url": f"ws://{address}",
    }
    started = time.perf_counter()
    with program(folder, {"data_dir": str(folder), "brokers": {"kite": away}}) as daemon:
        while not _is_ready(daemon):
            daemon.must_live()
            assert time.perf_counter() - started < READY_WITHIN, "the daemon is not ready"
            time.sleep(0.005)
        return time.perf_counter() - started, daemon.rss_mb()


def _is_ready(daemon: Program) -> bool:
    try:
        return daemon.get("/ready")[0] == 200
    except OSError:
        return False
