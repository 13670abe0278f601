"""The page at ``/`` in a real browser."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import re
import shutil
import signal
import subprocess

import pytest
import websocket
from bench._wall_clock import true_time

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1100,1400", "--remote-debugging-port=0",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DOTS = 3
"""The daemon's, the indices' and the stocks'."""
LIVE = "document.querySelectorAll('.state.live').length"
DAEMON = "document.getElementById('state-daemon').textContent"
FEED = "/api/v1/market/market-feed"
PRICES = """[...document.querySelectorAll("#%s tr")].map((row) => row.cells[1].textContent)"""


class Page:
    """One page of a headless Chromium, driven through the DevTools protocol."""

    def __init__(self, browser):
        self.complaints = []
        self._numbers = itertools.count(1)
        self._socket = websocket.create_connection(browser, timeout=20, suppress_origin=True)
        self._session = None
        target = self.say("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.say("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.say(f"{domain}.enable")

    def say(self, method, **params):
        """Send a command; its result. What the page complains about meanwhile is kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            heard = json.loads(self._socket.recv())
            if heard.get("id") == number:
                assert "error" not in heard, heard
                return heard["result"]
            self._note(heard)

    def _note(self, event):
        params = event.get("params", {})
        match event["method"]:
            case "Runtime.exceptionThrown":
                self.complaints.append(params["exceptionDetails"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(params["args"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"])

    def value(self, expression):
        """What an expression is on the page."""
        answer = self.say("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"]["value"]

    def picture(self):
        return base64.b64decode(self.say("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self._socket.close()


@pytest.fixture
def page(tmp_path, wait_until):
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium on PATH (looked for {', '.join(NAMES)})")
    log = tmp_path / "chromium.log"
    with log.open("wb") as stderr:
        command = [found, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "about:blank"]
        chromium = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=true_time())
    try:
        address = re.compile(r"DevTools listening on (ws://\S+)")
        wait_until(lambda: address.search(log.read_text()) or chromium.poll() is not None, 20)
        listening = address.search(log.read_text())
        assert listening, log.read_text()
        page = Page(listening[1])
        yield page
        page.close()
    finally:
        chromium.terminate()
        try:
            chromium.wait(10)
        except subprocess.TimeoutExpired:
            chromium.kill()
            chromium.wait()


@pytest.fixture
def demo(mdactors):
    return mdactors("demo", "--broker", "upstox", "--port", 0)


def test_the_page_shows_ticks_moving_and_complains_of_nothing(page, demo, wait_until, tmp_path):
    wait_until(lambda: demo.get("/health")[0] == 200)
    page.say("Page.navigate", url=f"http://127.0.0.1:{demo.port}/")
    prices = {name: PRICES % name for name in ("indices", "stocks")}
    wait_until(
        lambda: len(page.value(prices["indices"])) >= 4 and len(page.value(prices["stocks"])) >= 50, 15
    )
    for expression in prices.values():
        before = page.value(expression)
        assert all(re.fullmatch(r"\d+\.\d\d", price) for price in before)
        wait_until(lambda expression=expression, before=before: page.value(expression) != before, 10)
    wait_until(
        lambda: re.fullmatch(r"[1-9]\d* ticks/s", page.value("document.getElementById('rate').textContent"))
    )
    wait_until(lambda: page.value(LIVE) == DOTS)
    (tmp_path / "page.png").write_bytes(page.picture())
    assert page.complaints == []


def test_the_page_finds_the_daemon_again_after_a_restart(page, demo, mdactors, wait_until):
    port = demo.port
    page.say("Page.navigate", url=f"http://127.0.0.1:{port}/")
    wait_until(lambda: page.value(LIVE) == DOTS, 15)
    demo.end(signal.SIGTERM)
    wait_until(lambda: page.value(LIVE) == 0, 10)
    assert mdactors("demo", "--broker", "kite", "--port", port).port == port
    wait_until(lambda: page.value(LIVE) == DOTS, 15)
    before = page.value(PRICES % "stocks")
    wait_until(lambda: page.value(PRICES % "stocks") != before, 10)


def test_the_dots_say_what_health_says(page, demo, wait_until):
    page.say("Page.navigate", url=f"http://127.0.0.1:{demo.port}/")
    wait_until(lambda: page.value(LIVE) == DOTS, 15)
    assert http_post(demo.port, f"{FEED}/disconnect") == 200
    assert demo.get("/health")[0] == 503
    wait_until(lambda: page.value(LIVE) == 0)
    (reason,) = demo.get("/health")[1]["details"]["reasons"]
    assert page.value(DAEMON) == f"daemon: DOWN; {reason}"
    assert http_post(demo.port, f"{FEED}/connect") == 200
    wait_until(lambda: page.value(LIVE) == DOTS, 15)
    assert page.value(DAEMON) == "daemon: UP"


def http_post(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path)
        return connection.getresponse().status
    finally:
        connection.close()
