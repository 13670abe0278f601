"""The whole daemon against its two documents: REST under bad input, and all that is said on websockets."""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract import contract

FEED = "/api/v1/market/market-feed"
SYMBOLS = ("NIFTY 50", "RELIANCE", "HDFCBANK", "NIFTY26NOVFUT")
CHANNELS = ("candles:1s", "movers:active", "sector:BANKING", "status", "auction")
TOKEN = {"Authorization": "Bearer s3cret"}
# Rules between parameters are no part of a schema: who breaks them keeps to the schema and gets a 400.
CHECKS = ("--checks", "all", "--exclude-checks", "positive_data_acceptance")
BOUNDED = ("--max-examples", "25", "--seed", "1", "--generation-deterministic")


def asked(port, operation, path):
    """Ask, and hold the answer against the document; its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(contract().operations[operation][1].upper(), path, headers=TOKEN)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    contract().check_answer(operation, answer.status, answer.getheader("Content-Type"), body)
    return answer.status


@pytest.fixture(params=["kite", "upstox"])
def start(request, simulate, configuration, run_daemon, wait_until):
    """``start(**store)``: a simulated broker and a daemon that streams some of it."""

    def begin(**store):
        server = simulate(request.param, beat=0.05, rate=800.0)
        raw = configuration(
            {request.param: {**server.settings(), "connections": 1}},
            server={"port": 0, "heartbeat_seconds": 1.0},
            admin={"token": "s3cret"},
            feed={"stale_seconds": 1.0},
            store={"bars": ["1s", "1m"], **store},
            subscriptions={"symbols": SYMBOLS},
        )
        daemon = run_daemon(raw)
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        wait_until(lambda: daemon.get(f"{FEED}/status")[1]["data"]["websocket_connected"])
        return server, daemon

    return begin


def test_what_only_the_whole_daemon_can_answer_is_as_documented(start, wait_until):
    server, daemon = start()
    port = daemon.port
    assert asked(port, "status", "/api/status") == 200
    assert asked(port, "feedStatus", f"{FEED}/status") == 200
    assert asked(port, "feedPrices", f"{FEED}/all/prices") == 200
    assert asked(port, "feedDisconnect", f"{FEED}/disconnect") == 200
    wait_until(lambda: asked(port, "health", "/health") == 503)
    server.faults.expire()
    wait_until(lambda: not server.connections)
    wait_until(lambda: asked(port, "feedConnect", f"{FEED}/connect") == 409)
    assert asked(port, "feedStatus", f"{FEED}/status") == 200
    assert asked(port, "status", "/api/status") == 200


def test_a_feed_that_is_connected_is_connected_as_documented(start):
    _, daemon = start()
    assert asked(daemon.port, "feedConnect", f"{FEED}/connect") == 200


def test_every_message_of_a_day_is_as_documented(start, connect, wait_until):
    server, daemon = start(lag_limit=10)  # soon an alarm
    addresses = {
        "/ws/market": "", "/ws/stocks": "?events=1", "/ws/indices": "?shape=flat",
        "/ws/indices/all": "?mode=ltp&events=1", "/ws/stocks/nse/all": "?mode=depth30",
        "/ws/futures/all": "?shape=flat", "/ws/options": "",
    }  # fmt: skip
    clients = {address: connect(daemon.port, address + query) for address, query in addresses.items()}
    page = clients["/ws/market"]
    for mode in ("ltp", "quote", "full", "depth30"):
        page.ask("SUBSCRIBE", *SYMBOLS, "RELIANSE", mode=mode)
    expiry = chain_expiry(page.ask("SUBSCRIBE", channels=["chain:NIFTY:1999-01-01"]))
    page.ask("SUBSCRIBE", channels=[*CHANNELS, f"chain:NIFTY:{expiry}"])
    clients["/ws/stocks"].ask("SUBSCRIBE", "RELIANCE", "BSE:RELIANCE")
    clients["/ws/stocks"].ask("UNSUBSCRIBE", "RELIANCE")
    clients["/ws/indices"].ask("SUBSCRIBE", "NIFTY")
    clients["/ws/options"].ask("SUBSCRIBE", type="INDEX")
    clients["/ws/indices/all"].ask("SUBSCRIBE", "NIFTY")
    wait_until(lambda: {"candle", "movers", "sector", "chain", "auction", "market_status"} <= events(page))
    server.faults.drop()
    wait_until(lambda: {"gap", "status"} <= events(page))
    wait_until(lambda: {"alarm", "heartbeat"} <= events(page))
    heard = {address: named(address, client) for address, client in clients.items()}
    # A list of instruments that changes what was subscribed does not come on that day.
    told = set(contract().asyncapi["components"]["messages"]) - {"Request", "Subscription"}
    assert set().union(*heard.values()) == told
    assert heard["/ws/indices"] == {"FlatTick", "Subscribed"}
    assert heard["/ws/stocks/nse/all"] == {"Tick"}


def named(address, client):
    """Which of the documented messages a client heard; of ticks, the first few hundred are looked at."""
    ticks = client.ticks()[:300]
    others = [message for message in client.messages() if "event" in message]
    return {contract().name_of(address, message) for message in [*ticks, *others[:500]]}


def events(client):
    return {message["event"] for message in client.messages() if "event" in message}


def chain_expiry(refused):
    """The nearest expiry that the refusal of another names."""
    assert refused["event"] == "error"
    return refused["message"].rpartition(" are ")[2].partition(",")[0]


@pytest.mark.parametrize("start", ["kite"], indirect=True)
def test_schemathesis_finds_no_500_and_no_answer_that_is_not_documented(start, tmp_path):
    _, daemon = start()
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", f"http://127.0.0.1:{daemon.port}/openapi.json",
        "--header", f"Authorization: {TOKEN['Authorization']}", "--phases", "examples,coverage,fuzzing",
        "--exclude-operation-id", "feedDisconnect", "--no-color", *CHECKS, *BOUNDED,
    ]  # fmt: skip
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout
    assert daemon.get("/health")[1]["status"] == "UP"
