"""Each actor killed under load: it alone starts afresh, and nobody outside notices more than a moment."""

from __future__ import annotations

import time

import pytest

from mdactors.runtime import Kill

RATE = 1000.0
ACTORS = (
    "session_hub", "subscription_manager", "instrument_master", "batch_persister", "cache_writer",
    "normalizer", "connection-1",
)  # fmt: skip
SECONDS_OF_SILENCE = 1.0
PATHS = ("/ws/stocks/all", "/ws/market?events=1")
NAMED = ("NIFTY 50", "RELIANCE", "INFY", "NIFTY26NOVFUT")


@pytest.fixture(params=["kite", "upstox"])
def broker(request):
    return request.param


@pytest.mark.parametrize("actor", ACTORS)
def test_a_killed_actor_is_noticed_by_nobody(
    broker, actor, simulate, configuration, run_daemon, connect, wait_until, lost
):
    name = f"{broker}/{actor}" if actor in ("normalizer", "connection-1") else actor
    server = simulate(broker, rate=RATE, beat=0.05)
    raw = configuration(
        {broker: server.settings()},
        subscriptions={"symbols": [each for each in NAMED] + list_of_stocks(server)},
        store={"batch_seconds": 0.2},
    )
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    everything, named = (connect(daemon.port, path) for path in PATHS)
    named.ask("SUBSCRIBE", *NAMED)
    wait_until(lambda: len(everything.ticks()) > RATE / 2 and named.symbols() == set(NAMED))

    before, told = daemon.actors(), set(server.connections)
    killed = time.monotonic()
    daemon.tell(name, Kill("a test"))
    wait_until(lambda: daemon.actors()[name]["restarts"] == 1)
    admitted = killed
    if actor == "connection-1":
        wait_until(lambda: set(server.connections) - told)
        admitted = time.monotonic()
    came = [len(client.heard) for client in (everything, named)]
    for client, start in zip((everything, named), came, strict=True):
        wait_until(lambda c=client, s=start: len(c.ticks(start=s)) > 0)
    wait_until(lambda: time.monotonic() > admitted + SECONDS_OF_SILENCE)

    for client in (everything, named):
        assert client.is_open
        times = [killed, *(at for at, message in client.heard if at > killed and "event" not in message)]
        longest = max(later - earlier for earlier, later in zip(times, times[1:], strict=False))
        assert longest < SECONDS_OF_SILENCE + (admitted - killed)
        assert not lost(client.ticks())
    after = daemon.actors()
    for other, node in after.items():
        if other != name:
            assert node["restarts"] == 0, other
            assert node["uptime"] >= before[other]["uptime"], other
    assert len({tick["epoch"] for tick in everything.ticks()}) == (2 if actor == "normalizer" else 1)
    dead = after[name]["dead_letters"]["count"]
    assert dead == 1, "only the message that killed it is lost"
    answers = {path: daemon.get(path)[0] for path in ("/health", "/ready", "/api/status")}
    assert set(answers.values()) == {200}
    assert daemon.get("/api/ticks/today/RELIANCE?lastMinutes=1")[1]
    assert named.ask("SUBSCRIBE", "TCS")["symbols"] == {"TCS": "TCS"}
    assert daemon.get("/api/market/snapshot?instrument=TCS")[1]["symbol"] == "TCS"


def list_of_stocks(server):
    return server.call(lambda: [each.symbol for each in server._simulator.exchange.instruments if each.segment == "NSE_EQ"])
