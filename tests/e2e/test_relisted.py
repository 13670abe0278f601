"""A new list of instruments during the day: whoever streams what it changes streams on, or is told."""

from __future__ import annotations

import msgspec
import pytest
from tests.contract import contract
from tests.today import NOW_NS

from mdactors.simulator import Exchange
from mdactors.simulator.session import date_of
from mdactors.simulator.universe import Universe

MOVED = [f"SIM{number:04d}" for number in range(40)]
GONE, RENAMED = "SIM0050", "SIM0051"


@pytest.fixture
def market():
    now_ms = NOW_NS // 1_000_000
    return Exchange(Universe.of_size(250, date_of(now_ms)), rate=3000.0, start_ms=now_ms)


def changes(market):
    """Forty shares go to another series and number, one has another name, one is gone, and an option."""
    listed = {row.symbol: row for row in market.instruments if row.exchange == "NSE"}
    replace = msgspec.structs.replace
    changed = {
        listed[name].token: replace(
            listed[name], token=listed[name].token + (5000 << 8), symbol=f"{name}-BE", series="BE"
        )
        for name in MOVED
    }
    option = next(row for row in market.instruments if row.type == "OPTION")
    renamed = replace(listed[RENAMED], symbol="AURUM")
    return option, changed | {listed[GONE].token: None, renamed.token: renamed, option.token: None}


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_sessions_pins_and_channels_outlive_a_list_that_changes_what_they_are_about(
    simulate, configuration, run_daemon, connect, wait_until, market, broker
):
    server = simulate(broker, market, beat=0.02)
    daemon = run_daemon(configuration({broker: {**server.settings(), "connections": 1}}, admin={"token": ""}))
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    option, changed = changes(market)
    stocks, page, silent = (connect(daemon.port, path) for path in ("/ws/stocks", "/ws/market", "/ws/market"))
    stocks.ask("SUBSCRIBE", *MOVED[:20], GONE, RENAMED)
    page.ask("SUBSCRIBE", *MOVED[20:35], option.symbol, channels=[f"candles:1s:{MOVED[0]}"])
    assert daemon.post("/api/market/subscribe", symbols=MOVED[35:])[0] == 200
    wait_until(lambda: stocks.symbols() >= set(MOVED[:20]) and page.symbols() >= set(MOVED[20:35]))
    wait_until(lambda: {tick["symbol"] for tick in silent.ticks()} >= set(MOVED[35:]))

    server.call(lambda: market.relist(changed))
    assert daemon.post("/api/ticks/admin/refresh-instruments")[0] == 200

    wait_until(lambda: stocks.events("unsubscribed"))
    (lost,) = stocks.events("unsubscribed")
    assert (lost["symbols"], lost["reason"]) == ({GONE: GONE}, "unlisted")
    wait_until(lambda: page.events("subscription"))
    assert page.events("subscription")[0]["removed"] == {option.symbol: option.symbol}
    assert contract().name_of("/ws/market", page.events("subscription")[0]) == "Subscription"
    assert contract().name_of("/ws/stocks", lost) == "Unsubscribed"
    numbers = {row.token for row in changed.values() if row is not None}
    ticking = [len(client.heard) for client in (stocks, page, silent)]

    def tokens(client, start):
        return {tick.get("instrumentToken", tick["symbol"]) for tick in client.ticks(start=start)}

    wait_until(lambda: len(tokens(stocks, ticking[0]) & numbers) == 21)
    wait_until(lambda: len(tokens(page, ticking[1]) & numbers) == 15)
    wait_until(lambda: len(tokens(silent, ticking[2])) >= 5)
    start = len(page.heard)
    wait_until(lambda: page.events("candle", start))
    assert {bar["instrumentToken"] for bar in page.events("candle", start)} < numbers
