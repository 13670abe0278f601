"""In the evening the broker says the day's close where the previous one was: nobody sees that."""

from __future__ import annotations

import pytest

from mdactors.market.moment import read_moment
from mdactors.runtime import SetClock
from mdactors.simulator import SimulatorOptions, open_venue

DAY = "2026-11-20"
"""A Friday."""


@pytest.fixture
def day_of(simulate, configuration, run_daemon, connect, tmp_path, wait_until):
    """``day_of(broker, time, rolled=…)``: RELIANCE's previous closes, as a client of a daemon sees them until
    one is known; the exchange's own one first."""

    def live(broker, time, *, rolled, **sections):
        clock = SetClock.starting(read_moment(time))
        market = open_venue(SimulatorOptions(beat=0.02, rate=3000.0, seed=11), clock)
        state = market.by_name("NSE", "RELIANCE")
        true = state.previous_close
        if rolled:
            state.previous_close = true + 7.5
        server = simulate(broker, market, clock=clock)
        raw = configuration({broker: server.settings()}, calendar={}, **sections)
        daemon = run_daemon({**raw, "data_dir": str(tmp_path / "data")}, clock=clock)
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        client = connect(daemon.port, "/ws/market")
        client.ask("SUBSCRIBE", "RELIANCE")
        wait_until(lambda: any("close" in tick["ohlc"] for tick in client.ticks("RELIANCE")))
        stored = f"/api/ticks/historical?symbol=RELIANCE&startTime={DAY}&limit=1"
        if sections.get("store", {}).get("ticks", True):
            wait_until(lambda: daemon.get(stored)[1])
        daemon.stop()
        return true, [tick["ohlc"].get("close") for tick in client.ticks("RELIANCE")]

    return live


def test_after_a_restart_in_the_evening_the_previous_close_is_that_of_the_morning(day_of):
    store = {"batch_age": "100ms"}
    true, seen = day_of("kite", f"{DAY}T11:00", rolled=False, store=store)
    assert set(seen) == {true}
    again, seen = day_of("kite", f"{DAY}T18:30", rolled=True, store=store)
    assert again == true
    assert set(seen) <= {true, None}
    assert seen[-1] == true


def test_without_a_store_it_is_asked_for(day_of):
    true, seen = day_of("upstox", f"{DAY}T18:30", rolled=False, store={"ticks": False})
    assert set(seen) == {true, None}
    assert seen[0] is None
