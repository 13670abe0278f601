"""What the broker is asked for: nothing that nobody wants, and no less while instruments are refreshed."""

from __future__ import annotations

import threading

import pytest

KEPT, LEFT = "RELIANCE", "INFY"
TOKENS = {"RELIANCE": 738561, "INFY": 408065}
STEPS = 40


def sent(server):
    """Token -> how many updates the broker has sent of it."""
    total = {}
    for counts in server.sent().values():
        for token, count in counts.items():
            total[token] = total.get(token, 0) + count
    return total


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_the_broker_is_told_when_the_last_client_has_left(
    broker, simulate, configuration, run_daemon, connect, wait_until
):
    server = simulate(broker, beat=0.05, rate=800.0)
    raw = configuration({broker: server.settings()}, subscriptions={"grace_seconds": 0.3})
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    first, second = connect(daemon.port, "/ws/stocks"), connect(daemon.port, "/ws/market")
    first.ask("SUBSCRIBE", KEPT, LEFT)
    second.ask("SUBSCRIBE", LEFT)
    wait_until(lambda: second.symbols() == {LEFT})

    def silent():
        """Whether the broker sends nothing of one while it sends the other."""
        before = sent(server)
        wait_until(lambda: sent(server)[TOKENS[KEPT]] >= before[TOKENS[KEPT]] + 5)
        return sent(server)[TOKENS[LEFT]] == before[TOKENS[LEFT]]

    first.ask("UNSUBSCRIBE", LEFT)
    wait_until(lambda: daemon.get("/api/status")[1]["counters"]["subscription_manager"]["leaving"] == 0)
    assert not silent(), "somebody still wants it"
    second.close()
    wait_until(silent)


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_refresh_of_the_instruments_loses_no_tick(
    broker, simulate, configuration, run_daemon, connect, wait_until, lost
):
    server = simulate(broker, beat=0)
    daemon = run_daemon(configuration({broker: server.settings()}))
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    client = connect(daemon.port, "/ws/market")
    symbols = ["NIFTY 50", "NIFTY BANK", "RELIANCE", "INFY", "TCS", "NIFTY26NOVFUT", "NIFTY26NOV24400PE"]
    assert len(client.ask("SUBSCRIBE", *symbols)["symbols"]) == len(symbols)
    wait_until(lambda: client.symbols() == set(symbols))

    def trade():
        for _ in range(STEPS):
            server.step(0.5)

    trading = threading.Thread(target=trade)
    trading.start()
    refreshed = [daemon.post("/api/ticks/admin/refresh-instruments")]
    while trading.is_alive():
        refreshed.append(daemon.post("/api/v1/instruments/sync"))
    trading.join()

    assert {status for status, _ in refreshed} == {200}
    assert all(body["stocks"] > 0 for _, body in refreshed)
    wait_until(lambda: {tick["instrumentToken"]: tick["seq"] for tick in client.ticks()} == sent(server))
    assert not lost(client.ticks())
    assert len({tick["epoch"] for tick in client.ticks()}) == 1
    assert len(client.ticks()) > STEPS * len(symbols) / 2
    assert len(server.connections) == 1
