"""The whole daemon while its store is held up: everybody who asks how it is hears the same, and at once."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mdactors.runtime import child
from mdactors.status import ANSWER_SECONDS
from mdactors.store import sqlite

LAG_LIMIT = 50
HELD_SECONDS = 2.0
"""How long the persister waits for the file at each attempt."""


@pytest.fixture
def daemon(simulate, configuration, run_daemon, wait_until, monkeypatch):
    """One that streams much more than may wait for its store, and that soon calls an actor silent."""
    monkeypatch.setattr(child, "SILENT_SECONDS", 0.4)
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", HELD_SECONDS)
    server = simulate("kite", beat=0.05, rate=400.0)
    raw = configuration(
        {"kite": {**server.settings(), "connections": 1}},
        store={"batch_age": "100ms", "lag_limit": LAG_LIMIT, "carrier": "thread"},
        subscriptions={"symbols": ["NIFTY 50", "RELIANCE", "TCS", "INFY", "HDFCBANK"]},
    )
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/health")[0] == 200)
    return daemon


@contextmanager
def held(daemon):
    """Another program has the store's file for itself."""
    path = Path(daemon.settings.data_dir) / daemon.settings.store.path
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def timed_health(daemon):
    began = time.monotonic()
    status, answer = daemon.get("/health")
    assert time.monotonic() - began < ANSWER_SECONDS, "it waits for an actor"
    return status, answer["details"]


def test_what_waits_and_why_is_seen_while_the_persister_waits_and_all_say_the_same(
    daemon, connect, wait_until
):
    early = connect(daemon.port, "/ws/market?events=1")
    with held(daemon):
        wait_until(lambda: timed_health(daemon)[0] == 503)
        seen = []
        until = time.monotonic() + 2 * HELD_SECONDS
        while time.monotonic() < until:
            seen.append(timed_health(daemon))
        sizes = [details["bufferSize"] for _, details in seen]
        assert sizes == sorted(sizes)
        assert sizes[0] > LAG_LIMIT
        assert all("store-lag" in details["alarms"] for _, details in seen)
        reasons = [f"more than {LAG_LIMIT} ticks wait for the store"]
        assert all(details["reasons"] == reasons for _, details in seen)
        wait_until(lambda: {"store", "actor-batch_persister"} <= set(timed_health(daemon)[1]["alarms"]))
        status = daemon.get("/api/status")[1]
        assert status["healthy"] is False
        assert status["reasons"] == reasons
        assert daemon.summary().startswith(f"degraded: {reasons[0]}; ")
        assert daemon.daemon.healthy(), "no reason for the service manager to start it anew"
        assert {alarm["id"] for alarm in status["alarms"]} >= {"store", "store-lag", "actor-batch_persister"}
        late = connect(daemon.port, "/ws/market?events=1")
        wait_until(lambda: told(late) >= {"store", "store-lag", "actor-batch_persister"})
        wait_until(lambda: told(early) >= {"store", "store-lag", "actor-batch_persister"})
        assert late.messages()[0]["event"] == "welcome"
    wait_until(lambda: daemon.get("/health")[0] == 200)
    assert daemon.get("/api/status")[1]["healthy"] is True
    assert daemon.get("/health")[1]["details"]["reasons"] == []
    wait_until(lambda: told(late) == told(early) == {"actor-batch_persister"})


def told(client):
    """Ids of the alarms that are on, as far as a client heard."""
    on = {}
    for event in client.events("alarm"):
        on[event["id"]] = event["active"]
    return {name for name, active in on.items() if active}
