"""One connection to a broker: kept open, subscribed, and told apart from a crash."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors import doubt
from mdactors.actors.broker_connection import DOUBT_SECONDS, LOGIN_SECONDS, BrokerConnection
from mdactors.actors.line import Line, Upkeep
from mdactors.messages import (
    ConnectionReported,
    ConnectRequested,
    DisconnectRequested,
    FrameReceived,
    GapFound,
    SetInterest,
    Subscribed,
    Unsubscribed,
)
from mdactors.runtime import Address, ChildSpec, Clock, Describe, FakeClock, Kill
from mdactors.simulator import SimulatorServer

RELIANCE, INFY, NIFTY = 738561, 408065, 256265
WAIT = 8.0


class Rig:
    """A connection with listeners at its other ends."""

    def __init__(
        self,
        adapter: Any,
        listen: Callable[[str], Any],
        run_tree: Callable[..., Any],
        *,
        spare: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.normalizer, self.manager, self.hub = listen("normalizer"), listen("manager"), listen("hub")
        self.address = Address("kite/connection-1")
        self.line = Line()
        arguments = {
            "adapter": adapter,
            "line": self.line,
            "normalizer": self.normalizer.address,
            "manager": self.manager.address,
            "hub": self.hub.address,
            "spare": spare,
        }
        self.tree = run_tree([ChildSpec(self.address, BrokerConnection, arguments)], clock)

    @property
    def states(self) -> list[str]:
        return [report.state for report in self.manager.of(ConnectionReported)]

    @property
    def details(self) -> list[str]:
        return [report.detail for report in self.manager.of(ConnectionReported)]

    def described(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def settled(self, state: str, times: int = 1) -> bool:
        """Whether it has been in a state so often, and has set the timer that it sets then."""
        return self.states.count(state) >= times and bool(self.described())

    def refused(self, socket: int) -> bool:
        """Whether this socket, or one behind it, has ended, and the timer is set."""
        return (
            self.line.sockets >= socket
            and bool(self.described())
            and self.line.socket is None
            and bool(self.described())
        )

    def subscribe(self, *tokens: int, mode: str = "full") -> None:
        self.address.tell(SetInterest(dict.fromkeys(tokens, mode)))

    def ticked(self) -> bool:
        return any(len(frame.data) > 2 for frame in self.normalizer.of(FrameReceived))


@pytest.fixture
def make_rig(
    listen: Callable[[str], Any], run_tree: Callable[..., Any], make_kite_adapter: Callable[..., Any]
) -> Callable[..., Rig]:
    def make(
        server: SimulatorServer, *, spare: bool = False, clock: Clock | None = None, **settings: Any
    ) -> Rig:
        return Rig(make_kite_adapter(server, **settings), listen, run_tree, spare=spare, clock=clock)

    return make


@pytest.fixture
def rig(kite: SimulatorServer, make_rig: Callable[..., Rig]) -> Rig:
    return make_rig(kite)


def test_it_connects_and_passes_frames_to_the_normalizer(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.subscribe(RELIANCE)
    wait_until(rig.ticked, WAIT)
    assert rig.states == ["connecting", "live"]


def test_the_subscription_is_marked_before_its_first_frame(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.subscribe(RELIANCE)
    wait_until(rig.ticked, WAIT)
    heard = [m for m in rig.normalizer.messages if isinstance(m, Subscribed) or len(m.data) > 2]
    assert isinstance(heard[0], Subscribed)
    assert heard[0].tokens == {RELIANCE}


def test_only_the_difference_of_two_interests_is_told_to_the_broker(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.subscribe(RELIANCE, INFY)
    wait_until(rig.ticked, WAIT)
    rig.subscribe(INFY, NIFTY)
    wait_until(lambda: len(rig.normalizer.of(Subscribed)) == 2, WAIT)
    assert rig.normalizer.of(Subscribed)[1].tokens == {NIFTY}


def test_a_changed_mode_is_told_as_a_change_of_mode(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.subscribe(RELIANCE, mode="ltp")
    wait_until(lambda: len(rig.normalizer.of(Subscribed)) == 1, WAIT)
    rig.subscribe(RELIANCE, mode="full")
    wait_until(lambda: len(rig.normalizer.of(Subscribed)) == 2, WAIT)
    assert rig.normalizer.of(Subscribed)[1].mode_changed


def test_a_lost_network_is_a_state_and_everything_is_subscribed_again(
    rig: Rig, kite: SimulatorServer, wait_until: Callable[..., None]
) -> None:
    rig.subscribe(RELIANCE, INFY)
    wait_until(rig.ticked, WAIT)
    kite.faults.drop()
    wait_until(lambda: rig.states.count("live") == 2, WAIT)
    wait_until(lambda: len(rig.normalizer.of(Subscribed)) == 2, WAIT)
    assert rig.states == ["connecting", "live", "backoff", "connecting", "live"]
    assert rig.normalizer.of(Subscribed)[1].tokens == {RELIANCE, INFY}
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_a_reconnect_tells_the_hub_which_time_is_missing(
    rig: Rig, kite: SimulatorServer, wait_until: Callable[..., None]
) -> None:
    rig.subscribe(RELIANCE)
    wait_until(rig.ticked, WAIT)
    kite.faults.drop()
    wait_until(lambda: rig.hub.of(GapFound), WAIT)
    gap = rig.hub.of(GapFound)[0]
    assert gap.to_ns > gap.from_ns > 0


def test_a_refused_token_stops_connecting_and_says_needs_login(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite, access_token="yesterdays")
    wait_until(lambda: "needs_login" in rig.states, WAIT)
    assert rig.states == ["connecting", "needs_login"]
    assert "log in again" in rig.details[-1]


def test_a_new_token_in_the_file_ends_needs_login(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("yesterdays")
    rig = make_rig(kite, access_token="", access_token_file=str(file))
    wait_until(lambda: "needs_login" in rig.states, WAIT)
    file.write_text("simulated")
    wait_until(lambda: "live" in rig.states, WAIT)
    assert rig.states == ["connecting", "needs_login", "connecting", "live"]


PAGE = b"<html><body>Request blocked</body></html>"


def test_a_gateways_page_is_no_refused_token_and_the_next_handshake_is_made(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = FakeClock()
    kite.faults.refuse(403, 1, PAGE)
    rig = make_rig(kite, clock=clock)
    wait_until(lambda: rig.settled("backoff"), WAIT)
    assert rig.details[-1] == "kite: the websocket refused (403), not in Kite's words: Request blocked"
    clock.advance(4)
    assert rig.described()["state"] == "backoff", "slowly"
    clock.advance(2)
    wait_until(lambda: "live" in rig.states, WAIT)
    assert rig.states == ["connecting", "backoff", "connecting", "live"]


def test_a_refusal_that_goes_on_for_minutes_is_a_login_that_is_needed_and_is_tried_on(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    clock = FakeClock()
    kite.faults.refuse(403, 100, PAGE)
    rig = make_rig(kite, clock=clock)
    for times in range(1, doubt.TIMES):
        wait_until(lambda times=times: rig.settled("backoff", times), WAIT)
        clock.advance(61)
    wait_until(lambda: rig.settled("needs_login"), WAIT)
    assert rig.states.count("backoff") == doubt.TIMES - 1
    assert "refused again and again" in rig.details[-1]
    assert "Request blocked" in rig.details[-1]
    before = rig.line.sockets
    clock.advance(DOUBT_SECONDS)
    wait_until(lambda: rig.refused(before + 1), WAIT)
    assert rig.states[-1] == "needs_login"
    kite.faults.refuse(count=0)
    clock.advance(DOUBT_SECONDS)
    wait_until(lambda: "live" in rig.states, WAIT)
    assert rig.states[-2:] == ["needs_login", "live"], "it stays until one is let in"
    assert caplog.text.count("login needed") == 1


def test_a_few_refusals_within_a_short_time_are_no_login_that_is_needed(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = FakeClock()
    kite.faults.refuse(401, 7, b"")
    rig = make_rig(kite, clock=clock)
    for refused in range(1, 8):
        wait_until(lambda refused=refused: rig.settled("backoff", refused), WAIT)
        rig.address.tell(ConnectRequested())
    wait_until(lambda: "live" in rig.states, WAIT)
    assert "needs_login" not in rig.states


def test_a_new_token_ends_the_doubt_about_the_one_before() -> None:
    doubted = doubt.Doubt()
    for minute in range(4):
        assert not doubted.grows("monday's", minute * 60.0)
    assert not doubted.grows("tuesday's", 240.0)
    assert not any(doubted.grows("tuesday's", 241.0 + second) for second in range(100))
    assert doubted.grows("tuesday's", 240.0 + doubt.SECONDS)
    doubted.end()
    assert not doubted.grows("tuesday's", 900.0)


def test_a_refused_token_is_tried_again_slowly_and_the_state_stays_meanwhile(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = FakeClock()
    kite.faults.expire()
    rig = make_rig(kite, clock=clock)
    wait_until(lambda: rig.settled("needs_login"), WAIT)
    clock.advance(LOGIN_SECONDS - 1)
    assert rig.described()["attempts"] == 1
    clock.advance(1)
    wait_until(lambda: rig.refused(2), WAIT)
    kite.faults.accept("simulated")
    clock.advance(LOGIN_SECONDS)
    wait_until(lambda: "live" in rig.states, WAIT)
    assert rig.states == ["connecting", "needs_login", "live"]


def test_a_network_that_is_lost_while_a_login_is_needed_does_not_hide_that(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = FakeClock()
    kite.faults.expire()
    rig = make_rig(kite, clock=clock)
    wait_until(lambda: rig.settled("needs_login"), WAIT)
    kite.faults.refuse(503, 1)
    clock.advance(LOGIN_SECONDS)
    wait_until(lambda: rig.refused(2), WAIT)
    assert rig.states == ["connecting", "needs_login"]
    assert "TokenException" in rig.described()["detail"]
    assert "503" in rig.described()["said"]["text"]


def test_the_newest_trouble_stays_in_the_status_with_its_time(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = FakeClock()
    kite.faults.refuse(403, 1, PAGE.replace(b"Request", b"Request with simulated"))
    rig = make_rig(kite, clock=clock, access_token="simulated")
    wait_until(lambda: rig.settled("backoff"), WAIT)
    clock.advance(6)
    wait_until(lambda: "live" in rig.states, WAIT)
    described = rig.described()
    assert (described["detail"], described["said"]["time"]) == ("", "2025-10-09T14:23:20.000+05:30")
    assert described["said"]["text"].endswith("Request with *** blocked")


def test_the_line_shows_how_the_connection_stands_and_what_is_to_stream(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("yesterdays")
    rig = make_rig(kite, access_token="", access_token_file=str(file))
    rig.subscribe(RELIANCE)
    wait_until(lambda: Upkeep.of([rig.line, Line()]).login, WAIT)
    assert Upkeep.of([rig.line]).heard is None
    assert rig.line.wanted == {RELIANCE: "full"}
    file.write_text("simulated")
    wait_until(lambda: Upkeep.of([rig.line]).heard, WAIT)
    assert Upkeep.of([Line(), rig.line]).login == ""
    rig.address.tell(DisconnectRequested())
    wait_until(lambda: Upkeep.of([rig.line]).shut, WAIT)
    wait_until(lambda: Upkeep.of([rig.line]).heard is None, WAIT)
    assert not Upkeep.of([rig.line, Line()]).shut


def test_too_many_connections_are_waited_out_not_hammered(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    kite.faults.refuse(429)
    rig = make_rig(kite)
    wait_until(lambda: "backoff" in rig.states, WAIT)
    assert rig.states == ["connecting", "backoff"]
    assert "429" in rig.details[-1]


def test_nothing_listening_is_backed_off(
    make_rig: Callable[..., Rig], kite: SimulatorServer, wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite, websocket_url="ws://127.0.0.1:9")
    wait_until(lambda: rig.states.count("backoff") == 2, WAIT)
    assert "cannot connect" in rig.details[rig.states.index("backoff")]


def test_a_wire_without_tls_is_only_for_loopback(
    make_rig: Callable[..., Rig], kite: SimulatorServer, wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite, websocket_url="ws://192.0.2.1")
    wait_until(lambda: "backoff" in rig.states, WAIT)
    assert "wss://" in rig.details[rig.states.index("backoff")]


def test_a_killed_connection_is_replaced_and_its_socket_ended_first(
    rig: Rig, kite: SimulatorServer, wait_until: Callable[..., None]
) -> None:
    rig.subscribe(RELIANCE)
    wait_until(rig.ticked, WAIT)
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: rig.states.count("live") == 2, WAIT)
    wait_until(lambda: len(kite.connections) == 1, WAIT)
    assert rig.tree.describe()["children"][0]["restarts"] == 1


def test_an_operator_closes_and_opens_it(
    rig: Rig, kite: SimulatorServer, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    wait_until(lambda: "live" in rig.states, WAIT)
    rig.address.tell(DisconnectRequested())
    rig.address.tell(DisconnectRequested())
    wait_until(lambda: rig.states[-1] == "disconnected" and not kite.connections, WAIT)
    rig.address.tell(ConnectRequested())
    wait_until(lambda: rig.states[-1] == "live", WAIT)
    assert caplog.messages.count("closed by an operator") == 1


def test_an_operators_connect_begins_the_pauses_anew(
    make_rig: Callable[..., Rig],
    kite: SimulatorServer,
    wait_until: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = make_rig(kite, websocket_url="ws://127.0.0.1:1")

    def pauses() -> list[float]:
        return [float(seconds) for seconds in re.findall(r"next attempt in ([0-9.]+) s", caplog.text)]

    wait_until(lambda: len(pauses()) == 2, WAIT)
    rig.address.tell(ConnectRequested())
    wait_until(lambda: len(pauses()) == 3, WAIT)
    assert pauses()[1] > 1 >= pauses()[2]


def test_a_connection_closed_by_an_operator_stays_closed_when_its_actor_is_killed(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    wait_until(lambda: "live" in rig.states, WAIT)
    rig.address.tell(DisconnectRequested())
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: rig.states.count("disconnected") == 2, WAIT)
    assert rig.states[-1] == "disconnected"


def test_a_spare_connection_opens_only_when_something_is_to_stream_on_it(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite, spare=True)
    wait_until(lambda: rig.states == ["idle"], WAIT)
    rig.subscribe()
    rig.subscribe(RELIANCE)
    wait_until(rig.ticked, WAIT)
    assert rig.states == ["idle", "connecting", "live"]


def test_who_is_let_in_and_thrown_out_again_waits_longer_each_time(
    rig: Rig, kite: SimulatorServer, wait_until: Callable[..., None]
) -> None:
    for times in (1, 2, 3):
        wait_until(lambda times=times: rig.states.count("live") == times, WAIT)
        kite.faults.drop()
    wait_until(lambda: rig.states.count("backoff") == 3, WAIT)
    assert [detail for detail in rig.details if "attempt" in detail] == ["attempt 2", "attempt 3"]


def test_an_unsubscription_is_marked_for_the_normalizer(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.subscribe(RELIANCE, INFY)
    wait_until(rig.ticked, WAIT)
    rig.subscribe(INFY)
    wait_until(lambda: rig.normalizer.of(Unsubscribed), WAIT)
    assert rig.normalizer.of(Unsubscribed)[0].tokens == {RELIANCE}


def test_no_token_reaches_the_log(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with caplog.at_level(logging.DEBUG, "mdactors"):
        rig = make_rig(kite, access_token="verysecrettoken")
        wait_until(lambda: "needs_login" in rig.states, WAIT)
    assert "verysecrettoken" not in caplog.text + str(rig.manager.messages)
