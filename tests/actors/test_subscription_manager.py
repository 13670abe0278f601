"""Wishes become routes at once and subscriptions on the beat, within the broker's limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mdactors.actors.placement import Upstream
from mdactors.actors.subscription_manager import SubscriptionManager
from mdactors.adapter import Limits
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel, Filter, Interest
from mdactors.market.sectors import Sectors
from mdactors.market.selectors import SymbolSelector
from mdactors.market.universe import Universe
from mdactors.messages import (
    ConnectionReported,
    InstrumentsLoaded,
    RouteDropped,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    SessionClosed,
    SessionReported,
    SessionsReported,
    SetInterest,
)
from mdactors.runtime import Address, ChildSpec, Describe, Kill
from mdactors_kite.adapter import KiteAdapter, KiteSettings

SHARES = {
    n: Instrument((n << 8) | 1, f"SHARE{n}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|SHARE{n}")
    for n in range(1, 8)
}
TABLE = InstrumentTable.build({"kite": [(share, share.token) for share in SHARES.values()]})
SECTORS = Sectors()


def token(number: int) -> int:
    return SHARES[number].token


def wish(*numbers: int, mode: Any = "quote") -> Interest:
    return Interest({token(n): mode for n in numbers})


def named(*names: str, mode: Any = "full") -> Callable[[], Universe]:
    return lambda: Universe([SymbolSelector(names)], mode)


def request(*numbers: int) -> dict[str, Any]:
    return {
        "event": "subscribed",
        "id": 5,
        "symbols": {SHARES[n].symbol: SHARES[n].symbol for n in numbers},
        "tokens": {SHARES[n].symbol: token(n) for n in numbers},
        "unknown": [],
    }


class SmallKite(KiteAdapter):
    """Kite with room for two instruments on each of two connections."""

    def __init__(self, full: int) -> None:
        super().__init__(KiteSettings())
        self.limits = Limits(connections=2, alone={"ltp": 2, "quote": 2, "full": full}, total=2)


class Rig:
    def __init__(
        self, listen: Callable[[str], Any], run_tree: Callable[..., Any], full: int = 2, **changed: Any
    ) -> None:
        self.hub = listen("hub")
        self.connections = [listen("kite/connection-1"), listen("kite/connection-2")]
        self.asked = 0
        self.sessions: dict[str, Interest] = {}
        self.address = Address("subscription_manager")
        adapter = SmallKite(full)
        arguments = {
            "upstreams": [Upstream(each.address, adapter) for each in self.connections],
            "hub": self.hub.address,
            "board": self.hub.board(),
            "table": lambda: TABLE,
            "ask_sessions": self._ask,
            "sectors": lambda: SECTORS,
            "grace_seconds": 0.0,
        } | changed
        self.tree = run_tree([ChildSpec(self.address, SubscriptionManager, arguments)])

    def _ask(self) -> None:
        self.asked += 1
        self.address.tell(SessionsReported(dict(self.sessions)))

    def report(self, session: str, interest: Interest, asked: dict[str, Any] | None = None) -> None:
        self.sessions[session] = interest
        self.address.tell(SessionReported(session, interest, asked or {}))

    def streamed(self) -> list[set[int]]:
        """What each connection was told last."""
        told = [connection.of(SetInterest) for connection in self.connections]
        return [set(each[-1].wanted) if each else set() for each in told]

    def status(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def answers(self) -> list[dict[str, Any]]:
        return [dict(route.answer) for route in self.hub.of(RouteSet) if route.answer]


@pytest.fixture
def make_rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Callable[..., Rig]:
    return lambda **changed: Rig(listen, run_tree, **changed)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


def test_a_wish_is_routed_answered_and_streamed_in_the_upstream_mode(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1), request(1))
    wait_until(lambda: rig.streamed()[0] == {token(1)})
    assert rig.connections[0].of(SetInterest)[-1].wanted == {token(1): "full"}
    assert rig.answers() == [
        {
            "event": "subscribed",
            "id": 5,
            "symbols": {"SHARE1": "SHARE1"},
            "instrumentTokens": {"SHARE1": token(1)},
            "unknown": [],
            "rejected": [],
        }
    ]


def test_the_universe_streams_without_any_client(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(universe=named("SHARE1", "NSE:SHARE2", "NOBODY"))
    wait_until(lambda: rig.streamed()[0] == {token(1), token(2)})
    assert rig.status()["unknown"] == ["NOBODY"]


def test_what_does_not_fit_on_one_connection_goes_to_the_next(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1, 2, 3))
    wait_until(lambda: rig.streamed() == [{token(1), token(2)}, {token(3)}])


def test_what_is_refused_is_listed_under_its_own_name(rig: Rig, wait_until: Callable[..., None]) -> None:
    twin = Instrument(1 << 8 | 4, "SHARE1", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|SHARE1")
    every = [*SHARES.values(), twin]
    rig.address.tell(InstrumentsLoaded(InstrumentTable.of(every, {"kite": {token(1): token(1)}})))
    rig.report("a", Interest({twin.token: "quote"}))
    wait_until(lambda: [each["symbol"] for each in rig.status()["refused"]] == ["BSE:SHARE1"])


def test_what_fits_nowhere_is_rejected_listed_and_taken_out_of_the_routes(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1, 2, 3, 4))
    rig.report("b", wish(1, 5), request(1, 5))
    wait_until(lambda: rig.answers())
    (answer,) = rig.answers()
    assert list(answer["symbols"]) == ["SHARE1"]
    assert [rejected["symbol"] for rejected in answer["rejected"]] == ["SHARE5"]
    assert "capacity" in answer["rejected"][0]["reason"]
    route = rig.hub.of(RouteSet)[-1]
    assert (set(route.interest.tokens), route.refused) == ({token(1)}, {token(5)})
    assert [each["symbol"] for each in rig.status()["refused"]] == ["SHARE5"]


def test_what_streams_stays_on_its_connection_when_others_come_and_go(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1))
    rig.report("b", wish(2, 3))
    wait_until(lambda: rig.streamed() == [{token(1), token(2)}, {token(3)}])
    rig.address.tell(SessionClosed("a"))
    wait_until(lambda: rig.streamed() == [{token(2)}, {token(3)}])
    assert rig.hub.of(RouteDropped)[0].session == "a"


def test_the_last_leaver_unsubscribes_only_after_the_grace_time(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(grace_seconds=0.5)
    rig.report("a", wish(1))
    wait_until(lambda: rig.streamed()[0] == {token(1)})
    rig.address.tell(SessionClosed("a"))
    wait_until(lambda: rig.status()["leaving"] == 1)
    assert rig.streamed()[0] == {token(1)}
    wait_until(lambda: rig.streamed()[0] == set())


def test_many_changes_within_a_beat_are_told_once(rig: Rig, wait_until: Callable[..., None]) -> None:
    wait_until(lambda: len(rig.connections[0].of(SetInterest)) == 1)
    for numbers in ([1], [1, 2], [2]):
        rig.report("a", wish(*numbers))
    wait_until(lambda: rig.streamed()[0] == {token(2)})
    assert len(rig.connections[0].of(SetInterest)) == 2


def test_a_connection_that_begins_is_told_its_whole_interest_again(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1))
    wait_until(lambda: rig.streamed()[0] == {token(1)})
    told = len(rig.connections[0].of(SetInterest))
    rig.address.tell(ConnectionReported("kite", "kite/connection-1", "connecting"))
    wait_until(lambda: len(rig.connections[0].of(SetInterest)) == told + 1)
    assert rig.streamed()[0] == {token(1)}


def test_a_fresh_one_asks_the_sessions_and_tells_the_brokers_nothing_less(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1, 2))
    wait_until(lambda: rig.streamed()[0] == {token(1), token(2)})
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: rig.asked == 2)
    wait_until(lambda: rig.status()["sessions"] == 1)
    wait_until(lambda: rig.status()["streamed"] == 2)
    assert all(set(told.wanted) for told in rig.connections[0].of(SetInterest)[-2:])


def test_a_fresh_hub_is_told_every_route(rig: Rig, wait_until: Callable[..., None]) -> None:
    wait_until(lambda: rig.asked == 1)
    rig.report("a", wish(1))
    rig.report("b", wish(2))
    wait_until(lambda: len(rig.hub.of(RouteSet)) == 2)
    rig.address.tell(RoutesWanted())
    wait_until(lambda: rig.hub.of(RoutesKnown) and set(rig.hub.of(RoutesKnown)[-1].interests) == {"a", "b"})


def test_a_new_table_resolves_the_universe_anew(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(universe=named("LATER"))
    later = msgspec.structs.replace(SHARES[7], symbol="LATER")
    table = InstrumentTable.build({"kite": [(later, later.token)]})
    rig.address.tell(InstrumentsLoaded(table))
    wait_until(lambda: rig.streamed()[0] == {later.token})


def test_a_rejected_richer_mode_takes_nothing_away_from_anybody(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(universe=named("SHARE1", mode="quote"), full=0, upstream_mode="quote")
    rig.report("a", wish(1))
    rig.report("b", wish(2, 3, 4))
    wait_until(lambda: rig.streamed() == [{token(1), token(2)}, {token(3), token(4)}])
    rig.report("a", wish(1, mode="full"), request(1))
    wait_until(lambda: rig.answers())
    assert rig.answers()[0]["rejected"][0]["reason"] == "no capacity"
    assert dict(rig.hub.of(RouteSet)[-1].interest.tokens) == {token(1): "quote"}
    rig.report("c", wish(5))
    wait_until(lambda: len(rig.hub.of(RouteSet)) == 4)
    assert rig.streamed() == [{token(1), token(2)}, {token(3), token(4)}]


def test_what_lingers_makes_room_for_what_is_wanted(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(grace_seconds=60.0)
    rig.report("a", wish(1, 2, 3, 4))
    wait_until(lambda: rig.streamed() == [{token(1), token(2)}, {token(3), token(4)}])
    rig.report("a", wish(3, 4))
    rig.report("a", wish(3, 4, 5, 6), request(5, 6))
    wait_until(lambda: rig.answers())
    assert rig.answers()[0]["rejected"] == []
    wait_until(lambda: rig.streamed() == [{token(5), token(6)}, {token(3), token(4)}])


def test_an_idle_connection_is_told_its_interest_so_that_it_opens(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1))
    wait_until(lambda: rig.streamed()[0] == {token(1)})
    told = len(rig.connections[0].of(SetInterest))
    rig.address.tell(ConnectionReported("kite", "kite/connection-1", "idle"))
    wait_until(lambda: len(rig.connections[0].of(SetInterest)) == told + 1)


def test_a_mode_that_the_broker_has_not_is_served_in_the_richest_it_has_and_the_answer_says_so(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", wish(1, mode="depth30"), request(1))
    wait_until(lambda: rig.answers())
    wait_until(lambda: rig.streamed()[0] == {token(1)})
    assert rig.answers()[0]["rejected"] == []
    assert rig.answers()[0]["modes"] == {"SHARE1": "full"}
    assert rig.connections[0].of(SetInterest)[-1].wanted == {token(1): "full"}
    assert rig.hub.of(RouteSet)[-1].interest.tokens == {token(1): "depth30"}
    rig.report("a", wish(1, 2, mode="full"), request(1, 2))
    wait_until(lambda: len(rig.answers()) == 2)
    assert "modes" not in rig.answers()[1]


def test_what_was_refused_while_the_next_request_was_under_way_is_not_streamed_behind_the_sessions_back(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    """The second report still holds what the first answer refuses, and room has come since."""
    rig.report("other", wish(1, 2, 3, 4), request(1, 2, 3, 4))
    rig.report("a", wish(5), request(5))
    rig.address.tell(SessionClosed("other"))
    rig.report("a", wish(5, 6), request(6))
    wait_until(lambda: len(rig.answers()) == 3)
    assert rig.answers()[1]["rejected"][0]["symbol"] == "SHARE5"
    assert rig.answers()[2]["symbols"] == {"SHARE6": "SHARE6"}
    assert set(rig.hub.of(RouteSet)[-1].interest.tokens) == {token(6)}
    rig.report("a", wish(5, 6), request(5))
    wait_until(lambda: len(rig.answers()) == 4)
    assert rig.answers()[3]["symbols"] == {"SHARE5": "SHARE5"}
    assert set(rig.hub.of(RouteSet)[-1].interest.tokens) == {token(5), token(6)}


def test_upstream_the_mode_is_the_richest_that_anybody_still_wants(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(upstream_mode="ltp")

    def mode() -> Any:
        told = rig.connections[0].of(SetInterest)
        return told[-1].wanted.get(token(1)) if told else None

    rig.report("a", wish(1, mode="ltp"))
    wait_until(lambda: mode() == "ltp")
    rig.report("b", wish(1, mode="full"))
    wait_until(lambda: mode() == "full")
    rig.report("c", wish(1, mode="quote"))
    rig.address.tell(SessionClosed("b"))
    wait_until(lambda: mode() == "quote")
    assert set(rig.streamed()[0]) == {token(1)}


def test_status_says_how_many_of_how_many_stream(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.report("a", wish(1, 2, 3, 4, 5), request(5))
    wait_until(lambda: rig.answers())
    assert rig.status()["types"]["stocks"] == {"streamed": 4, "listed": 7}
    assert rig.status()["types"]["indices"] == {"streamed": 0, "listed": 0}


def test_who_gets_everything_is_told_how_much_of_it_streams(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    stocks = Filter(frozenset({"STOCK"}))
    rig.report("a", wish(1))
    rig.report("silent", Interest(everything=stocks))
    rig.report("all", Interest(everything=stocks, events=True))
    wait_until(lambda: len(rig.hub.of(RouteSet)) == 3)
    streams = [route.streams for route in rig.hub.of(RouteSet)]
    assert streams == [{}, {}, {"stocks": {"streamed": 1, "listed": 7}}]


def test_the_first_interest_with_events_is_welcomed_and_no_other(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    with_events = Interest({token(1): "ltp"}, events=True)
    for interest in (wish(1), with_events, with_events):
        rig.report("a", interest)
    rig.report("b", with_events, request(1))
    wait_until(lambda: len(rig.hub.of(RouteSet)) == 4)
    assert [route.welcome for route in rig.hub.of(RouteSet)] == [False, True, False, True]


def test_channels_ride_along_to_the_hub_and_into_the_answer(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    channels = frozenset({BarChannel("1m")})
    rig.report("a", Interest(channels=channels), request() | {"channels": ["candles"]})
    wait_until(lambda: rig.answers())
    assert rig.answers()[0]["channels"] == ["candles"]
    assert rig.hub.of(RouteSet)[-1].interest.channels == channels
