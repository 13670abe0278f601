"""Each actor killed under load: it alone starts afresh, and nobody outside notices more than a moment."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import pytest
from tests.today import NOW_MS

from mdactors.runtime import Kill
from mdactors.simulator import Exchange

UPDATES_PER_SECOND = 1000.0
ACTORS = (
    "session_hub", "subscription_manager", "instrument_master", "journal_writer",
    "batch_persister", "cache_writer", "candle_builder", "market_views", "normalizer", "connection-1",
)  # fmt: skip
OF_A_BROKER = ACTORS[-2:]
LONGEST_SILENCE = 1.0
WATCHED = 0.4
"""Seconds of ticks after a restart that are looked at."""
NAMED = ("NIFTY 50", "RELIANCE", "INFY", "NIFTY26NOVFUT")


@pytest.fixture(params=["kite", "upstox"])
def broker(request):
    return request.param


@pytest.fixture
def server(broker, simulate):
    return simulate(broker, Exchange(seed=5, rate=UPDATES_PER_SECOND, start_ms=NOW_MS), beat=0.02)


@pytest.fixture
def daemon(broker, server, configuration, run_daemon, wait_until):
    """A daemon that streams everything."""
    listed = Exchange(seed=5, start_ms=NOW_MS).instruments
    everything = [each.symbol for each in listed if each.exchange == "NSE"]
    raw = configuration(
        {broker: server.settings()},
        subscriptions={"symbols": everything},
        store={"batch_age": "200ms"},
    )
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    return daemon


@pytest.fixture
def clients(daemon, connect, wait_until):
    """One that gets all stocks, one that chose: both hear live ticks."""
    everything, chooser = connect(daemon.port, "/ws/stocks/all"), connect(daemon.port, "/ws/market?events=1")
    chooser.ask("SUBSCRIBE", *NAMED)
    wait_until(lambda: len(everything.ticks()) > UPDATES_PER_SECOND / 10 and chooser.symbols() == set(NAMED))
    return everything, chooser


@pytest.mark.parametrize("actor", ACTORS)
def test_a_killed_actor_is_noticed_by_nobody(actor, broker, server, daemon, clients, wait_until, lost):
    name = f"{broker}/{actor}" if actor in OF_A_BROKER else actor
    before, sockets = daemon.actors(), set(server.connections)
    killed = admitted = time.monotonic()
    daemon.tell(name, Kill("by a test"))
    wait_until(lambda: daemon.actors()[name]["restarts"] == 1)
    if actor == "connection-1":
        wait_until(lambda: set(server.connections) - sockets)
        admitted = time.monotonic()
    for client in clients:
        wait_until(lambda client=client: client.tick_times()[-1] > admitted + WATCHED)
        assert client.is_open
        assert longest_silence(client, killed) < LONGEST_SILENCE + admitted - killed
        assert not lost(client.ticks())
        assert len({tick["epoch"] for tick in client.ticks()}) == (2 if actor == "normalizer" else 1)
    after = daemon.actors()
    others = {other: node for other, node in after.items() if other != name}
    assert {other: node["restarts"] for other, node in others.items()} == dict.fromkeys(others, 0)
    assert all(node["uptime"] >= before[other]["uptime"] for other, node in others.items())
    assert after[name]["dead_letters"]["count"] == 1, "only the message that killed it"
    assert_it_serves(daemon, clients[1], lost)
    daemon.stop()
    assert_all_is_stored(Path(daemon.settings.data_dir) / daemon.settings.store.path)


def longest_silence(client, since):
    """Seconds between two ticks after a time."""
    times = [since, *(at for at in client.tick_times() if at > since)]
    return max(later - earlier for earlier, later in pairwise(times))


def assert_it_serves(daemon, client, lost):
    for path in ("/health", "/ready", "/api/status"):
        assert daemon.get(path)[0] == 200
    status, today = daemon.get("/api/ticks/today/RELIANCE")
    assert status == 200
    assert today
    assert not lost(today)
    assert client.ask("SUBSCRIBE", "TCS")["symbols"] == {"TCS": "TCS"}
    assert daemon.get("/api/market/snapshot?instrument=TCS")[1]["symbol"] == "TCS"


def assert_all_is_stored(path):
    """Every number of every instrument is there once."""
    with contextlib.closing(sqlite3.connect(path)) as store:
        rows = store.execute(
            "SELECT count(*), count(DISTINCT seq), max(seq) FROM ticks GROUP BY instrument_token, epoch"
        ).fetchall()
    assert len(rows) > 100
    assert all(count == distinct == last for count, distinct, last in rows)
