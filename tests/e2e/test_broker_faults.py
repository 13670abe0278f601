"""A bad day at a broker: clients stay connected, are told, and go on where they were."""

from __future__ import annotations

import datetime as dt
import http.client
import socket

import pytest

from mdactors.config.clock import write_clock
from mdactors.runtime import SetClock
from mdactors_kite.adapter import KiteAdapter
from mdactors_upstox.adapter import UpstoxAdapter
from mdactors_upstox.wire import part, real, text, whole

SYMBOLS = ["NIFTY 50", "RELIANCE", "INFY", "TCS", "SBIN", "NIFTY26NOVFUT"]
BAD_FRAMES = {
    # RELIANCE at 4321 rupees in mode ltp, and five bytes that mean nothing.
    "kite": bytes.fromhex("0002 0008 000b4501 000697e4 0005 ababababab"),
    "upstox": whole(1, 1)
    + part(2, text(1, "A") + part(2, b"\xff\xff\xff"))
    + part(2, text(1, "NSE_EQ|INE002A01018") + part(2, part(1, real(1, 4321.0)))),
}


@pytest.fixture(params=["kite", "upstox"])
def broker(request):
    return request.param


@pytest.fixture
def start(configuration, run_daemon, connect, wait_until):
    """``start({broker: settings}, stale_seconds)``: a daemon and a client that hears every symbol."""

    def begin(brokers, stale_seconds=10.0):
        brokers = {name: {**settings, "connections": 1} for name, settings in brokers.items()}
        raw = configuration(
            brokers, subscriptions={"symbols": SYMBOLS}, feed={"stale_seconds": stale_seconds}
        )
        daemon = run_daemon(raw)
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        client = connect(daemon.port, "/ws/market?events=1")
        answer = client.ask("SUBSCRIBE", *SYMBOLS)
        assert len(answer["symbols"]) == len(SYMBOLS)
        wait_until(lambda: moves(client, 0))
        return daemon, client

    return begin


def moves(client, start):
    """Whether every symbol has ticked since, snapshots apart."""
    live = {tick["symbol"] for tick in client.ticks(start=start) if "snapshot" not in tick}
    return len(live) == len(SYMBOLS)


def epochs(client):
    return {tick["epoch"] for tick in client.ticks()}


def words(client):
    return [event["status"] for event in client.events("status")]


def test_dropped_connections_cost_the_clients_a_gap_and_no_more(broker, simulate, start, wait_until, lost):
    server = simulate(broker)
    daemon, client = start({broker: server.settings()}, stale_seconds=0.6)
    server.faults.refuse(503, 1)
    assert server.faults.drop() == 1
    before = len(client.heard)
    wait_until(lambda: client.events("gap"), 8)
    (gap,) = client.events("gap")
    assert gap["source"] == broker
    assert gap["from"] < gap["to"]
    wait_until(lambda: "stale" in words(client) and words(client)[-1] == "live", 8)
    wait_until(lambda: moves(client, before))
    assert client.is_open
    assert len(epochs(client)) == 1
    assert not lost(client.ticks())
    connection = daemon.get("/api/status")[1]["brokers"][broker]["connections"]["connection-1"]
    assert connection["state"] == "live"
    assert connection["connects"] == 2


@pytest.mark.parametrize(("heartbeats", "word"), [(True, "quiet"), (False, "stale")])
def test_a_silent_feed_is_called_quiet_or_without_heartbeats_stale_then_live(
    broker, heartbeats, word, simulate, start, wait_until, lost, monkeypatch
):
    monkeypatch.setattr("mdactors_upstox.simulator.IDLE_SECONDS", 1.0)  # as often as Kite's heartbeats
    server = simulate(broker)
    daemon, client = start({broker: server.settings()}, stale_seconds=2.0)
    server.faults.silence(30, heartbeats=heartbeats)
    wait_until(lambda: words(client)[-1:] == [word], 8)
    assert daemon.get("/api/status")[1]["brokers"][broker]["status"] == word
    feed = daemon.get("/api/v1/market/market-feed/status")[1]["data"]["brokers"][broker]
    assert (feed["state"], feed["status"]) == ("live", word)
    assert daemon.get("/health")[1]["details"][broker] == ("connected" if word == "quiet" else "stale")
    server.faults.silence(0)
    wait_until(lambda: words(client)[-1:] == ["live"], 8)
    assert not client.events("gap")
    assert not lost(client.ticks())


def test_a_feed_that_says_nothing_is_stale_although_it_lets_us_in_again_and_again(
    broker, simulate, start, wait_until, monkeypatch
):
    adapter = {"kite": KiteAdapter, "upstox": UpstoxAdapter}[broker]
    monkeypatch.setattr(adapter, "silence_seconds", 1.5)
    monkeypatch.setattr("mdactors.actors.broker_connection.STEADY_SECONDS", 0.5)  # less than silence, as ever
    server = simulate(broker)
    daemon, client = start({broker: server.settings()}, stale_seconds=2.0)
    server.faults.silence(60, heartbeats=False)

    def feed():
        return daemon.get("/api/status")[1]["brokers"][broker]

    def connects():
        return feed()["connections"]["connection-1"]["connects"]

    wait_until(lambda: words(client)[-1:] == ["stale"], 12)
    before, lived = len(words(client)), connects()
    wait_until(lambda: connects() >= lived + 2, 12)
    assert {*words(client)[before:], feed()["status"]} == {"stale"}
    server.faults.silence(0)
    wait_until(lambda: words(client)[-1:] == ["live"], 8)


@pytest.mark.parametrize(("time", "word"), [("09:05:00", "closed"), ("09:16:00", "stale")])
def test_options_of_which_nothing_comes_are_not_stale_before_they_could_trade(
    time, word, simulate, configuration, run_daemon, connect, wait_until
):
    moment = dt.datetime.fromisoformat(f"2026-11-30T{time}+05:30")
    clock = SetClock.starting(int(moment.timestamp()) * 1_000_000_000)
    server = simulate("kite", clock=clock, beat=0.05, always_open=False)
    sections = {"calendar": {"always_open": False}, "feed": {"stale_seconds": 1.5}}
    daemon = run_daemon(configuration({"kite": server.settings()}, **sections), clock=clock)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    (option,) = daemon.get("/api/instruments?type=OPTION&limit=1")[1]
    client = connect(daemon.port, "/ws/market?events=1")
    assert client.ask("SUBSCRIBE", option["symbol"])["rejected"] == []
    server.faults.silence(60, heartbeats=False)

    def feed():
        return daemon.get("/api/status")[1]["brokers"]["kite"]

    reasons = ("no heartbeats", "no subscribed segment is open")
    wait_until(lambda: feed()["status"] == word and any(each in feed()["detail"] for each in reasons))
    wait_until(lambda: words(client)[-1] == word)


PAGE = b"<html><body>Request blocked</body></html>"


def test_a_gateway_that_refuses_everything_once_costs_a_pause_and_no_login(
    broker, simulate, configuration, run_daemon, connect, wait_until
):
    server = simulate(broker)
    asks_rest_for_a_socket = broker == "upstox"
    server.faults.refuse(403, 1, PAGE)
    server.faults.refuse(403, 2 if asks_rest_for_a_socket else 1, PAGE, "rest")
    daemon = run_daemon(configuration({broker: server.settings()}))
    client = connect(daemon.port, "/ws/market?events=1")

    def connection():
        return daemon.get("/api/status")[1]["brokers"][broker]["connections"]["connection-1"]

    wait_until(lambda: "Request blocked" in connection()["said"].get("text", ""))
    assert connection()["state"] != "needs_login"
    wait_until(lambda: connection()["state"] == "live", 20)
    wait_until(lambda: daemon.get("/ready")[0] == 200, 20)
    assert "Request blocked" in connection()["said"]["text"], "it can still be read"
    assert "needs_login" not in words(client)
    assert {alarm["id"] for alarm in client.events("alarm")} <= {"instruments", f"feed-{broker}"}


def test_a_login_that_is_needed_is_told_everywhere_until_one_works(
    broker, simulate, configuration, run_daemon, connect, wait_until, tmp_path
):
    server = simulate(broker)
    token = tmp_path / "token"
    token.write_text("yesterdays")
    app = {"api_key": "simulated", "redirect_uri": "https://me.example"} if broker == "upstox" else {}
    settings = {**server.settings(), **app, "access_token": "", "access_token_file": str(token)}
    daemon = run_daemon(configuration({broker: settings}, subscriptions={"symbols": SYMBOLS}))
    client = connect(daemon.port, "/ws/market?events=1")
    wait_until(lambda: words(client)[-1:] == ["needs_login"])
    wait_until(lambda: any(alarm["id"] == f"login-{broker}" for alarm in client.events("alarm")))

    newcomer = connect(daemon.port, "/ws/market?events=1")
    wait_until(lambda: newcomer.events("welcome"))
    (source,) = newcomer.events("welcome")[0]["sources"]
    assert source["status"] == "needs_login"
    status = daemon.get("/api/status")[1]
    assert status["brokers"][broker]["status"] == "needs_login"
    (alarm,) = [each for each in status["alarms"] if each["id"] == f"login-{broker}"]
    assert "simulated" in alarm["text"].partition("the login page is ")[2]
    feed = daemon.get("/api/v1/market/market-feed/status")[1]["data"]["brokers"][broker]
    assert (feed["state"], feed["status"]) == ("needs_login", "needs_login")
    assert "yesterdays" not in str(status) + str(client.messages())

    token.write_text("simulated")
    wait_until(lambda: words(client)[-1:] == ["live"])
    wait_until(lambda: client.events("alarm")[-1] == {**client.events("alarm")[-1], "active": False})
    assert not daemon.get("/api/status")[1]["alarms"]


@pytest.mark.parametrize(
    ("broker", "text"),
    [
        ("kite", '{"type":"error","data":"Cannot subscribe to more than 3000 instruments"}'),
        ("upstox", '{"status":"failed","method":"sub","error":"Cannot subscribe to more"}'),
    ],
)
def test_what_a_broker_says_to_a_person_is_in_the_status(broker, text, simulate, start, wait_until):
    server = simulate(broker)
    daemon, _ = start({broker: server.settings()})
    http_post(server.port, "/simulator/say", text)
    wait_until(lambda: "said" in daemon.get("/api/status")[1]["brokers"][broker])
    said = daemon.get("/api/status")[1]["brokers"][broker]["said"]
    assert "Cannot subscribe to more" in said["text"]
    assert said["connection"] == f"{broker}/connection-1"
    assert said["time"].endswith("+05:30")


def test_a_connection_that_hangs_is_opened_anew(simulate, start, wait_until, lost, monkeypatch):
    monkeypatch.setattr("mdactors_kite.adapter.KiteAdapter.silence_seconds", 1.0)
    server = simulate("kite")
    _, client = start({"kite": server.settings()})
    assert server.faults.stall(30) == 1
    before = len(client.heard)
    wait_until(lambda: client.events("gap"), 8)
    wait_until(lambda: moves(client, before))
    assert len(server.connections) == 1
    assert len(epochs(client)) == 1
    assert not lost(client.ticks())


def test_a_bad_frame_costs_nothing_but_a_line(broker, simulate, start, wait_until, lost):
    server = simulate(broker)
    daemon, client = start({broker: server.settings()})

    def bad():
        return daemon.get("/api/status")[1]["counters"][f"{broker}/normalizer"]["bad"]

    assert bad() == 0
    http_post(server.port, "/simulator/raw", BAD_FRAMES[broker].hex())
    wait_until(bad)
    assert bad() == 1
    before = len(client.heard)
    wait_until(lambda: moves(client, before))
    assert 4321.0 in {tick["lastTradedPrice"] for tick in client.ticks("RELIANCE")}
    assert len(epochs(client)) == 1
    assert not lost(client.ticks())
    assert daemon.actors()[f"{broker}/normalizer"]["restarts"] == 0
    assert daemon.get("/api/status")[1]["brokers"][broker]["connections"]["connection-1"]["connects"] == 1


def test_a_killed_broker_that_comes_back_is_found_again(broker, mdactors, clock, start, wait_until, lost):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words_of_start = (
        "simulate",
        "--broker",
        broker,
        "--port",
        port,
        "--clock",
        write_clock(clock.timeline()),
    )
    first = mdactors(*words_of_start)
    wait_until(lambda: "brokers:" in first.out)
    settings = dict(line.strip().split(": ") for line in first.out.splitlines() if line.startswith("    "))
    settings = {name: value.strip('"') for name, value in settings.items()}
    daemon, client = start({broker: settings})
    first.child.kill()
    wait_until(
        lambda: (
            daemon.get("/api/status")[1]["brokers"][broker]["connections"]["connection-1"]["state"]
            == "backoff"
        )
    )
    assert daemon.get("/health")[0] == 503
    mdactors(*words_of_start)
    before = len(client.heard)
    wait_until(lambda: moves(client, before), 15)
    assert client.events("gap")
    assert daemon.get("/health")[0] == 200
    assert len(epochs(client)) == 1
    assert not lost(client.ticks())
    assert client.is_open


def http_post(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()
