"""A store that does not answer holds up nobody for long: the cache does, and what needs no store goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.runtime import FakeClock
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import StoredTick
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors.web import rest_history, rest_today

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
MS = 1_000_000
OPEN = 1_795_146_300_000
"""2026-11-20T09:15:00+05:30."""
TODAY = "/api/ticks/today/RELIANCE"
HISTORY = f"/api/ticks/historical?symbol=RELIANCE&endTime={OPEN + 60_000}&startTime="
TICKS = [
    Tick(RELIANCE, Quote("R", "full", 100.0 + n, exchange_time=OPEN + n), "x", 7, n, (OPEN + n) * MS)
    for n in range(10)
]


class Hung(SqliteTicks):
    """Answers nothing until its gate is open."""

    gate: threading.Event

    def read(
        self, token: int, from_ns: int, to_ns: int, limit: int, after: StoredTick | None = None
    ) -> list[StoredTick]:
        self.gate.wait(20)
        return super().read(token, from_ns, to_ns, limit, after)


@pytest.fixture
def hung(stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hung]:
    """A store that hangs, behind a server on whose clock it is a minute after the ticks."""
    for module in (rest_today, rest_history):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    store = Hung(SqliteDatabase(tmp_path / "ticks.db"))
    store.gate = threading.Event()
    store.write(TICKS, None, Position("j", 1, 1, len(TICKS)))
    stage.clock = FakeClock((OPEN + 60_000) * MS)
    stage.cache = MemoryCache(1440, clock=stage.clock)
    stage.cache.resume(TICKS[5].received_ns)
    stage.cache.write(TICKS[5:])
    stage.cache.complete(TICKS[5].received_ns)
    stage.history = store
    stage.start()
    yield store
    store.gate.set()
    stage.stop_web()
    store.close()


def seqs(stage: Any, path: str) -> tuple[list[int], bool]:
    """The numbers of the ticks, and whether the answer is whole."""
    status, headers, body = stage.http("GET", path)
    assert status == 200, body
    return [tick["seq"] for tick in json.loads(body)], "X-Complete" not in headers


def test_what_the_cache_has_is_answered_however_many_ask(stage, hung):
    for _ in range(3):
        for path in (TODAY, f"{HISTORY}{OPEN}"):
            assert seqs(stage, path) == ([5, 6, 7, 8, 9], False)
    assert stage.get("/api/instruments?q=reliance")[0] == 200


def test_a_time_of_which_the_cache_knows_nothing_is_waited_for(stage, hung):
    answers: list[Any] = []
    end = f"/api/ticks/historical?symbol=RELIANCE&startTime={OPEN}&endTime={OPEN + 3}"
    asking = threading.Thread(target=lambda: answers.append(seqs(stage, end)))
    asking.start()
    assert seqs(stage, TODAY) == ([5, 6, 7, 8, 9], False)
    assert not answers
    hung.gate.set()
    asking.join(10)
    assert answers == [([0, 1, 2, 3], True)]
    assert seqs(stage, TODAY) == (list(range(10)), True)
