"""A page's views of the market: they say what the ticks say, come at once, and end when they are ended."""

from __future__ import annotations

import datetime as dt

import pytest

from mdactors.runtime import Kill
from mdactors.simulator import Exchange

START = dt.datetime.fromisoformat("2026-11-20T10:00:00+05:30")
EXPIRY = "2026-11-24"
CHAIN = f"chain:NIFTY:{EXPIRY}"
ROWS = 10


def exchange():
    return Exchange(seed=7, start_ms=round(START.timestamp() * 1000))


@pytest.fixture(params=["kite", "upstox"])
def market(request, simulate, configuration, run_daemon, connect, wait_until):
    """A daemon that streams all of NSE on a market that moves by ``step``, and a client of every tick."""
    server = simulate(request.param, exchange(), beat=0)
    listed = [each for each in exchange().instruments if each.exchange == "NSE"]
    symbols = [each.symbol for each in listed]
    raw = configuration({request.param: server.settings()}, subscriptions={"symbols": symbols})
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", *symbols, mode="full")
    wait_until(lambda: client.symbols() == set(symbols))
    return server, daemon, client


def newest(client):
    return {tick["symbol"]: tick for tick in client.ticks()}


def gainers(client):
    """What a page would rank itself, of the ticks that it got."""
    shares = [
        tick
        for tick in newest(client).values()
        if tick["type"] == "STOCK" and not tick.get("etf") and tick["changePercent"] > 0
    ]
    shares.sort(key=lambda tick: (-tick["changePercent"], -tick["instrumentToken"]))
    return [(each["symbol"], each["lastTradedPrice"], each["changePercent"]) for each in shares[:ROWS]]


def shown(event):
    return [(row["symbol"], row["lastTradedPrice"], row["changePercent"]) for row in event["rows"]]


def test_movers_are_those_of_the_ticks_at_once_as_they_change_and_until_they_are_ended(market, wait_until):
    server, _, client = market
    answer = client.ask("SUBSCRIBE", channels=["movers:gainers", "status"])
    assert answer["channels"] == ["movers:gainers", "status"]
    wait_until(lambda: client.events("movers") and client.events("market_status"))
    for _ in range(2):
        server.step(30)
        wait_until(lambda: gainers(client) and shown(client.events("movers")[-1]) == gainers(client))
    kinds = [message.get("event") for message in client.messages()]
    assert kinds.index("subscribed") < kinds.index("movers")
    client.ask("UNSUBSCRIBE", channels=["movers:gainers"])
    before = len(client.events("movers"))
    client.ask("SUBSCRIBE", channels=["movers:volume"])
    server.step(30)
    wait_until(lambda: len([event for event in client.events("movers") if event["by"] == "volume"]) >= 2)
    assert [event["by"] for event in client.events("movers")[before:] if event["by"] != "volume"] == []


def test_a_chain_says_what_the_ticks_of_its_options_say(market, wait_until):
    server, daemon, client = market
    server.step(30)
    client.ask("SUBSCRIBE", channels=[CHAIN])

    def agreed():
        """The newest chain, once it says what the newest ticks say."""
        ticks, chains = newest(client), client.events("chain")
        options = [row[side] for row in chains[-1]["rows"] for side in ("ce", "pe")] if chains else []
        agrees = options and all(
            option["lastTradedPrice"] == ticks[option["symbol"]]["lastTradedPrice"]
            and option["openInterest"] == ticks[option["symbol"]]["openInterest"]
            and option["bid"] == ticks[option["symbol"]]["depth"]["buy"][0]["price"]
            for option in options
        )
        spot = ticks["NIFTY 50"]["lastTradedPrice"]
        return chains[-1] if agrees and chains[-1]["spot"] == spot else None

    def answer_agrees():
        ticks = newest(client)
        rows = daemon.get(f"/api/optionchain/NIFTY?expiry={EXPIRY}")[1]["rows"]
        options = [row[side] for row in rows for side in ("ce", "pe")]
        names = ("depth", "openInterest", "volume", "iv", "greeks")
        return all(
            "depth" in option and option.get(name) == ticks[option["symbol"]].get(name)
            for option in options
            for name in names
        )

    seen = []
    wait_until(lambda: seen.append(agreed()) or seen[-1])
    server.step(30)
    wait_until(lambda: seen.append(agreed()) or seen[-1])
    chain = seen[-1]
    assert (chain["underlying"], chain["expiry"]) == ("NIFTY", EXPIRY)
    strikes = [row["strike"] for row in chain["rows"]]
    assert chain["atTheMoney"] == min(strikes, key=lambda strike: abs(strike - chain["spot"]))
    assert chain["maxPain"] in strikes
    wait_until(answer_agrees)


@pytest.mark.parametrize("market", ["kite"], indirect=True)
@pytest.mark.parametrize("killed", ["market_views", "session_hub"])
def test_after_a_crash_the_views_are_whole_again_though_nothing_ticks(market, wait_until, connect, killed):
    server, daemon, client = market
    server.step(30)
    client.ask("SUBSCRIBE", channels=["movers:gainers"])
    wait_until(lambda: client.events("movers") and shown(client.events("movers")[-1]) == gainers(client))
    daemon.tell(killed, Kill("a bug"))
    wait_until(lambda: daemon.actors()[killed]["restarts"] == 1)
    newcomer = connect(daemon.port, "/ws/market")
    newcomer.ask("SUBSCRIBE", channels=["movers:gainers"])
    wait_until(lambda: newcomer.events("movers") and shown(newcomer.events("movers")[-1]) == gainers(client))


@pytest.mark.parametrize("market", ["upstox"], indirect=True)
def test_the_status_shows_the_brokers_own_word_beside_the_calendars(market, wait_until):
    _, _, client = market
    client.ask("SUBSCRIBE", channels=["status"])

    def shares():
        events = client.events("market_status")
        return next(each for each in events[-1]["segments"] if each["segment"] == "NSE_EQ") if events else {}

    wait_until(lambda: shares().get("said") == {"upstox": "NORMAL_OPEN"})
    assert shares()["status"] == "open"
