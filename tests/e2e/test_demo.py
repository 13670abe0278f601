"""``mdactors demo``, as a stranger meets it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

BROKERS = ["kite", "upstox"]
SOMETIMES = {"snapshot", "repeat", "late", "etf"}
"""Said only where it is so."""
PATHS = ("stocks", "indices", "futures", "options")


def children(pid: int) -> list[int]:
    started = Path(f"/proc/{pid}/task").glob("*/children")  # by any of its threads
    return [int(each) for thread in started for each in thread.read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def worked(pid: int) -> float:
    """Seconds of a processor, which cost more of time where others work as well."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("broker", BROKERS)
def test_fifty_stocks_and_four_indices_tick(broker, mdactors, connect, wait_until):
    demo = mdactors("demo", "--broker", broker, "--port", 0)
    stocks = connect(demo.port, "/ws/stocks/all")
    indices = connect(demo.port, "/ws/indices/all")

    def moved(client):
        prices = {}
        for tick in client.ticks():
            prices.setdefault(tick["symbol"], set()).add((tick["lastTradedPrice"], tick["volume"]))
        return [symbol for symbol, seen in prices.items() if len(seen) > 1]

    wait_until(lambda: len(moved(stocks)) >= 50 and len(moved(indices)) >= 4, 10)
    status, instrument = demo.get("/api/instruments/NSE_EQ%7CINE002A01018")
    assert (status, instrument["symbol"]) == (200, "RELIANCE")
    status, page = demo.get("/")
    assert status == 200
    assert page.startswith(b"<!doctype html>")


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_and_its_simulator(broker, number, mdactors, wait_until):
    demo = mdactors("demo", "--broker", broker, "--port", 0)
    wait_until(lambda: demo.get("/api/status")[1]["counters"]["batch_persister"]["persisted"] > 0, 15)
    started = children(demo.child.pid)
    assert len(started) >= 2, "the simulator and what stores the ticks"
    assert demo.end(number) == 0
    wait_until(lambda: not any(map(runs, started)))
    assert "Traceback" not in demo.err


def test_no_child_outlives_a_killed_demo(mdactors, wait_until):
    demo = mdactors("demo", "--broker", "kite", "--port", 0)
    assert demo.port
    wait_until(lambda: demo.get("/api/status")[1]["counters"]["batch_persister"]["persisted"] > 0, 15)
    started = children(demo.child.pid)
    assert len(started) >= 2, "the simulator and what stores the ticks"
    demo.end(signal.SIGKILL)
    wait_until(lambda: not any(map(runs, started)))


def test_a_simulator_that_is_told_many_times_to_end_does_so(mdactors, wait_until):
    # A parent that is killed sends a signal for each of its threads.
    simulator = mdactors("simulate", "--broker", "kite", "--port", 0)
    wait_until(lambda: "brokers:" in simulator.out)
    for _ in range(200):
        simulator.child.send_signal(signal.SIGTERM)
    assert simulator.child.wait(10) == 0


def test_a_second_start_says_its_address_within_three_seconds_of_work(mdactors):
    first = mdactors("demo", "--port", 0)
    assert first.port
    first.end(signal.SIGTERM)
    second = mdactors("demo", "--port", 0)
    assert second.port
    assert time.monotonic() - second.started < 15, "three on a machine that does nothing else"
    assert sum(map(worked, [second.child.pid, *children(second.child.pid)])) < 3
    assert f"http://127.0.0.1:{second.port}/" in second.out


def test_a_client_sees_the_same_symbols_and_messages_under_either_broker(mdactors, connect, wait_until):
    demos = {broker: mdactors("demo", "--broker", broker, "--port", 0) for broker in BROKERS}
    seen = {}
    for broker, demo in demos.items():
        clients = [connect(demo.port, f"/ws/{name}/all?mode=full") for name in PATHS]
        # Each path's own members, each of them live.
        wait_until(lambda clients=clients: all(len(live(each)) > 2 for each in clients), 10)
        wait_until(lambda clients=clients: sum(len(each.symbols()) for each in clients) > 130, 10)
        seen[broker] = clients
    kite, upstox = ({s for each in seen[broker] for s in each.symbols()} for broker in BROKERS)
    assert kite == upstox
    for path, *clients in zip(PATHS, seen["kite"], seen["upstox"], strict=True):
        of_kite, of_upstox = ({key for m in live(each) for key in m} - SOMETIMES for each in clients)
        # Kite says no trade's time of an index, and no greeks.
        silent = {"indices": {"lastTradeTime"}, "options": {"greeks", "iv"}}.get(path, set())
        assert of_upstox - of_kite == silent
        # Upstox says no range of the open interest.
        assert of_kite - of_upstox <= {"openInterestHigh", "openInterestLow"}
        kinds = [{key: type(value) for m in live(each) for key, value in m.items()} for each in clients]
        assert {key: kinds[1][key] for key in kinds[0] if key in kinds[1]} == {
            key: kind for key, kind in kinds[0].items() if key in kinds[1]
        }


def live(client):
    return [tick for tick in client.ticks() if "snapshot" not in tick]
