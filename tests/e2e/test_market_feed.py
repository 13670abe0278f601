"""The brokers' feeds as a page connects, watches and polls them."""

from __future__ import annotations

import pytest

FEED = "/api/v1/market/market-feed"
SYMBOLS = ("NIFTY 50", "RELIANCE", "NIFTY26NOVFUT")


@pytest.fixture(params=["kite", "upstox"])
def server(request, simulate):
    server = simulate(request.param)
    server.broker = request.param
    return server


@pytest.fixture
def daemon(server, configuration, run_daemon, wait_until):
    daemon = run_daemon(configuration({server.broker: server.settings()}))
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    return daemon


def test_an_operator_closes_the_feed_and_opens_it_and_the_clients_stay(
    daemon, server, connect, wait_until, lost
):
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", *SYMBOLS)
    wait_until(lambda: client.symbols() == set(SYMBOLS))

    status, body = daemon.post(f"{FEED}/disconnect")
    assert (status, body["data"]["service_running"], body["data"]["websocket_connected"]) == (
        200,
        False,
        False,
    )
    wait_until(lambda: not server.connections)
    wait_until(lambda: [event["status"] for event in client.events("status")][-1:] == ["closed"])
    assert client.is_open
    assert daemon.get("/health")[1]["details"][server.broker] == "disconnected"
    heard = len(client.messages())
    assert daemon.post(f"{FEED}/disconnect")[0] == 200

    status, body = daemon.post(f"{FEED}/connect")
    assert status == 200
    assert body == daemon.get(f"{FEED}/status")[1]
    assert (body["status"], body["data"]["service_running"], body["data"]["websocket_connected"]) == (
        "success", True, True,
    )  # fmt: skip
    wait_until(lambda: {tick["symbol"] for tick in client.ticks(start=heard)} == set(SYMBOLS))
    wait_until(lambda: client.events("status")[-1]["status"] == "live")
    assert len(server.connections) == 1, "what was spare is spare again"
    assert not lost(client.ticks())


def test_to_connect_what_is_connected_changes_nothing(daemon, server, wait_until):
    wait_until(lambda: server.connections)
    before = server.connections
    for _ in range(3):
        assert daemon.post(f"{FEED}/connect")[0] == 200
    assert server.connections == before


def test_the_status_says_how_much_streams_and_of_how_many(daemon, connect, wait_until):
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", *SYMBOLS)
    wait_until(lambda: daemon.get(f"{FEED}/status")[1]["data"]["cached_prices"] == len(SYMBOLS))
    data = daemon.get(f"{FEED}/status")[1]["data"]
    assert data["subscriptions"] == {"index": 1, "equity": 1, "futures": 1, "options": 0}
    assert data["total_subscribed"] == 3
    counts = daemon.get("/api/status")[1]["counters"]["instrument_master"]
    assert data["listed"] == {
        "index": counts["indices"], "equity": counts["stocks"], "futures": counts["futures"],
        "options": counts["options"],
    }  # fmt: skip
    assert [feed["state"] for feed in data["brokers"].values()] == ["live"]


def test_prices_by_type_say_the_same_as_the_ticks(daemon, server, connect, wait_until):
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", *SYMBOLS, mode="full")
    wait_until(lambda: daemon.get(f"{FEED}/all/prices")[1]["count"] == len(SYMBOLS))
    server.faults.silence(60)
    newest = {}

    def settled():
        for tick in client.ticks():
            newest[tick["instrumentKey"]] = tick
        prices = daemon.get(f"{FEED}/all/prices")[1]["data"]
        return {key: price["updated_at"] + "+05:30" for key, price in prices.items()} == {
            key: tick["receivedAt"] for key, tick in newest.items()
        }

    wait_until(settled)
    types = {"indices": "INDEX", "equity/prices": "STOCK", "futures/prices": "FUTURE"}
    for path, kind in types.items():
        ((key, price),) = daemon.get(f"{FEED}/{path}")[1]["data"].items()
        tick = newest[key]
        assert (tick["type"], price["ltp"]) == (kind, tick["lastTradedPrice"])
        assert (price["cp"], price["change"]) == (tick["ohlc"]["close"], tick["changePercent"])
        if kind != "INDEX":
            assert price["ltq"] == str(tick["lastQuantity"])
            assert price["ltt"].isdigit()


@pytest.mark.parametrize(
    ("broker", "app", "login"),
    [
        ("kite", {"api_key": "k"}, "https://kite.zerodha.com/connect/login?v=3&api_key=k"),
        ("upstox", {"api_key": "k", "redirect_uri": "https://me.example"},
         "/v2/login/authorization/dialog?response_type=code&client_id=k&redirect_uri=https%3A%2F%2Fme.example"),
    ],
)  # fmt: skip
def test_without_a_valid_token_connect_is_409_with_the_login_address(
    broker, app, login, simulate, configuration, run_daemon
):
    server = simulate(broker, beat=0.05)
    settings = {**server.settings(), **app, "access_token": "yesterdays"}
    daemon = run_daemon(configuration({broker: settings}))
    status, body = daemon.post(f"{FEED}/connect")
    assert (status, body["status"], body["error"]["code"]) == (409, "error", "login_required")
    if broker == "upstox":
        login = settings["rest_url"] + login
    assert body["error"]["login"] == login
    assert body["message"].startswith(f"{broker} wants a login: ")
    assert "yesterdays" not in str(body)
