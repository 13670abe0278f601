"""``/ready``: a client that waits for it misses neither instruments nor today's ticks."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench._servers import Redis, redis
from tests.e2e.conftest import RunningDaemon

from mdactors.market import instruments
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with redis(tmp_path) as started:
        yield started


@pytest.fixture
def start(
    server: Redis, configuration: Callable[..., dict[str, Any]], run_daemon: Callable[..., RunningDaemon]
) -> Callable[[float], RunningDaemon]:
    """``start(patience)``: a daemon that knows its instruments, and waits so long for its cache."""

    def run(patience: float) -> RunningDaemon:
        place = {"port": server.port, "timeout_seconds": patience}
        raw = configuration({}, cache={"kind": "redis", "redis": place})
        folder = Path(raw["data_dir"])
        folder.mkdir()
        table = InstrumentTable.build({"kite": [(RELIANCE, RELIANCE.token)]})
        table.save(folder / instruments.FILE)
        return run_daemon(raw)

    return run


def test_it_is_not_ready_before_the_cache_is_back(
    start: Callable[[float], RunningDaemon], server: Redis, wait_until: Callable[..., None]
) -> None:
    server.send(signal.SIGSTOP)
    daemon = start(60.0)
    try:
        wait_until(lambda: daemon.get("/api/market/snapshot?instrument=RELIANCE")[0] != 503)
        assert daemon.get("/ready") == (503, {"status": "DOWN"})
    finally:
        server.send(signal.SIGCONT)
    wait_until(lambda: daemon.get("/ready") == (200, {"status": "UP"}))


def test_a_cache_that_is_away_is_not_waited_for(
    start: Callable[[float], RunningDaemon], server: Redis, wait_until: Callable[..., None]
) -> None:
    server.stop()
    daemon = start(0.2)
    wait_until(lambda: daemon.get("/ready") == (200, {"status": "UP"}))
