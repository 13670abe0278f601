"""What is pinned as the hub sends it, and the prices that it tells the SubscriptionManager."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mdactors.actors.session_hub import SessionHub
from mdactors.market.instrument import Instrument
from mdactors.market.interest import Filter, Interest
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import PricesKnown, PricesWanted, RouteSet, RoutesKnown, TicksPublished
from mdactors.protocol import Delivery
from mdactors.runtime import Address, ChildSpec, Describe

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
TCS = Instrument(2953217, "TCS", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE467B01029")


def tick(instrument: Instrument, seq: int, price: float | None = 100.0) -> Tick:
    return Tick(instrument, Quote(instrument.token, "full", price), "test", 7, seq, 1_790_658_000_000_000_000)


def pinned(*instruments: Instrument) -> Interest:
    tokens = frozenset(instrument.token for instrument in instruments)
    return Interest(pinned=True).with_pins(tokens)


class Rig:
    def __init__(self, listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> None:
        self.deliveries: list[Delivery] = []
        self.manager = listen("manager")
        self.address = Address("session_hub")
        arguments = {
            "deliver": self.deliveries.extend,
            "manager": self.manager.address,
            "normalizers": [],
            "views": listen("views").address,
            "board": listen("nobody").board(),
        }
        run_tree([ChildSpec(self.address, SessionHub, arguments)])
        self.address.tell(RoutesKnown({}))

    def route(self, interest: Interest, **more: Any) -> None:
        self.address.tell(RouteSet("a", interest, **more))
        self.settle()

    def publish(self, *ticks: Tick) -> None:
        self.address.tell(TicksPublished(ticks))
        self.settle()

    def settle(self) -> None:
        self.address.ask(Describe(), timeout=5).result()
        while self.address.depth:
            self.address.ask(Describe(), timeout=5).result()
        self.address.ask(Describe(), timeout=5).result()

    def heard(self) -> list[dict[str, Any]]:
        frames = [frame for delivery in self.deliveries for frame in delivery.frames]
        return [json.loads(frame[frame.index(b"{") :]) for frame in frames]


@pytest.fixture
def rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(listen, run_tree)


def test_what_is_newly_pinned_is_sent_as_it_is_known_and_nothing_twice(rig: Rig) -> None:
    rig.publish(tick(RELIANCE, 1), tick(INFY, 1), tick(TCS, 1))
    rig.route(pinned(RELIANCE))
    rig.route(pinned(RELIANCE, INFY))
    rig.publish(tick(RELIANCE, 2), tick(INFY, 2), tick(TCS, 2))
    ticks = rig.heard()
    assert [(each["symbol"], each["seq"]) for each in ticks] == [
        ("RELIANCE", 1), ("INFY", 1), ("RELIANCE", 2), ("INFY", 2),
    ]  # fmt: skip
    assert all("ltp" in each for each in ticks)


def test_who_begins_to_choose_gets_what_it_chose_and_no_more_in_its_own_shape(rig: Rig) -> None:
    rig.route(pinned(RELIANCE, INFY))
    rig.publish(tick(RELIANCE, 1))
    heard = len(rig.heard())
    rig.route(Interest({RELIANCE.token: "quote"}), answer={"event": "subscribed"})
    rig.publish(tick(RELIANCE, 2), tick(INFY, 2))
    answer, snapshot, live = rig.heard()[heard:]
    assert answer == {"event": "subscribed"}
    assert (snapshot["lastTradedPrice"], snapshot["snapshot"], snapshot["seq"]) == (100.0, True, 1)
    assert (live["symbol"], live["seq"]) == ("RELIANCE", 2)


def test_who_chooses_and_keeps_the_pins_gets_each_in_its_shape_and_nothing_twice(rig: Rig) -> None:
    chosen = msgspec.structs.replace(pinned(RELIANCE, INFY), tokens={RELIANCE.token: "quote"})
    rig.route(chosen)
    rig.publish(tick(RELIANCE, 1), tick(INFY, 1), tick(TCS, 1))
    assert [(each["symbol"], "ltp" in each) for each in rig.heard()] == [("RELIANCE", False), ("INFY", True)]


def test_the_welcome_says_how_much_streams_to_whom_everything_is_sent(rig: Rig) -> None:
    streams = {"stocks": {"streamed": 500, "listed": 2455}}
    interest = Interest(everything=Filter(frozenset({"STOCK"})), events=True)
    rig.route(interest, welcome=True, streams=streams)
    assert rig.heard()[0]["streams"] == streams


def test_prices_are_told_as_far_as_they_are_known(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.publish(tick(RELIANCE, 1, 1400.5), tick(INFY, 1, None))
    rig.address.tell(PricesWanted(frozenset({RELIANCE.token, INFY.token, TCS.token})))
    wait_until(lambda: rig.manager.of(PricesKnown))
    assert rig.manager.of(PricesKnown) == [PricesKnown({RELIANCE.token: 1400.5})]
