"""A recorded day of the market, played through the whole program as fast as it takes it."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import sqlite3
from collections import defaultdict
from contextlib import closing

import pytest
from bench._program import program

from mdactors.plugins import load_simulator
from mdactors.simulator import Replay, SimulatorOptions, SimulatorServer

DAY = "nse_minute_2024-02-27_nifty50.csv.gz"
STEP_SECONDS = 15.0
"""The recording's bars are played as four trades each, so far apart."""
STEPS = 375 * 4
MINUTES = 375


@pytest.fixture
def recorded(shared_data):
    """Symbol -> its minute bars, begin in ms first, as they were recorded."""
    bars = defaultdict(list)
    with gzip.open(shared_data / DAY, "rt", newline="") as text:
        for row in csv.DictReader(text):
            begin = round(dt.datetime.fromisoformat(row["timestamp"]).timestamp() * 1000)
            prices = (float(row[name]) for name in ("open", "high", "low", "close"))
            bars[row["symbol"]].append((begin, *prices, int(float(row["volume"]))))
    return bars


@pytest.mark.realdata
def test_a_real_day_gives_exactly_its_minute_bars(shared_data, recorded, tmp_path, wait_until):
    venue = Replay(shared_data / DAY)
    symbols = {each.instrument.key: each.instrument.symbol for each in venue.states.values()}
    simulator = load_simulator("kite")(venue, SimulatorOptions(beat=0, speed=1e6))
    with SimulatorServer(simulator) as server:
        configuration = {
            "data_dir": str(tmp_path / "data"),
            "brokers": {"kite": {**server.settings(), "connections": 1}},
            "subscriptions": {"symbols": list(symbols.values())},
            "calendar": {"always_open": True},
            "log": {"level": "WARNING"},
        }
        with program(tmp_path, configuration) as daemon:
            daemon.wait_until_up()
            snapshots = 2 * len(symbols)  # in mode quote, then in mode full
            wait_until(lambda: sum(map(updates_of, server.sent().values())) == snapshots, 10)
            for _ in range(STEPS):
                server.step(STEP_SECONDS)
            assert venue.ended
            sent = sum(map(updates_of, server.sent().values()))
            assert sent == snapshots + STEPS * len(symbols)
            wait_until(lambda: daemon.counters("kite/normalizer").get("ticks") == sent, 30)
            daemon.stop()
    with closing(sqlite3.connect(tmp_path / "data" / "ticks.db")) as database:
        stored = bars_of(database, symbols)
    assert set(stored) == set(recorded)
    assert {symbol: len(bars) for symbol, bars in stored.items()} == dict.fromkeys(recorded, MINUTES)
    assert stored == recorded


def updates_of(counts):
    return sum(counts.values())


def bars_of(database, symbols):
    """Symbol -> its stored minute bars in the order of time."""
    bars = defaultdict(list)
    for key, *bar in database.execute(
        "SELECT instrument_key, ts, open, high, low, close, volume FROM market_ohlc_1m ORDER BY ts"
    ):
        bars[symbols[key]].append(tuple(bar))
    return bars
