"""The brokers' official clients and ours, on one simulator, see the same values in the same order."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import upstox_client
import websocket
from tests.today import NOW_MS

from mdactors.simulator import Exchange
from mdactors_upstox.simulator import DIRECT_PATH

OFFICIAL_TICKER = Path(__file__).parents[1] / "adapters" / "kite" / "official_ticker.py"
SYMBOLS = ("RELIANCE", "INFY", "TCS", "SBIN", "NIFTYBEES")
STEPS = 20


@pytest.fixture
def market():
    return Exchange(seed=11, rate=400, start_ms=NOW_MS)


@pytest.fixture
def chosen(market):
    """The instruments that everybody hears, by their symbols."""
    return {symbol: market.by_name("NSE", symbol).instrument for symbol in SYMBOLS}


@pytest.fixture
def ours(configuration, run_daemon, connect, wait_until, by_symbol):
    """``ours(broker, server)``: what a client of our daemon heard after so many snapshots, by symbol."""

    def begin(broker, server):
        daemon = run_daemon(configuration({broker: {**server.settings(), "connections": 1}}))
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        client = connect(daemon.port, "/ws/stocks")
        client.ask("SUBSCRIBE", *SYMBOLS, mode="full", type="STOCK")
        wait_until(lambda: client.symbols() == set(SYMBOLS))

        def heard(snapshots):
            live = by_symbol(tick for tick in client.ticks() if tick["seq"] > snapshots)
            return {symbol: [in_short(tick) for tick in ticks] for symbol, ticks in live.items()}

        return heard

    return begin


def in_short(tick):
    ohlc, depth = tick["ohlc"], tick["depth"]
    return (
        tick["lastTradedPrice"],
        tick["volume"],
        (ohlc["open"], ohlc["high"], ohlc["low"], ohlc["close"]),
        *((depth[side][0]["price"], depth[side][0]["quantity"]) for side in ("buy", "sell")),
    )


def count(series):
    return sum(map(len, series.values()))


# --- Kite ---------------------------------------------------------------------------------------------


class Ticker:
    """The official KiteTicker, in a process of its own because Twisted's reactor starts only once."""

    def __init__(self, settings, tokens):
        where = (settings["websocket_url"], settings["api_key"], settings["access_token"])
        self.ticks = []
        self._process = subprocess.Popen(
            [sys.executable, OFFICIAL_TICKER, *where, json.dumps({"full": tokens})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            self.ticks.append(json.loads(line))

    def close(self):
        self._process.stdin.close()
        self._thread.join()
        self._process.stdout.close()
        assert self._process.wait(10) == 0


@pytest.fixture
def official_ticker():
    started = []

    def start(settings, tokens):
        started.append(Ticker(settings, tokens))
        return started[-1]

    yield start
    for ticker in started:
        ticker.close()


def ticker_in_short(tick):
    ohlc, depth = tick["ohlc"], tick["depth"]
    return (
        tick["last_price"],
        tick["volume_traded"],
        (ohlc["open"], ohlc["high"], ohlc["low"], ohlc["close"]),
        *((depth[side][0]["price"], depth[side][0]["quantity"]) for side in ("buy", "sell")),
    )


def test_the_official_ticker_receives_what_our_daemon_publishes(
    market, chosen, simulate, ours, official_ticker, wait_until
):
    server = simulate("kite", market, beat=0)
    heard = ours("kite", server)
    tokens = {instrument.token: symbol for symbol, instrument in chosen.items()}
    theirs = official_ticker(server.settings(), list(tokens))
    snapshots = 2  # a bare subscription is answered in mode quote, the mode full once more
    wait_until(lambda: len(theirs.ticks) == snapshots * len(SYMBOLS), 15)
    for _ in range(STEPS):
        server.step(0.5)
    told = max(sum(sent.values()) for sent in server.sent().values())
    wait_until(lambda: len(theirs.ticks) == told)
    received = {}
    for tick in theirs.ticks[snapshots * len(SYMBOLS) :]:
        received.setdefault(tokens[tick["instrument_token"]], []).append(ticker_in_short(tick))
    assert count(received) > STEPS * len(SYMBOLS)
    wait_until(lambda: count(heard(snapshots)) >= count(received))
    assert heard(snapshots) == received


# --- Upstox -------------------------------------------------------------------------------------------


class Streamer:
    """The official streamer and the dictionaries that it hands out."""

    def __init__(self, token, keys):
        configuration = upstox_client.Configuration()
        configuration.access_token = token
        self.messages = []
        self.errors = []
        self._client = upstox_client.ApiClient(configuration)
        self._streamer = upstox_client.MarketDataStreamerV3(self._client, keys, "full")
        self._streamer.auto_reconnect(False)
        self._streamer.on("message", self.messages.append)
        self._streamer.on("error", self.errors.append)
        before = set(threading.enumerate())
        self._streamer.connect()
        self._readers = set(threading.enumerate()) - before

    def feeds(self, kind):
        return [
            feed
            for message in list(self.messages)
            if message.get("type", "initial_feed") == kind
            for feed in message.get("feeds", {}).items()
        ]

    def close(self):
        """Tidy up after a lost connection; beside its thread both would wait for a close frame."""
        for reader in self._readers:
            reader.join(10)
        self._streamer.disconnect()
        self._client.pool.terminate()
        self._client.pool.join()


@pytest.fixture
def official_streamer(monkeypatch):
    started = []

    def start(server, keys):
        real = websocket.WebSocketApp

        def led_astray(url, **options):
            assert url == f"wss://api.upstox.com{DIRECT_PATH}"
            return real(f"ws://127.0.0.1:{server.port}{DIRECT_PATH}", **options)

        monkeypatch.setattr(websocket, "WebSocketApp", led_astray)
        started.append((server, Streamer(server.settings()["access_token"], keys)))
        return started[-1][1]

    yield start
    for server, streamer in started:
        server.faults.drop()  # or its thread waits for seconds on a close frame that it misses
        streamer.close()


def streamer_in_short(feed, before):
    """What a feed says; what it leaves out is what was said before."""
    said = feed["fullFeed"]["marketFF"]
    last = said["ltpc"]
    days = [each for each in said.get("marketOHLC", {}).get("ohlc", []) if each["interval"] == "1d"]
    rungs = said.get("marketLevel", {}).get("bidAskQuote", [])
    ohlc = (*(days[0][name] for name in ("open", "high", "low")), last["cp"]) if days else before[2]
    best = rungs and ((rungs[0]["bidP"], int(rungs[0]["bidQ"])), (rungs[0]["askP"], int(rungs[0]["askQ"])))
    return (last["ltp"], int(said.get("vtt", 0)), ohlc, *(best or before[3:]))


def test_the_official_streamer_receives_what_our_daemon_publishes(
    market, chosen, simulate, ours, official_streamer, wait_until
):
    server = simulate("upstox", market, beat=0)
    heard = ours("upstox", server)
    symbols = {instrument.key: symbol for symbol, instrument in chosen.items()}
    theirs = official_streamer(server, list(symbols))
    wait_until(lambda: len(theirs.feeds("initial_feed")) == len(SYMBOLS))
    for _ in range(STEPS):
        server.step(0.5)
    told = max(sum(sent.values()) for sent in server.sent().values())
    wait_until(lambda: len(theirs.feeds("live_feed")) == told - len(SYMBOLS))
    received = {symbols[key]: [streamer_in_short(feed, None)] for key, feed in theirs.feeds("initial_feed")}
    for key, feed in theirs.feeds("live_feed"):
        series = received[symbols[key]]
        series.append(streamer_in_short(feed, series[-1]))
    live = {symbol: series[1:] for symbol, series in received.items()}
    assert count(live) > STEPS * len(SYMBOLS)
    wait_until(lambda: count(heard(snapshots=1)) >= count(live))
    assert heard(snapshots=1) == live
    assert not theirs.errors
