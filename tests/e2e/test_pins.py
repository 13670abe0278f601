"""What is pinned reaches pages that only open a socket, and outlives the daemon."""

from __future__ import annotations

import pytest

SUBSCRIBE, UNSUBSCRIBE = "/api/market/subscribe", "/api/market/unsubscribe"
FLAT = {"instrumentKey", "key", "ltp", "open", "high", "low", "volume", "timestamp"}


@pytest.fixture
def server(simulate):
    return simulate("kite")


@pytest.fixture
def start(server, configuration, run_daemon, wait_until):
    """``start()``: a daemon; each on the same folder."""
    raw = configuration({"kite": server.settings()}, subscriptions={"grace_seconds": 0.1})

    def start():
        daemon = run_daemon(raw)
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        return daemon

    return start


def test_a_socket_that_only_opens_gets_what_is_pinned_until_it_asks_for_something(start, connect, wait_until):
    daemon = start()
    client = connect(daemon.port, "/ws/market")
    assert daemon.post(SUBSCRIBE, symbols=["RELIANCE", "INFY"], instrumentKey="NSE_INDEX|Nifty 50") == (
        200,
        {
            "subscribed": {"RELIANCE": "RELIANCE", "INFY": "INFY", "NSE_INDEX|Nifty 50": "NIFTY 50"},
            "unknown": [],
            "notStreamed": [],
        },
    )
    wait_until(lambda: client.symbols() == {"RELIANCE", "INFY", "NIFTY 50"})
    late = connect(daemon.port, "/ws/market")
    wait_until(lambda: late.symbols() == {"RELIANCE", "INFY", "NIFTY 50"})
    for tick in late.ticks():
        assert set(tick) >= FLAT
        assert isinstance(tick["timestamp"], int)
    assert not [each for each in (*client.messages(), *late.messages()) if "event" in each]

    answer = client.ask("SUBSCRIBE", "TCS")
    at = client.messages().index(answer)
    wait_until(lambda: len(client.ticks("TCS", at)) > 5)
    assert {tick["symbol"] for tick in client.ticks(start=at)} == {"TCS"}
    assert all("lastTradedPrice" in tick for tick in client.ticks(start=at))


def test_what_is_pinned_no_longer_comes_no_more_and_is_unsubscribed(start, server, connect, wait_until):
    daemon = start()
    client = connect(daemon.port, "/ws/market")
    daemon.post(SUBSCRIBE, symbols=["RELIANCE", "INFY"])
    wait_until(lambda: client.symbols() == {"RELIANCE", "INFY"})
    assert daemon.post(UNSUBSCRIBE, symbols=["INFY"])[1]["unsubscribed"] == {"INFY": "INFY"}
    wait_until(lambda: daemon.get("/api/status")[1]["counters"]["kite/connection-1"]["subscribed"] == 1)
    at = len(client.messages())
    wait_until(lambda: len(client.ticks("RELIANCE", at)) > 10)
    assert not client.ticks("INFY", at)


def test_a_restart_of_the_daemon_keeps_what_is_pinned(start, connect, wait_until):
    first = start()
    first.post(SUBSCRIBE, symbols=["RELIANCE"])
    first.stop()
    second = start()
    client = connect(second.port, "/ws/market")
    wait_until(lambda: client.symbols() == {"RELIANCE"})


def test_who_subscribes_at_once_never_sees_what_is_pinned(start, connect, wait_until):
    daemon = start()
    daemon.post(SUBSCRIBE, symbols=["RELIANCE", "INFY"])
    page = connect(daemon.port, "/ws/market")
    wait_until(lambda: page.symbols() == {"RELIANCE", "INFY"})
    choosers = []
    for query in ("", "?pins=0", "?events=1"):
        choosers.append(connect(daemon.port, f"/ws/market{query}"))
        choosers[-1].ask("SUBSCRIBE", "TCS")
    seen = len(page.ticks())
    wait_until(lambda: len(page.ticks()) > seen + 20)
    for client in choosers:
        wait_until(lambda client=client: len(client.ticks()) > 5)
        assert client.symbols() == {"TCS"}
        assert all("lastTradedPrice" in tick for tick in client.ticks())


def test_who_wants_what_is_pinned_always_gets_it_at_once_and_beside_what_it_chooses(
    start, connect, wait_until
):
    daemon = start()
    daemon.post(SUBSCRIBE, symbols=["RELIANCE", "INFY"])
    client = connect(daemon.port, "/ws/market?pins=1")
    client.ask("SUBSCRIBE", "TCS", "INFY")
    at = len(client.messages())
    wait_until(lambda: {tick["symbol"] for tick in client.ticks(start=at)} == {"RELIANCE", "INFY", "TCS"})
    shapes = {tick["symbol"]: "ltp" in tick for tick in client.ticks(start=at)}
    assert shapes == {"RELIANCE": True, "INFY": False, "TCS": False}
