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


@pytest.mark.parametrize("broker", ["kite", "upstox"])
@pytest.mark.parametrize(
    ("group", "lasting", "some"),
    [
        ({"sector": "BANKING"}, {"RELIANCE"}, {"HDFCBANK", "SBIN"}),
        ({"underlying": "NIFTY"}, {"RELIANCE"}, {"NIFTY 50", "NIFTY26NOV24400CE", "NIFTY26NOV24400PE"}),
    ],
)
def test_a_group_streams_all_its_members_and_its_end_releases_them_at_the_broker(
    broker, group, lasting, some, simulate, configuration, run_daemon, connect, wait_until
):
    server = simulate(broker, beat=0.05, rate=800.0)
    raw = configuration({broker: server.settings()}, subscriptions={"grace_seconds": 0.3})
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", *lasting)
    answer = client.ask("SUBSCRIBE", **group)
    members = set(answer["symbols"].values())
    assert some <= members
    assert answer["rejected"] == []
    wait_until(lambda: client.symbols() == members | lasting)
    told = {tick["symbol"]: tick["instrumentToken"] for tick in client.ticks()}
    assert set(sent(server)) == set(told.values())

    def silent():
        """Whether the broker sends nothing of the members while it sends the rest."""
        before = sent(server)
        rest = [told[symbol] for symbol in lasting]
        wait_until(lambda: all(sent(server)[token] >= before[token] + 5 for token in rest))
        after = sent(server)
        return all(after[told[symbol]] == before[told[symbol]] for symbol in members)

    assert not silent()
    ended = client.ask("UNSUBSCRIBE", **group)
    assert set(ended["symbols"]) == members
    wait_until(silent)
