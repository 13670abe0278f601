"""What REST takes for 30,000 stored ticks of one instrument: to the first byte, and to the last."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench._market import market, wait_for
from bench._program import DATA, Program, program
from bench._ticks import ticks_of_one
from mdactors.config import StoreSettings, decode_section
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.runtime import MACHINE
from mdactors.store.opening import open_stores

SYMBOL = "RELIANCE"
TICKS = 30_000
ROUNDS = 5
FEW_PER_SECOND = 50


def history(folder: Path, settings: dict[str, Any]) -> dict[str, float]:
    """``first_byte_ms`` and ``total_ms``, medians of some questions to a running daemon.

    Args:
        folder: for data and logs of the daemon, without any yet.
        settings: the section ``store``; the store is empty.
    """
    ticks = ticks_of_one(SYMBOL, TICKS)
    data_dir = folder / DATA
    data_dir.mkdir()
    store, _ = open_stores(decode_section(settings, StoreSettings, "store"), data_dir)
    store.maintain(MACHINE.time_ns())
    store.write(ticks, None, Position("bench", 1, 1, len(ticks)))
    store.close()
    with (
        market(folder, FEW_PER_SECOND, 0) as source,
        program(folder, source.configuration(folder, store=settings)) as daemon,
    ):
        daemon.wait_until_up()
        wait_for(source.newest, "ticks flow")
        rounds = [_ask(daemon, ticks) for _ in range(ROUNDS)]
    return {
        "first_byte_ms": statistics.median(first for first, _ in rounds),
        "total_ms": statistics.median(total for _, total in rounds),
    }


def _ask(daemon: Program, ticks: Sequence[Tick]) -> tuple[float, float]:
    """Milliseconds to the first byte of the body and to the last; raises when a tick is missing."""
    span = {"startTime": _iso(ticks[0]), "endTime": _iso(ticks[-1])}
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    started = time.perf_counter()
    connection.request("GET", f"/api/ticks/historical?{urlencode({'symbol': SYMBOL, **span})}")
    answer = connection.getresponse()
    begin = answer.read(1)
    first = time.perf_counter()
    body = begin + answer.read()
    done = time.perf_counter()
    connection.close()
    count = len(json.loads(body))
    if count != len(ticks):
        raise RuntimeError(f"{count} of {len(ticks)} ticks were answered")
    return (first - started) * 1000, (done - started) * 1000


def _iso(tick: Tick) -> str:
    return dt.datetime.fromtimestamp((tick.quote.exchange_time or 0) / 1000, dt.UTC).isoformat()
