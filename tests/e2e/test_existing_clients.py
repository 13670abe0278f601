"""Pages and programs that were written for systems of this kind find what they look for, word for word."""

from __future__ import annotations

import datetime as dt
import http.client
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import redis as redis_client
from bench._servers import Redis, redis

FEED = "/api/v1/market/market-feed"
TOKEN = {"Authorization": "Bearer s3cret"}
JSON = {"Content-Type": "application/json"}
SNAPSHOT = {
    "instrumentKey": str,
    "ltp": float,
    "open": float,
    "high": float,
    "low": float,
    "volume": int,
    "timestamp": int,
}
"""The class that a page reads a flat tick into."""
TICK = {
    "symbol": str,
    "instrumentToken": int,
    "type": str,
    "timestamp": str,
    "lastTradedPrice": float,
    "volume": int,
    "ohlc": dict,
}
"""The class that a dashboard reads a tick into."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(params=["kite", "upstox"])
def daemon(request, simulate, configuration, run_daemon, cache, wait_until):
    """A daemon whose admin part wants a token, beside a Redis that others read."""
    with redis_client.Redis(port=cache.port) as admin:
        admin.flushall()
    server = simulate(request.param)
    raw = configuration(
        {request.param: server.settings()},
        admin={"token": "s3cret"},
        store={"batch_age": "200ms"},
        cache={"kind": "redis", "redis": {"port": cache.port}},
        subscriptions={"symbols": ["NIFTY 50", "RELIANCE"]},
    )
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    wait_until(lambda: daemon.get(f"{FEED}/status")[1]["data"]["websocket_connected"])
    return daemon


def fetch(daemon, path, method="GET", headers=None, body=None):
    """What a page's ``fetch`` sends, nothing escaped; status and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def fits(message, kind):
    return all(isinstance(message.get(name), of) for name, of in kind.items())


def test_a_page_that_only_listens_is_filled_by_what_it_subscribes_over_rest(
    daemon, connect, wait_until, cache
):
    page = connect(daemon.port, "/ws/market")
    body = json.dumps({"sector": "BANKING"})
    status, answer = fetch(daemon, "/api/market/subscribe", "POST", JSON, body)
    banks = set(answer["subscribed"])
    assert (status, len(banks) > 3) == (200, True)
    fetch(daemon, "/api/market/subscribe", "POST", JSON, json.dumps({"instrumentKey": "NSE_EQ|RELIANCE"}))
    wait_until(lambda: page.symbols() == banks | {"RELIANCE"})
    assert all(fits(message, SNAPSHOT) for message in page.messages())
    assert {each["instrumentKey"] for each in page.messages()} == {
        f"NSE_EQ|{name}" for name in page.symbols()
    }

    status, snapshot = fetch(daemon, "/api/market/snapshot?instrument=NSE_EQ|RELIANCE")
    assert (status, fits(snapshot, SNAPSHOT)) == (200, True)
    with redis_client.Redis(port=cache.port) as reader:
        wait_until(
            lambda: reader.get("LIVE:TICK:NSE_EQ|RELIANCE") and reader.get("LIVE:DEPTH:NSE_EQ|RELIANCE")
        )
        kept = json.loads(reader.get("LIVE:TICK:NSE_EQ|RELIANCE"))
    assert kept.keys() == snapshot.keys()
    assert kept["instrumentKey"] == snapshot["instrumentKey"] == "NSE_EQ|RELIANCE"


def test_a_page_that_connects_the_feed_and_polls_it_needs_no_token_while_it_is_connected(
    daemon, wait_until, request
):
    assert fetch(daemon, f"{FEED}/connect", "POST") == fetch(daemon, f"{FEED}/status")
    status, body = fetch(daemon, f"{FEED}/connect", "POST", TOKEN)
    assert (status, body["data"]["websocket_connected"]) == (200, True)
    future = fetch(daemon, "/api/instruments?type=FUTURE&limit=1")[1][0]["symbol"]
    fetch(daemon, "/api/market/subscribe", "POST", JSON, json.dumps({"symbols": [future]}))
    kinds = {"indices": "index", "equity/prices": "equity", "futures/prices": "futures", "all/prices": "all"}
    for path, kind in kinds.items():
        wait_until(lambda path=path: fetch(daemon, f"{FEED}/{path}")[1]["count"] > 0)
        prices = fetch(daemon, f"{FEED}/{path}")[1]
        assert (prices["status"], prices["type"], prices["count"]) == ("success", kind, len(prices["data"]))
        for price in prices["data"].values():
            assert fits(price, {"ltp": float, "cp": float, "change": float, "updated_at": str})
            assert dt.datetime.fromisoformat(price["updated_at"]).tzinfo is None
    price = next(iter(fetch(daemon, f"{FEED}/equity/prices")[1]["data"].values()))
    assert fits(price, {"ltt": str, "ltq": str})

    health = fetch(daemon, "/health")[1]
    broker = request.node.callspec.params["daemon"]
    assert (health["status"], health["details"][broker]) == ("UP", "connected")
    assert isinstance(health["details"]["bufferSize"], int)


def test_whoever_may_only_read_connects_nothing(daemon):
    assert fetch(daemon, f"{FEED}/disconnect", "POST")[0] == 401
    assert fetch(daemon, f"{FEED}/disconnect", "POST", TOKEN)[0] == 200
    status, body = fetch(daemon, f"{FEED}/connect", "POST")
    assert (status, body["error"]["code"]) == (401, "admin_token")
    assert fetch(daemon, f"{FEED}/status")[1]["data"]["service_running"] is False
    assert fetch(daemon, f"{FEED}/connect", "POST", TOKEN)[1]["data"]["websocket_connected"] is True
    assert fetch(daemon, f"{FEED}/connect", "POST")[0] == 200


def test_a_dashboard_streams_what_it_names_and_what_it_is_given(daemon, connect, wait_until):
    chosen = connect(daemon.port, "/ws/indices")
    assert chosen.ask("SUBSCRIBE", "NIFTY 50", "BANKNIFTY", type="INDEX")["event"] == "subscribed"
    shares = connect(daemon.port, "/ws/stocks/websocket")
    shares.ask("SUBSCRIBE", "RELIANCE", "INFY", type="STOCK")
    everything = {path: connect(daemon.port, path) for path in ("/ws/indices/all", "/ws/stocks/nse/all")}
    wait_until(lambda: chosen.symbols() == {"NIFTY 50", "NIFTY BANK"})
    wait_until(lambda: shares.symbols() == {"RELIANCE", "INFY"})
    wait_until(lambda: everything["/ws/indices/all"].symbols() >= {"NIFTY 50", "NIFTY BANK"})
    wait_until(lambda: everything["/ws/stocks/nse/all"].symbols() >= {"RELIANCE", "INFY"})
    for client in (chosen, shares, *everything.values()):
        ticks = client.ticks()
        assert all(fits(tick, TICK) for tick in ticks)
        assert all(set(tick["ohlc"]) == {"open", "high", "low", "close"} for tick in ticks)
        assert {tick["type"] for tick in ticks} < {"INDEX", "STOCK"}
    assert {message.get("event") for message in shares.messages()} == {"subscribed", None}
    assert not any("event" in message for client in everything.values() for message in client.messages())

    shares.ask("UNSUBSCRIBE", "INFY", type="STOCK")
    sessions = fetch(daemon, "/api/ticks/subscriptions")[1]
    assert all(name == session["sessionId"] for name, session in sessions.items())
    named = {session["endpoint"]: set(session["subscribedSymbols"]) for session in sessions.values()}
    assert named["/ws/indices"] == {"NIFTY 50", "NIFTY BANK"}
    assert named["/ws/stocks"] == {"RELIANCE"}

    marked = connect(daemon.port, "/ws/stocks")
    marked._socket.send(json.dumps({"action": "SUBSCRIBE", "symbols": ["INFY"]}).encode("utf-8-sig"))
    wait_until(lambda: marked.symbols() == {"INFY"})


def test_a_dashboard_reads_the_day_and_the_past_over_rest_and_in_redis(daemon, connect, wait_until, cache):
    client = connect(daemon.port, "/ws/indices/all")
    wait_until(lambda: client.ticks("NIFTY 50"))
    first = client.ticks("NIFTY 50")[0]
    path = f"/api/ticks/today/{quote('NIFTY 50')}?lastMinutes=5"
    wait_until(lambda: fetch(daemon, path)[1])
    assert all(fits(tick, TICK) for tick in fetch(daemon, path)[1])
    at = dt.datetime.fromisoformat(first["timestamp"]).astimezone(dt.UTC)
    begin, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (at - dt.timedelta(1), at + dt.timedelta(1)))
    past = f"/api/ticks/historical?symbol={quote('NIFTY 50')}&startTime={begin}&endTime={end}"
    wait_until(lambda: fetch(daemon, past)[1])
    assert all(fits(tick, TICK) for tick in fetch(daemon, past)[1])
    assert fetch(daemon, f"{past.partition('&')[0]}&startTime={end}&endTime={begin}")[0] == 400
    status, body = fetch(daemon, "/api/v1/instruments/sync", "POST", TOKEN)
    assert (status, body["message"]) == (200, "Instrument cache refreshed successfully")
    with redis_client.Redis(port=cache.port) as reader:
        key = f"ticks:{first['timestamp'][:10]}:NIFTY 50"
        wait_until(lambda: reader.exists(key))
        assert all(fits(json.loads(each), TICK) for each in reader.lrange(key, 0, -1))
        for key in ("instruments:nse:indices", "instruments:nse:stocks"):
            wait_until(lambda key=key: reader.exists(key))
            listed = [json.loads(each) for each in reader.lrange(key, 0, -1)]
            fields = ("instrumentToken", "exchangeToken", "tradingSymbol", "type")
            assert {tuple(each) for each in listed} == {fields}
