"""The daemon as its clients meet it: names, answers, slow neighbours, farewells."""

from __future__ import annotations

import json
import socket
from itertools import pairwise

import pytest
import websocket

from mdactors import demo

SYMBOLS = ["NIFTY 50", "NIFTY BANK", "RELIANCE", "INFY", "TCS", "BSE:RELIANCE"]


@pytest.fixture(params=["kite", "upstox"])
def daemon(request, simulate, configuration, run_daemon, wait_until):
    """A daemon on a quick market."""
    server = simulate(request.param)
    quick = {"port": 0, "heartbeat_seconds": 0.5}
    daemon = run_daemon(configuration({request.param: server.settings()}, server=quick))
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    return daemon


def test_a_selective_client_gets_its_answer_then_ticks(daemon, connect, wait_until, lost):
    client = connect(daemon.port, "/ws/market")
    answer = client.ask("SUBSCRIBE", *SYMBOLS, "RELIANSE", "NIFTY")
    assert answer["event"] == "subscribed"
    assert answer["symbols"] == {name: name for name in SYMBOLS} | {"NIFTY": "NIFTY 50"}
    assert answer["unknown"] == ["RELIANSE"]
    assert answer["rejected"] == []
    wait_until(lambda: client.symbols() == set(answer["symbols"].values()))
    exchanges = {tick["symbol"]: tick["exchange"] for tick in client.ticks()}
    assert (exchanges["RELIANCE"], exchanges["BSE:RELIANCE"]) == ("NSE", "BSE")
    kinds = [message.get("event", "tick") for message in client.messages()]
    assert kinds.index("subscribed") < kinds.index("tick")
    assert not lost(client.ticks())


def test_a_newcomer_gets_a_snapshot_then_live_ticks(daemon, connect, wait_until):
    first, second = connect(daemon.port, "/ws/stocks"), connect(daemon.port, "/ws/stocks")
    first.ask("SUBSCRIBE", "RELIANCE", mode="full")
    wait_until(lambda: len(first.ticks()) > 3)
    second.ask("SUBSCRIBE", "RELIANCE")
    wait_until(lambda: len(second.ticks()) > 3)
    ticks = second.ticks()
    assert ticks[0]["snapshot"] is True
    assert not any("snapshot" in tick for tick in ticks[1:])
    assert "depth" not in ticks[0]
    wait_until(lambda: "depth" in first.ticks()[-1])


@pytest.mark.parametrize(("asked", "left"), [("NIFTY", "NIFTY 50"), ("NIFTY 50", "Nifty 50")])
def test_no_tick_comes_after_unsubscribed_by_whatever_name(daemon, connect, wait_until, asked, left):
    client = connect(daemon.port, "/ws/indices")
    assert client.ask("SUBSCRIBE", asked, "BANKNIFTY")["symbols"] == {
        asked: "NIFTY 50", "BANKNIFTY": "NIFTY BANK",
    }  # fmt: skip
    wait_until(lambda: client.symbols() == {"NIFTY 50", "NIFTY BANK"})
    answer = client.ask("UNSUBSCRIBE", left)
    assert answer["event"] == "unsubscribed"
    assert answer["symbols"] == {left: "NIFTY 50"}
    at = client.messages().index(answer)
    wait_until(lambda: len(client.ticks("NIFTY BANK", at)) >= 4)
    assert not client.ticks("NIFTY 50", at)


def test_a_path_answers_with_websocket_appended_too(daemon, connect, wait_until):
    client = connect(daemon.port, "/ws/indices/all/websocket")
    connect(daemon.port, "/ws/indices/websocket").ask("SUBSCRIBE", "NIFTY")
    wait_until(lambda: "NIFTY 50" in client.symbols())


def test_a_bad_request_changes_nothing_and_names_the_field(daemon, connect, wait_until):
    client = connect(daemon.port, "/ws/stocks")
    client.ask("SUBSCRIBE", "RELIANCE")
    assert client.ask("SUBSCRIBE", "NIFTY", type="INDEX")["field"] == "type"
    assert client.ask("SUBSCRIBE", "INFY", mode="deep")["field"] == "mode"
    assert client.ask("DANCE", "INFY")["field"] == "action"
    wait_until(lambda: len(client.ticks()) > 3)
    assert client.symbols() == {"RELIANCE"}


def test_events_come_where_they_are_asked_for(daemon, connect, wait_until):
    paths = ("/ws/stocks", "/ws/market?events=0", "/ws/market", "/ws/stocks?events=1", "/ws/market?events=1")
    *quiet, chooser, told, page = clients = [connect(daemon.port, path) for path in paths]
    wait_until(lambda: told.events("heartbeat") and page.events("heartbeat"))
    assert not any(client.messages() for client in (*quiet, chooser))
    for client in clients:
        client.ask("SUBSCRIBE", "RELIANCE")
    wait_until(lambda: all(client.events("heartbeat") for client in (chooser, told, page)))
    for client in (chooser, told, page):
        events = [each["event"] for each in client.messages() if "event" in each]
        assert events.count("welcome") == 1
        assert events[0] == "welcome"
        assert client.events("welcome")[0]["protocol"] == 1
    assert {each.get("event") for client in quiet for each in client.messages()} == {"subscribed", None}


def test_a_shutdown_says_to_come_again(daemon, connect, wait_until):
    clients = [connect(daemon.port, path) for path in ("/ws/stocks/all", "/ws/market", "/ws/indices")]
    clients[2].ask("SUBSCRIBE", "NIFTY")
    wait_until(lambda: clients[2].ticks())
    daemon.stop()
    wait_until(lambda: not any(client.is_open for client in clients))
    assert [client.close_code for client in clients] == [4000, 4000, 4000]


# --- slow neighbours ----------------------------------------------------------------------------------

STALLED = 10
READ = 12_000
MEGABYTES_GROWN = 10
"""Less than half of what so many ticks in the full view take; without other clients it is four."""
LONGEST_SILENCE = 2.0
"""Whoever waited for one of the stalled would wait for all of the test."""


@pytest.fixture
def loaded(mdactors, configuration, tmp_path, wait_until):
    """A daemon process that publishes thousands of ticks a second and stores none."""
    with demo.simulator("kite", "--beat", "0.02", "--rate", "2500", "--packets-per-frame", "50") as wire:
        raw = configuration(
            {"kite": wire["settings"]},
            subscriptions={"symbols": wire["symbols"]},
            server={"port": 0, "outbox_seconds": 60.0},
            store={"ticks": False},
            cache={"today_minutes": 1},
        )
        path = tmp_path / "loaded.yaml"
        path.write_text(json.dumps(raw))
        process = mdactors("run", "--config", path)
        wait_until(lambda: process.get("/ready")[0] == 200)
        yield process


@pytest.fixture
def stall():
    """``stall(port, path)``: a client that connects and never reads."""
    clients = []

    def connect(port, path):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port))
        client = websocket.WebSocket()
        clients.append(client)
        client.connect(f"ws://127.0.0.1:{port}{path}", socket=raw, suppress_origin=True)

    yield connect
    for client in clients:
        client.shutdown()


def test_clients_that_never_read_cost_the_others_nothing(loaded, connect, stall, wait_until, lost):
    reader = connect(loaded.port, "/ws/stocks/all")
    wait_until(lambda: len(reader.heard) > READ / 4)
    before, start = loaded.memory_mb(), len(reader.heard)
    for _ in range(STALLED):
        stall(loaded.port, "/ws/stocks/all?mode=full")
    wait_until(lambda: len(reader.heard) > start + READ, 20)
    assert loaded.memory_mb() - before < MEGABYTES_GROWN
    assert len(loaded.get("/api/ticks/subscriptions")[1]) == STALLED + 1
    assert not lost(reader.ticks())
    times = [at for at, _ in reader.heard[start:]]
    assert max(later - earlier for earlier, later in pairwise(times)) < LONGEST_SILENCE
