"""What the broker is asked for: nothing that nobody wants, and no less while instruments are refreshed."""

from __future__ import annotations

import threading

import pytest
from tests.waiting import wait_until

KEPT, LEFT = "RELIANCE", "INFY"
TOKENS = {"RELIANCE": 738561, "INFY": 408065}
HDFCBANK, NIFTY = 341249, 256265
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
    server = simulate(broker)
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
    server = simulate(broker)
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

    assert not silent(server, members, lasting, told)
    ended = client.ask("UNSUBSCRIBE", **group)
    assert set(ended["symbols"]) == members
    wait_until(lambda: silent(server, members, lasting, told))


@pytest.fixture(params=["kite", "upstox"])
def quiet(request, simulate, configuration, run_daemon, wait_until):
    """A broker whose market moves, and a daemon that streams nothing of it unasked."""
    server = simulate(request.param)
    raw = configuration({request.param: server.settings()}, subscriptions={"grace_seconds": 0.3})
    daemon = run_daemon(raw)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    return server, daemon


def test_channels_of_a_sector_and_a_chain_stream_what_they_show_until_they_are_ended(
    quiet, connect, wait_until
):
    server, daemon = quiet
    rest, page = connect(daemon.port, "/ws/stocks"), connect(daemon.port, "/ws/market")
    rest.ask("SUBSCRIBE", "RELIANCE", "HDFCBANK")
    expiry = daemon.get("/api/optionchain/NIFTY")[1]["expiry"]
    channels = ["sector:BANKING", f"chain:NIFTY:{expiry}"]
    page.ask("SUBSCRIBE", channels=channels)

    def whole():
        sector, chain = page.events("sector")[-1:], page.events("chain")[-1:]
        options = [row[side] for row in chain[0]["rows"] for side in ("ce", "pe")] if chain else []
        priced = options and all("lastTradedPrice" in each for each in options) and "spot" in chain[0]
        return priced and sector[0]["priced"] == sector[0]["members"]

    wait_until(whole)
    shown = set(sent(server)) - set(TOKENS.values()) - {HDFCBANK}
    assert NIFTY in shown
    assert not page.ticks()
    page.ask("UNSUBSCRIBE", channels=channels)
    kept = {TOKENS["RELIANCE"], HDFCBANK}
    wait_until(lambda: quiet_at(server, shown, kept))


def test_a_channel_of_movers_shows_what_streams_and_takes_nothing_at_the_broker(quiet, connect, wait_until):
    server, daemon = quiet
    rest, page = connect(daemon.port, "/ws/stocks"), connect(daemon.port, "/ws/market")
    page.ask("SUBSCRIBE", channels=["movers:active"])
    wait_until(lambda: page.events("movers"))
    assert (page.events("movers")[0]["rows"], sent(server)) == ([], {})
    rest.ask("SUBSCRIBE", KEPT, LEFT)
    wait_until(lambda: {row["symbol"] for row in page.events("movers")[-1]["rows"]} == {KEPT, LEFT})
    assert set(sent(server)) == set(TOKENS.values())
    rest.ask("UNSUBSCRIBE", LEFT)
    wait_until(lambda: quiet_at(server, {TOKENS[LEFT]}, {TOKENS[KEPT]}))
    page.ask("UNSUBSCRIBE", channels=["movers:active"])
    assert not quiet_at(server, {TOKENS[KEPT]}, {TOKENS[KEPT]})


def test_a_member_that_was_subscribed_alone_outlives_its_sector(quiet, connect, wait_until):
    server, daemon = quiet
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", "HDFCBANK")
    members = client.ask("SUBSCRIBE", sector="BANKING")["symbols"]
    wait_until(lambda: client.symbols() == set(members))
    others = set(sent(server)) - {HDFCBANK}
    ended = client.ask("UNSUBSCRIBE", sector="BANKING")["symbols"]
    assert set(members) - set(ended) == {"HDFCBANK"}
    wait_until(lambda: quiet_at(server, others, {HDFCBANK}))
    at = len(client.messages())
    wait_until(lambda: len(client.ticks("HDFCBANK", at)) > 5)


def test_so_many_strikes_around_the_money_are_streamed(quiet, connect, wait_until):
    server, daemon = quiet
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", "NIFTY 50")
    wait_until(lambda: client.ticks("NIFTY 50"))
    server.faults.silence(60)
    chain = daemon.get("/api/optionchain/NIFTY")[1]
    strikes = [row["strike"] for row in chain["rows"]]
    place = strikes.index(chain["atTheMoney"])
    near = {row[side]["symbol"] for row in chain["rows"][place - 2 : place + 3] for side in ("ce", "pe")}
    answer = client.ask("SUBSCRIBE", underlying="NIFTY", strikes=2, mode="full")
    assert (set(answer["symbols"].values()), len(near)) == ({"NIFTY 50", *near}, 10)
    wait_until(lambda: client.symbols() == {"NIFTY 50", *near})


def quiet_at(server, tokens, rest):
    """Whether the broker sends nothing of these while it sends the rest."""
    before = sent(server)
    wait_until(lambda: all(sent(server)[token] >= before[token] + 5 for token in rest))
    after = sent(server)
    return all(after[token] == before[token] for token in tokens)


def silent(server, symbols, rest, told):
    """The same by symbols; ``told`` leads from them to tokens."""
    return quiet_at(server, {told[symbol] for symbol in symbols}, {told[symbol] for symbol in rest})
