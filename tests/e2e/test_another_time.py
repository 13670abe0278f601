"""Daemons whose clock was set: their processes, their market and all that they say live in that time."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from bench import _servers as servers
from redis import Redis

from mdactors.config.clock import read_clock
from mdactors.market import ist
from mdactors.market.moment import read_moment
from mdactors.runtime import SetClock

BROKERS = ["kite", "upstox"]
EXPIRY = "2029-05-29"
"""A Tuesday, the last of its month."""
MORROW = "2029-05-30"
NS_PER_MS = 1_000_000


def dates(said: object) -> set[str]:
    """Every date in an answer, be it a text's or that of epoch milliseconds."""
    text = json.dumps(said)
    written = set(re.findall(r"\b\d{4}-\d\d-\d\d(?=T)", text))
    return written | {ist.date(int(ms) * NS_PER_MS).isoformat() for ms in re.findall(r"\b\d{13}\b", text)}


@pytest.fixture
def kept(tmp_path_factory):
    """A PostgreSQL and a Redis of the test's own."""
    # Not below pytest's own folder: each pytest that starts closes that to the user it runs as.
    with (
        TemporaryDirectory(prefix="mdactors-") as folder,
        servers.postgres(Path(folder)) as postgres,
        servers.redis(tmp_path_factory.mktemp("redis")) as redis,
    ):
        yield postgres, redis


@pytest.fixture
def daemon_at(simulate, configuration, run_daemon, wait_until):
    """``daemon_at(broker, clock, **sections)``: a daemon and its market in the clock's time."""

    def start(broker, clock, **sections):
        simulator = simulate(broker, clock=clock)
        daemon = run_daemon(configuration({broker: simulator.settings()}, **sections), clock=clock)
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        return daemon

    return start


@pytest.mark.parametrize("broker", BROKERS)
def test_all_that_a_daemon_says_and_keeps_is_of_its_clocks_day(broker, daemon_at, kept, connect, wait_until):
    postgres, redis = kept
    daemon = daemon_at(
        broker,
        SetClock.starting(read_moment(f"{EXPIRY}T11:00")),
        store={"kind": "postgres", "url": postgres.dsn, "batch_age": "100ms"},
        cache={"kind": "redis", "redis": {"port": redis.port}},
    )
    client = connect(daemon.port, "/ws/market?events=1")
    assert client.ask("SUBSCRIBE", "NIFTY29MAYFUT", "RELIANCE", mode="full").get("unknown", []) == []
    wait_until(lambda: {"NIFTY29MAYFUT", "RELIANCE"} <= client.symbols())
    history = f"/api/ticks/historical?symbol=RELIANCE&startTime={EXPIRY}"
    for path in (history, "/api/ticks/today/RELIANCE", "/api/ticks/today/RELIANCE?lastMinutes=1"):
        wait_until(lambda path=path: daemon.get(path)[1])
        assert dates(daemon.get(path)[1]) == {EXPIRY}
    assert dates(client.messages()) == {EXPIRY}
    for path in ("/api/status", "/api/ticks/subscriptions", "/api/market/snapshot?instrument=RELIANCE"):
        assert dates(daemon.get(path)[1]) == {EXPIRY}, path
    assert dates(daemon.get("/api/market/status")[1]) == {EXPIRY, MORROW}, (
        "a session's end is the next day's begin"
    )
    assert daemon.get("/api/market/holidays")[1]["year"] == 2029
    assert daemon.get("/api/optionchain/NIFTY")[1]["expiries"][0] == EXPIRY, "it is traded for the last time"
    with psycopg.connect(postgres.dsn) as connection:
        tables = connection.execute("SELECT DISTINCT tableoid::regclass::text FROM ticks").fetchall()
    assert tables == [("ticks_20290529",)]
    with Redis(port=redis.port, decode_responses=True) as cached:
        assert {key.split(":")[1] for key in cached.keys("ticks:*")} == {EXPIRY}


@pytest.mark.parametrize("broker", BROKERS)
def test_in_compressed_time_a_minutes_bar_is_whole_and_there_a_second_later(
    broker, daemon_at, connect, wait_until
):
    clock = SetClock.starting(read_moment(f"{EXPIRY}T10:00"), speed=60)
    symbols = {"symbols": ["RELIANCE"]}
    daemon = daemon_at(broker, clock, subscriptions=symbols, store={"bars": ["1m"], "batch_age": "100ms"})

    client = connect(daemon.port, "/ws/market?events=1")

    def minutes():
        bars = daemon.get("/api/candles/RELIANCE")[1]
        return [dt.datetime.fromisoformat(bar["time"]) for bar in bars]

    wait_until(lambda: len(minutes()) >= 3)
    begins = minutes()
    assert begins == [begins[0] + dt.timedelta(minutes=n) for n in range(len(begins))]
    counters = daemon.get("/api/status")[1]["counters"]["candle_builder"]
    assert (counters["corrections"], counters["refused"]) == (0, 0)
    sources = {bar["source"] for bar in daemon.get("/api/candles/RELIANCE")[1]}
    assert sources == {"broker" if broker == "upstox" else "ticks"}, "each update tells the minute before"
    assert "stale" not in [event["status"] for event in client.events("status")]


def test_at_midnight_of_its_clock_a_new_day_begins(daemon_at, connect, wait_until):
    daemon = daemon_at("upstox", SetClock.starting(read_moment(f"{EXPIRY}T23:58:30"), speed=10))
    daemon.post("/api/market/subscribe", symbols=["RELIANCE"])
    client = connect(daemon.port, "/ws/market?events=1")
    client.ask("SUBSCRIBE", "INFY")

    def received(ticks):
        return {tick["receivedAt"][:10] for tick in ticks}

    def pinned():
        return daemon.get("/api/status")[1]["counters"]["subscription_manager"]["pinned"]["wanted"]

    assert pinned() == 1
    wait_until(lambda: received(client.ticks("INFY")) == {EXPIRY, MORROW})
    assert received(daemon.get("/api/ticks/today/INFY")[1]) == {MORROW}
    wait_until(lambda: pinned() == 0)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_demo_and_its_simulator_have_one_clock(broker, mdactors, connect, wait_until):
    demo = mdactors("demo", "--broker", broker, "--port", 0, "--clock", "2027-01-26T10:00@60")
    client = connect(demo.port, "/ws/stocks/nse/all")
    wait_until(lambda: len(client.ticks()) > 500)
    assert dates(client.ticks()) == {"2027-01-26"}
    live = [tick for tick in client.ticks() if not tick.get("snapshot")]
    ages = [read_moment(tick["receivedAt"]) - read_moment(tick["timestamp"]) for tick in live]
    assert 0 <= min(ages) < 15 * ist.SECOND_NS, "a quarter of a real second"
    assert demo.end(signal.SIGTERM) == 0
    assert "Traceback" not in demo.err


def test_what_the_log_says_gives_another_process_the_same_clock(
    mdactors, configuration, tmp_path, wait_until
):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(configuration({})))
    daemon = mdactors("run", "--config", config, "--clock", "2027-01-26T10:00@60")
    assert daemon.get("/live")[0] == 200
    (words,) = re.findall(r"--clock (\S+)", daemon.err)
    clock = read_clock(words)
    before = clock.time_ns()
    shown = read_moment(daemon.get("/api/market/status")[1]["time"])
    assert before - NS_PER_MS < shown <= clock.time_ns()
