"""The official client and ours, on one simulator, receive the same values in the same order."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.today import NOW_MS

from mdactors.simulator import Exchange

SCRIPT = Path(__file__).with_name("official_ticker.py")


@pytest.fixture
def official():
    """Starts the official client in a process of its own; ended with the test."""
    started = []

    def start(settings, modes):
        where = (settings["websocket_url"], settings["api_key"], settings["access_token"])
        process = subprocess.Popen(
            [sys.executable, SCRIPT, *where, json.dumps(modes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.communicate(timeout=10)
        assert process.returncode == 0


def by_token(ticks):
    series = {}
    for tick in ticks:
        series.setdefault(tick["instrument_token"], []).append(tick)
    return series


def test_both_receive_the_same_values(serve, connect, official, as_ticker, comparable, wait_until):
    market = Exchange(seed=11, start_ms=NOW_MS)
    server = serve(market, packets_per_frame=7)
    instruments = market.instruments
    modes = {mode: [i.token for i in instruments[n::3]] for n, mode in enumerate(("ltp", "quote", "full"))}
    snapshots = 2 * len(instruments)
    process = official(server.settings(), modes)
    client = connect(server)
    client.send(client.adapter.subscribe({token: mode for mode, tokens in modes.items() for token in tokens}))

    def totals():
        return [sum(sent.values()) for sent in server.sent().values()]

    wait_until(lambda: totals() == [snapshots, snapshots])
    for _ in range(20):
        server.step(0.5)
    one, other = totals()
    assert one == other > snapshots + 1000

    too_late = threading.Timer(20, process.kill)
    too_late.start()
    theirs = by_token(comparable(json.loads(process.stdout.readline())) for _ in range(one))
    too_late.cancel()
    quotes = client.quotes(one)
    assert len(quotes) == one
    ours = by_token(json.loads(json.dumps(as_ticker(quote))) for quote in quotes)
    assert ours == theirs
