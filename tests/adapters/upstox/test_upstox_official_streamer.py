"""The official streamer as the judge: it receives from the simulator what our adapter decodes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import upstox_client
import websocket

from mdactors.simulator import Exchange
from mdactors_upstox.simulator import DIRECT_PATH

MODES = {"full": "full", "ltp": "ltpc", "quote": "option_greeks"}


class Streamer:
    """The official streamer, its fixed address led to a simulator, and the dictionaries it hands out."""

    def __init__(self, token: str, keys: list[str], mode: str) -> None:
        configuration = upstox_client.Configuration()
        configuration.access_token = token
        self.messages: list[dict[str, Any]] = []
        self.errors: list[Any] = []
        self.opened = threading.Event()
        self._client = upstox_client.ApiClient(configuration)
        self._streamer = upstox_client.MarketDataStreamerV3(self._client, keys, mode)
        self._streamer.auto_reconnect(False)
        self._streamer.on("open", self.opened.set)
        self._streamer.on("message", self.messages.append)
        self._streamer.on("error", self.errors.append)
        before = set(threading.enumerate())
        self._streamer.connect()
        self._readers = set(threading.enumerate()) - before

    def feeds(self) -> list[tuple[str, dict[str, Any]]]:
        """Every feed received, in order."""
        return [feed for message in list(self.messages) for feed in message.get("feeds", {}).items()]

    def disconnect(self) -> None:
        """Tidy up after a lost connection; beside its thread both would wait for a close frame."""
        for reader in self._readers:
            reader.join(10)
        self._streamer.disconnect()
        self._client.pool.terminate()
        self._client.pool.join()


@pytest.fixture
def stream(monkeypatch):
    started: list[tuple[Any, Streamer]] = []

    def start(server, keys, mode, token="simulated"):
        real = websocket.WebSocketApp

        def led_astray(url, **kwargs):
            assert url == f"wss://api.upstox.com{DIRECT_PATH}"
            return real(f"ws://127.0.0.1:{server.port}{DIRECT_PATH}", **kwargs)

        monkeypatch.setattr(websocket, "WebSocketApp", led_astray)
        streamer = Streamer(token, keys, mode)
        started.append((server, streamer))
        return streamer

    yield start
    for server, streamer in started:
        server.faults.drop()  # or its thread waits for seconds on a close frame that it misses
        streamer.disconnect()


@pytest.mark.parametrize("mode", list(MODES))
def test_the_official_streamer_receives_what_our_adapter_decodes(
    serve, connect, stream, wait_until, quote_in_short, feed_in_short, mode
):
    market = Exchange(seed=3, rate=400, start_ms=1_795_149_930_000)
    keys = sorted(listed.key for listed in market.instruments)
    if mode == "quote":
        keys = [key for key in keys if "INDEX" not in key]
    server = serve(market)
    ours = connect(server)
    theirs = stream(server, keys, MODES[mode])
    wait_until(lambda: len(theirs.feeds()) == len(keys))
    assert ours.decoded().market_status == theirs.messages[0]["marketInfo"]["segmentStatus"]
    assert theirs.messages[0]["type"] == "market_info"
    ours.ask("sub", keys, MODES[mode])
    said: dict[str, list[Any]] = {key: [quote] for key, quote in ours.quotes().items()}
    assert said.keys() == set(keys)
    for _ in range(8):
        server.step(0.25)
        for key, quote in ours.quotes().items():
            said[key].append(quote)
    count = sum(len(quotes) for quotes in said.values())
    assert count > len(keys) + 200
    wait_until(lambda: len(theirs.feeds()) == count)
    heard: dict[str, list[Any]] = {}
    for key, feed in theirs.feeds():
        heard.setdefault(key, []).append(feed)
    for key, quotes in said.items():
        assert [quote_in_short(quote) for quote in quotes] == [feed_in_short(feed) for feed in heard[key]]
    assert not theirs.errors


def test_the_official_streamer_is_told_of_a_bad_token(serve, stream, wait_until, board):
    theirs = stream(serve(board), [], "ltpc", token="wrong")
    wait_until(lambda: theirs.errors)
    assert "401 Unauthorized" in str(theirs.errors[0])
    assert not theirs.opened.is_set()
