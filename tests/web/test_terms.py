"""What the parameters of a websocket's address, silence and the first request make of a session."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from mdactors.web import session
from mdactors.web.paths import MARKET

SUBSCRIBE = {"action": "SUBSCRIBE", "symbols": ["INFY"]}


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``silence(seconds)``: what counts as silence; a test that needs none has an hour."""

    def last(seconds: float) -> None:
        monkeypatch.setattr(session, "SILENCE_SECONDS", seconds)

    last(3600.0)
    return last


def interest(stage: Any) -> tuple[bool, bool]:
    """Whether the session gets events, and what is pinned."""
    newest = stage.told[-1].interest
    return newest.events, newest.pinned


EVENTS_THEN = {"": (False, True), "events=1": (True, True), "events=0": (False, False)}


@pytest.mark.parametrize(("query", "then"), EVENTS_THEN.items())
def test_events_begin_on_the_market_with_the_first_request_unless_the_client_says_otherwise(
    stage, ask, wait_until, silence, query, then
):
    stage.start()
    client = stage.connect(f"{MARKET}?{query}")
    wait_until(lambda: stage.told)
    before = interest(stage)[0]
    ask(client, **SUBSCRIBE)
    assert (before, interest(stage)[0]) == then


@pytest.mark.parametrize(("query", "events"), [("", False), ("events=1", True), ("events=0", False)])
def test_on_other_paths_events_come_only_where_they_are_asked_for(stage, ask, wait_until, query, events):
    stage.start()
    client = stage.connect(f"/ws/stocks?{query}")
    wait_until(lambda: stage.told)
    assert interest(stage) == (events, False)
    ask(client, **SUBSCRIBE)
    assert interest(stage) == (events, False)


def test_half_a_second_of_silence_shows_what_is_pinned_without_events(stage, ask, wait_until):
    assert session.SILENCE_SECONDS == 0.5
    stage.start()
    client = stage.connect(MARKET)
    wait_until(lambda: stage.told)
    assert interest(stage) == (False, False)
    wait_until(lambda: len(stage.told) == 2)
    assert interest(stage) == (False, True)
    ask(client, **SUBSCRIBE)
    assert interest(stage) == (True, False)


PINS = {"pins=1": (True, True), "pins=0": (False, False)}


@pytest.mark.parametrize(("query", "pinned"), PINS.items())
def test_a_client_may_want_what_is_pinned_always_or_never(stage, ask, wait_until, silence, query, pinned):
    silence(0.0)
    stage.start()
    client = stage.connect(f"{MARKET}?{query}")
    wait_until(lambda: stage.told)
    before = interest(stage)[1]
    ask(client, **SUBSCRIBE)
    assert (before, interest(stage)[1]) == pinned
    assert len(stage.told) == 2, "silence changed nothing"


def test_only_the_market_shows_what_is_pinned(stage, ask, silence):
    silence(0.0)
    stage.start()
    client = stage.connect("/ws/stocks?pins=0")
    ask(client, **SUBSCRIBE)
    ask(client, **SUBSCRIBE)
    assert [each.interest.pinned for each in stage.told] == [False, False, False]


@pytest.mark.parametrize("said", ["ping", json.dumps({"action": "SUBSCRIBE", "symbols": []})])
def test_a_bad_request_breaks_the_silence_and_changes_nothing_else(stage, wait_until, silence, said):
    silence(0.3)
    stage.start()
    client = stage.connect(MARKET)
    client.send(said)
    assert json.loads(client.recv())["event"] == "error"
    later = stage.connect(MARKET)
    wait_until(lambda: any(each.interest.pinned for each in stage.told))
    assert [each.session for each in stage.told if each.interest.pinned] == [stage.session()]
    later.send(said)
    assert json.loads(later.recv())["event"] == "error"
    assert interest(stage) == (False, True)


def test_who_asks_while_the_loop_is_held_up_was_not_silent(stage, wait_until, silence):
    silence(0.1)
    stage.start()
    client = stage.connect(MARKET)
    wait_until(lambda: stage.told)
    held, released = threading.Event(), threading.Event()
    stage._loop.call_soon_threadsafe(lambda: (held.set(), released.wait(10)))
    assert held.wait(10)
    client.send(json.dumps(SUBSCRIBE))
    threading.Timer(0.3, released.set).start()  # longer than the silence
    assert json.loads(client.recv())["event"] == "subscribed"
    assert [each.interest.pinned for each in stage.told] == [False, False]


def test_a_socket_that_is_gone_is_silent_no_more(stage, wait_until, silence):
    silence(0.2)
    stage.start()
    stage.connect(MARKET).close()
    stage.connect(MARKET)
    wait_until(lambda: any(each.interest.pinned for each in stage.told if hasattr(each, "interest")))
    reported = [each for each in stage.told if hasattr(each, "interest")]
    assert [each.session for each in reported if each.interest.pinned] == [stage.session()]
