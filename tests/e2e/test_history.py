"""History, today and candles of a whole daemon: what the websocket sent comes back, from either broker."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote as escaped

import pytest

SYMBOLS = (
    "NIFTY 50", "RELIANCE", "BSE:RELIANCE", "BSE SENSEX SIXTY 65:35", "NIFTY26NOVFUT", "NIFTY26NOV24400PE",
)  # fmt: skip
EVER = "startTime=2000-01-01&endTime=2099-01-01"


def history(daemon: Any, symbol: str, **parameters: str) -> list[dict[str, Any]]:
    more = "".join(f"&{name}={value}" for name, value in parameters.items())
    status, ticks = daemon.get(f"/api/ticks/historical?symbol={escaped(symbol)}&{EVER}{more}")
    assert status == 200, ticks
    return ticks


def by_number(ticks: list[dict[str, Any]]) -> dict[tuple[int, int], dict[str, Any]]:
    return {(tick["epoch"], tick["seq"]): tick for tick in ticks}


@pytest.fixture
def streaming(simulate, configuration, run_daemon, connect, wait_until):
    """``streaming(broker, **store)``: a daemon and a client that has heard some of everything in full."""

    def start(broker: str, **store: Any):
        simulator = simulate(broker)
        daemon = run_daemon(
            configuration({broker: simulator.settings()}, store={"batch_age": "100ms", **store})
        )
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        client = connect(daemon.port, "/ws/market")
        client.ask("SUBSCRIBE", *SYMBOLS, mode="full")
        wait_until(lambda: all(len(client.ticks(symbol)) >= 5 for symbol in SYMBOLS), 20)
        return daemon, client

    return start


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_every_tick_that_was_sent_comes_back_as_it_was_with_book_and_greeks(
    broker, raw, streaming, wait_until
):
    daemon, client = streaming(broker, raw=raw)
    for symbol in SYMBOLS:
        # A client's snapshot is the newest tick, sent again; the live ones are as they were stored.
        sent = by_number([tick for tick in client.ticks(symbol) if not tick.get("snapshot")])
        wait_until(lambda symbol=symbol, sent=sent: sent.keys() <= by_number(history(daemon, symbol)).keys())
        stored = by_number(history(daemon, symbol, mode="full"))
        assert sent
        assert {number: stored[number] for number in sent} == sent
        assert ("depth" in next(reversed(sent.values()))) == (
            symbol not in ("NIFTY 50", "BSE SENSEX SIXTY 65:35")
        )
    if broker == "upstox":
        assert any("greeks" in tick for tick in client.ticks("NIFTY26NOV24400PE"))


def test_history_is_oldest_first_and_today_holds_the_same_ticks(streaming, wait_until):
    daemon, client = streaming("upstox")
    newest = client.ticks("RELIANCE")[-1]["seq"]
    wait_until(lambda: any(tick["seq"] >= newest for tick in history(daemon, "RELIANCE")))
    stored = history(daemon, "RELIANCE")
    assert [tick["timestamp"] for tick in stored] == sorted(tick["timestamp"] for tick in stored)
    status, today = daemon.get("/api/ticks/today/RELIANCE")
    assert status == 200
    assert [tick["seq"] for tick in today] == sorted(tick["seq"] for tick in today)
    cached = by_number(today)
    assert all(cached[number] == tick for number, tick in by_number(stored).items())


def test_candles_of_closed_minutes_come_out_of_the_store(streaming, wait_until):
    daemon, client = streaming("kite", bars=["1s", "1m"])
    wait_until(lambda: len(daemon.get("/api/candles/RELIANCE?interval=1s")[1]) >= 3, 20)
    _, bars = daemon.get("/api/candles/RELIANCE?interval=1s")
    prices = {tick["lastTradedPrice"] for tick in client.ticks("RELIANCE")}
    assert [bar["time"] for bar in bars] == sorted({bar["time"] for bar in bars})
    for bar in bars[1:3]:
        assert bar["low"] <= min(bar["open"], bar["close"]) <= max(bar["open"], bar["close"]) <= bar["high"]
        assert {bar["open"], bar["close"]} <= prices
