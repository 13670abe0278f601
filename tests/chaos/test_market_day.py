"""Recorded days of the market, played through the whole program as fast as it takes them."""

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

pytestmark = pytest.mark.any_day

STOCKS = "nse_minute_2024-02-27_nifty50.csv.gz"
INDICES = "nse_minute_2026-06-08_11_index.csv.gz"
MINUTES = 375
DAYS = "2026-06-08", "2026-06-11"
"""The first and the last one of the indices' recording."""
TRADES_A_BAR = 4
STEP_SECONDS = 15.0
"""A recorded bar is played as its four trades, so far apart."""
AFTER_HOURS = "15:32:00+05:30"
"""Later trades end the last bar at once, and belong to none."""


@pytest.fixture
def play(shared_data, tmp_path, wait_until):
    """``play(file, day)``: the day's rows; and symbol -> minute bars that the program stored, on that day."""

    def through(file, day):
        with gzip.open(shared_data / file, "rt", newline="") as text:
            rows = [row for row in csv.DictReader(text) if row["timestamp"].startswith(day)]
        folder = tmp_path / day
        folder.mkdir()
        venue = Replay(with_trades_after_hours(rows, folder / "day.csv"))
        simulator = load_simulator("kite")(venue, SimulatorOptions(beat=0, speed=1e6))
        with SimulatorServer(simulator) as server:
            play_whole(server, venue, folder, day, len(rows), wait_until)
        symbols = {each.key: each.symbol for each in venue.instruments}
        with closing(sqlite3.connect(folder / "data" / "ticks.db")) as database:
            return rows, {symbols[key]: bars for key, bars in bars_of(database).items()}

    return through


def with_trades_after_hours(rows, path):
    last = {row["symbol"]: row for row in rows}
    extra = [{**row, "timestamp": row["timestamp"][:11] + AFTER_HOURS} for row in last.values()]
    with path.open("w", newline="") as text:
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows + extra)
    return path


def stored_bars(folder):
    """How many minute bars of trading hours are stored."""
    with closing(sqlite3.connect(folder / "data" / "ticks.db")) as database:
        return sum(map(len, bars_of(database).values()))


def play_whole(server, venue, folder, day, rows, wait_until):
    """Step through all that was recorded while a daemon listens; until so many rows are bars."""
    symbols = [f"{each.exchange}:{each.symbol}" for each in venue.instruments]
    configuration = {
        "data_dir": str(folder / "data"),
        "brokers": {"kite": {**server.settings(), "connections": 1}},
        "subscriptions": {"symbols": symbols},
        "log": {"level": "WARNING"},
    }

    def sent():
        return sum(sum(counts.values()) for counts in server.sent().values())

    with program(folder, configuration, options=["--clock", f"{day}T09:00"]) as daemon:
        daemon.wait_until_up()
        wait_until(lambda: sent() == 2 * len(symbols), 10)  # the snapshots in mode quote and in mode full
        while not venue.ended:
            server.step(STEP_SECONDS)
        wait_until(lambda: daemon.counters("kite/normalizer").get("ticks") == sent(), 30)
        # Until all bars are made: a daemon that is stopped before makes the others when it is started again.
        wait_until(lambda: stored_bars(folder) >= rows, 60)
        daemon.stop()


def bars_of(database):
    """Instrument key -> its stored minute bars in the order of time."""
    bars = defaultdict(list)
    for key, *bar in database.execute(
        "SELECT instrument_key, ts, open, high, low, close, volume FROM market_ohlc_1m "
        "WHERE phase = 'open' ORDER BY ts"
    ):
        bars[key].append(tuple(bar))
    return bars


def bar_of(row, volume):
    begin = round(dt.datetime.fromisoformat(row["timestamp"]).timestamp() * 1000)
    return (begin, *(float(row[name]) for name in ("open", "high", "low", "close")), volume)


@pytest.mark.realdata
def test_a_real_day_of_stocks_gives_exactly_its_minute_bars(play):
    rows, stored = play(STOCKS, "2024-02-27")
    recorded = defaultdict(list)
    for row in rows:
        recorded[row["symbol"]].append(bar_of(row, int(float(row["volume"]))))
    assert {key: len(bars) for key, bars in stored.items()} == dict.fromkeys(recorded, MINUTES)
    assert stored == recorded


@pytest.mark.realdata
@pytest.mark.parametrize("day", DAYS)
def test_a_real_day_of_indices_gives_exactly_their_minute_bars_without_volume(play, day):
    rows, stored = play(INDICES, day)
    for symbol in ("NIFTY 50", "SENSEX"):
        recorded = [bar_of(row, 0) for row in rows if row["symbol"] == symbol]
        assert len(recorded) == MINUTES
        assert stored[symbol] == recorded
