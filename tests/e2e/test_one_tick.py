"""One price on both brokers' wires is the same tick."""

from __future__ import annotations

import datetime as dt

import pytest

from mdactors.config import Settings, decode_section
from mdactors.plugins import make_adapters
from mdactors.simulator import Exchange

INSTRUMENTS = {
    "INDEX": "NIFTY 50",
    "STOCK": "RELIANCE",
    "FUTURE": "NIFTY26NOVFUT",
    "OPTION": "NIFTY26NOV24400PE",
}
START = dt.datetime.fromisoformat("2026-11-20T10:00:00+05:30")
SAME = (
    "symbol", "instrumentToken", "type", "instrumentKey", "exchange", "lastTradedPrice", "ohlc", "change",
    "changePercent", "volume",
)  # fmt: skip


@pytest.fixture
def both(simulate, configuration, run_daemon, connect, wait_until):
    """A client of a Kite daemon and one of an Upstox daemon, on the same market; ``step`` moves it on."""
    start_ms = round(START.timestamp() * 1000)
    servers = {
        name: simulate(name, Exchange(seed=7, start_ms=start_ms), beat=0) for name in ("kite", "upstox")
    }
    sources = {name: server.settings() for name, server in servers.items()}
    clients = {}
    for name in servers:
        raw = configuration({name: sources[name]}, instruments={"sources": ["kite", "upstox"]})
        every = make_adapters(decode_section({**raw, "brokers": sources}, Settings, ""))
        daemon = run_daemon(raw, every)
        wait_until(lambda daemon=daemon: daemon.get("/ready")[0] == 200)
        clients[name] = connect(daemon.port, "/ws/market")
        clients[name].ask("SUBSCRIBE", *INSTRUMENTS.values(), mode="full")

    def newest(name):
        """The newest tick of each, once everything that the broker said has come through."""

        def numbers():
            said = {}
            for sent in servers[name].sent().values():
                said |= sent
            return said

        def heard():
            return {tick["instrumentToken"]: tick["seq"] for tick in clients[name].ticks()}

        wait_until(lambda: len(heard()) == len(INSTRUMENTS) and heard() == numbers())
        return {tick["symbol"]: tick for tick in clients[name].ticks()}

    def step(seconds):
        for name in servers:
            newest(name)
            servers[name].step(seconds)
        return newest("kite"), newest("upstox")

    return step


def second(text):
    return dt.datetime.fromisoformat(text).replace(microsecond=0)


def test_one_price_on_both_wires_is_the_same_tick(both):
    # Everything ticks twice a second: what is newest was said within the second that is nearly over.
    for seconds in (0.999, 1.0, 1.0):
        by_kite, by_upstox = both(seconds)
        for kind, symbol in INSTRUMENTS.items():
            one, other = by_kite[symbol], by_upstox[symbol]
            assert one["type"] == kind
            assert {name: one[name] for name in SAME} == {name: other[name] for name in SAME}
            assert {"open", "high", "low", "close"} == set(one["ohlc"])
            assert one["timestampSource"] == other["timestampSource"] == "exchange"
            assert second(one["timestamp"]) == second(other["timestamp"])
            if kind == "INDEX":
                assert "lastTradeTime" not in one, "Kite says no trade's time of an index"
            else:
                assert second(one["lastTradeTime"]) == second(other["lastTradeTime"])
                assert one.get("openInterest") == other.get("openInterest")


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_key_by_name_is_understood_under_either_broker(
    broker, simulate, configuration, run_daemon, connect, wait_until
):
    daemon = run_daemon(configuration({broker: simulate(broker).settings()}))
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    client = connect(daemon.port, "/ws/market")
    answer = client.ask("SUBSCRIBE", keys=["NSE_EQ|RELIANCE", "NSE_INDEX|Nifty 50", "NSE_EQ|NOTHING"])
    assert answer["symbols"] == {"NSE_EQ|RELIANCE": "RELIANCE", "NSE_INDEX|Nifty 50": "NIFTY 50"}
    assert answer["unknown"] == ["NSE_EQ|NOTHING"]
