"""A symbol that is answered means just one instrument, on every path, from either broker, all day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote as escaped

import pytest

from mdactors.market.instrument import InstrumentRow
from mdactors.market.moment import read_moment
from mdactors.runtime.clock import SetClock
from mdactors.simulator import Exchange

SIXTY = "BSE SENSEX SIXTY 65:35"
TOKENS = {
    "NIFTY 50": 256265, "SENSEX": 265, SIXTY: 403209, "RELIANCE": 738561, "BSE:RELIANCE": 128083204,
    "INFY": 408065, "BSE:INFY": 128053508,
}  # fmt: skip
"""As they are answered."""
ASKED = {
    "NIFTY": "NIFTY 50",
    "BSE:SENSEX": "SENSEX",
    "BSE_INDEX|SS6535": SIXTY,
    "bse:reliance": "BSE:RELIANCE",
}


class Market(Exchange):
    """A market that takes instruments off its list, while they trade on."""

    unlisted: frozenset[int] = frozenset()

    @property
    def instruments(self) -> list[InstrumentRow]:
        return [each for each in super().instruments if each.token not in self.unlisted]


@pytest.fixture(params=["kite", "upstox"])
def market(request: Any, simulate: Any, configuration: Any, run_daemon: Any, wait_until: Any) -> Any:
    """The simulated market, and a daemon that streams it, at noon of a day."""
    clock = SetClock.starting(read_moment("2026-11-23T12:00"))
    venue = Market(seed=3, rate=3000.0, clock=clock)
    server = simulate(request.param, venue, clock=clock)
    raw = configuration(
        {request.param: server.settings()}, store={"batch_age": "100ms", "bars": ["1s", "1m"]},
        candles={"grace_seconds": 0.1},
    )  # fmt: skip
    daemon = run_daemon(raw, clock=clock)
    wait_until(lambda: daemon.get("/ready")[0] == 200)
    return venue, daemon


def told(messages: Iterable[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Every symbol and token that stand together, however deep."""
    for message in messages:
        if "symbol" in message and "instrumentToken" in message:
            yield message["symbol"], message["instrumentToken"]
        for part in message.values():
            parts = part if isinstance(part, list) else [part]
            yield from told(each for each in parts if isinstance(each, dict))


def test_on_websockets_a_symbol_means_one_instrument(market, connect, wait_until):
    _, daemon = market
    chosen = connect(daemon.port, "/ws/market?events=1")
    answer = chosen.ask("SUBSCRIBE", *TOKENS, *ASKED, channels=["candles:1s", "movers:active"])
    assert answer["symbols"] == {name: name for name in TOKENS} | ASKED
    assert answer["instrumentTokens"] == TOKENS | {name: TOKENS[symbol] for name, symbol in ASKED.items()}
    everything = [connect(daemon.port, f"/ws/stocks{path}/all") for path in ("", "/nse", "/bse")]
    flat = connect(daemon.port, "/ws/market?shape=flat")
    flat.ask("SUBSCRIBE", "BSE:RELIANCE", "RELIANCE", SIXTY)
    wait_until(lambda: chosen.symbols() == TOKENS.keys())
    wait_until(lambda: {bar["symbol"] for bar in chosen.events("candle")} == TOKENS.keys(), 30)
    wait_until(lambda: chosen.events("movers"))
    wait_until(lambda: everything[2].symbols() == {"BSE:RELIANCE", "BSE:INFY"})
    wait_until(lambda: everything[0].symbols() == {"RELIANCE", "INFY", "BSE:RELIANCE", "BSE:INFY"})
    wait_until(lambda: flat.symbols() == {"BSE:RELIANCE", "RELIANCE", SIXTY})
    pairs = set(told(message for client in (chosen, *everything) for message in client.messages()))
    assert pairs == set(TOKENS.items())
    keys = {(tick["symbol"], tick["instrumentKey"].partition("_")[0]) for tick in flat.ticks()}
    assert keys == {("BSE:RELIANCE", "BSE"), ("RELIANCE", "NSE"), (SIXTY, "BSE")}
    (session,) = (
        each
        for each in daemon.get("/api/ticks/subscriptions")[1].values()
        if len(each["subscribedSymbols"]) > 3
    )
    assert set(session["subscribedSymbols"]) == TOKENS.keys()


def test_what_streams_ends_by_its_symbol_by_what_was_asked_and_by_its_token(market, connect, wait_until):
    _, daemon = market
    client = connect(daemon.port, "/ws/stocks")
    for name in ("BSE:RELIANCE", "bse_eq|reliance", "128083204", 128083204):
        at = len(client.messages())
        client.ask("SUBSCRIBE", "BSE_EQ|RELIANCE", "RELIANCE")
        wait_until(lambda at=at: client.ticks("BSE:RELIANCE", at) and client.ticks("RELIANCE", at))
        answer = client.ask("UNSUBSCRIBE", name)
        assert answer["symbols"] == {str(name): "BSE:RELIANCE"}
        at = client.messages().index(answer)
        wait_until(lambda at=at: len(client.ticks("RELIANCE", at)) >= 4)
        assert not client.ticks("BSE:RELIANCE", at)


def test_rest_answers_the_same_symbols_and_takes_them_back(market, connect, wait_until):
    _, daemon = market
    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", *TOKENS)
    wait_until(lambda: all(len(client.ticks(symbol)) > 3 for symbol in TOKENS))
    for symbol, token in TOKENS.items():
        name = escaped(symbol)
        _, listed = daemon.get(f"/api/instruments/{name}")
        assert (listed["symbol"], listed["instrumentToken"]) == (symbol, token)
        assert daemon.get(f"/api/instruments?q={name}&limit=1")[1][0]["instrumentToken"] == token
        assert daemon.get(f"/api/market/snapshot?instrument={name}")[1]["symbol"] == symbol
        _, today = daemon.get(f"/api/ticks/today/{name}")
        assert set(told(today)) == {(symbol, token)}
        history = f"/api/ticks/historical?symbol={name}&startTime=2026-11-23"
        wait_until(lambda history=history: daemon.get(history)[1])
        assert set(told(daemon.get(history)[1])) == {(symbol, token)}
        assert daemon.get(f"/api/candles/{name}?interval=1s")[0] == 200
    assert daemon.post("/api/market/subscribe", symbols=["bse:reliance"])[1]["subscribed"] == {
        "bse:reliance": "BSE:RELIANCE"
    }
    assert daemon.get("/api/instruments/RELIANSE")[1]["error"]["suggestions"][0] == "RELIANCE"


def test_a_share_that_leaves_one_exchanges_list_at_noon_leaves_its_twin_alone(market, connect, wait_until):
    venue, daemon = market

    def refresh(*unlisted: str) -> None:
        venue.unlisted = frozenset(TOKENS[name] for name in unlisted)
        assert daemon.post("/api/ticks/admin/refresh-instruments")[0] == 200

    client = connect(daemon.port, "/ws/market")
    client.ask("SUBSCRIBE", "RELIANCE", "BSE:RELIANCE")
    wait_until(lambda: client.symbols() == {"RELIANCE", "BSE:RELIANCE"})
    refresh("RELIANCE")
    assert daemon.get("/api/instruments/RELIANCE")[0] == 404
    newcomer = connect(daemon.port, "/ws/market")
    answer = newcomer.ask("SUBSCRIBE", "RELIANCE", "BSE:RELIANCE")
    assert (answer["unknown"], answer["symbols"]) == (["RELIANCE"], {"BSE:RELIANCE": "BSE:RELIANCE"})
    wait_until(lambda: len(newcomer.ticks("BSE:RELIANCE")) > 3)
    refresh()
    assert newcomer.ask("SUBSCRIBE", "RELIANCE")["instrumentTokens"] == {"RELIANCE": TOKENS["RELIANCE"]}
    wait_until(lambda: len(newcomer.ticks("RELIANCE")) > 3)
    for ticks in (client.ticks(), newcomer.ticks()):
        assert set(told(ticks)) == {(name, TOKENS[name]) for name in ("RELIANCE", "BSE:RELIANCE")}
