"""Views of the market reach who watches them: the present one first, then each that is new."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mdactors.actors.session_hub import SessionHub
from mdactors.market.instrument import Instrument
from mdactors.market.interest import Interest
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import (
    ChannelsWatched,
    FeedStatusChanged,
    NewestKnown,
    NewestWanted,
    RouteDropped,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    TicksPublished,
    ViewsPublished,
)
from mdactors.protocol import Delivery
from mdactors.runtime import Address, ChildSpec, Describe, Kill

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
GAINERS, LOSERS = "movers:gainers", "movers:losers"


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote(RELIANCE.token, "full", 100.0), "test", 7, seq, 1_790_658_000_000_000_000)


def watching(*views: str, **other: Any) -> Interest:
    return Interest(views=frozenset(views), **other)


class Rig:
    def __init__(self, listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> None:
        self.deliveries: list[Delivery] = []
        self.manager, self.views = listen("manager"), listen("views")
        self.address = Address("session_hub")
        arguments = {
            "deliver": self.deliveries.extend,
            "manager": self.manager.address,
            "normalizers": [],
            "views": self.views.address,
            "board": self.views.board(),
        }
        run_tree([ChildSpec(self.address, SessionHub, arguments)])
        self.address.tell(RoutesKnown({}))

    def route(self, session: str, interest: Interest, *, welcome: bool = False, **answer: Any) -> None:
        self.address.tell(RouteSet(session, interest, answer, welcome=welcome))
        self.settle()

    def publish(self, **values: int) -> None:
        payloads = {name.replace("_", ":"): b'{"value":%d}' % value for name, value in values.items()}
        self.address.tell(ViewsPublished(payloads))
        self.settle()

    def settle(self) -> None:
        self.address.ask(Describe(), timeout=5).result()
        self.views.address.ask(Describe(), timeout=5).result()

    def watched(self) -> list[set[str]]:
        return [set(message.channels) for message in self.views.of(ChannelsWatched)]

    def heard(self, session: str) -> list[Any]:
        frames = [f for d in self.deliveries if session in d.sessions for f in d.frames]
        said = [json.loads(frame[frame.index(b"{") :]) for frame in frames]
        return [each.get("event") or each.get("value") for each in said]


@pytest.fixture
def rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(listen, run_tree)


def test_a_view_goes_to_who_watches_its_channel_as_the_same_bytes_under_its_name(rig: Rig) -> None:
    rig.route("a", watching(GAINERS))
    rig.route("b", watching(GAINERS, LOSERS))
    rig.route("c", Interest(events=True), welcome=True)
    rig.publish(movers_gainers=1, movers_losers=2)
    assert (rig.heard("a"), rig.heard("b"), rig.heard("c")) == ([1], [1, 2], ["welcome"])
    gainers = rig.deliveries[1]
    assert (set(gainers.sessions), list(gainers.keys)) == ({"a", "b"}, [GAINERS])


def test_who_comes_later_gets_the_present_view_after_the_answer(rig: Rig) -> None:
    rig.route("a", watching(GAINERS))
    rig.publish(movers_gainers=1)
    rig.publish(movers_gainers=2)
    rig.route("b", watching(GAINERS), event="subscribed")
    assert rig.heard("b") == ["subscribed", 2]
    assert rig.deliveries[-1].keys == [None, GAINERS]
    rig.route("b", watching(GAINERS, LOSERS), event="subscribed")
    assert rig.heard("b") == ["subscribed", 2, "subscribed"]


def test_the_views_are_told_which_channels_are_watched_when_that_changes(rig: Rig) -> None:
    rig.route("a", watching(GAINERS))
    rig.route("b", watching(GAINERS))
    rig.route("b", watching(LOSERS))
    rig.route("a", Interest())
    rig.address.tell(RouteDropped("b"))
    rig.settle()
    assert rig.watched() == [set(), {GAINERS}, {GAINERS, LOSERS}, {LOSERS}, set()]


def test_what_nobody_watched_for_a_while_is_not_shown_as_present(rig: Rig) -> None:
    rig.route("a", watching(GAINERS))
    rig.publish(movers_gainers=1)
    rig.route("a", Interest())
    rig.publish(movers_gainers=2)
    rig.route("a", watching(GAINERS))
    assert rig.heard("a") == [1]
    rig.publish(movers_gainers=3)
    assert rig.heard("a") == [1, 3]


def test_a_fresh_hub_has_all_that_is_watched_published_again(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.route("a", watching(GAINERS))
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: len(rig.manager.of(RoutesWanted)) == 2)
    rig.address.tell(RoutesKnown({"a": watching(GAINERS)}))
    rig.settle()
    assert rig.watched() == [set(), {GAINERS}, set(), {GAINERS}]


def test_fresh_views_are_given_the_newest_ticks_the_statuses_and_the_channels(rig: Rig) -> None:
    rig.address.tell(TicksPublished([tick(1), tick(2)]))
    rig.route("a", watching(GAINERS))
    while rig.address.depth:
        rig.settle()
    status = FeedStatusChanged("test", "live", segments={"NSE_EQ": "NORMAL_OPEN"})
    rig.address.tell(status)
    rig.address.tell(NewestWanted())
    rig.settle()
    assert [each.seq for each in rig.views.of(NewestKnown)[-1].ticks] == [2]
    assert rig.views.of(FeedStatusChanged) == [status, status]
    assert rig.watched()[-2:] == [{GAINERS}, {GAINERS}]


def test_views_that_start_while_the_hub_recovers_are_given_all_once_it_has(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: len(rig.manager.of(RoutesWanted)) == 2)
    rig.address.tell(NewestWanted())
    rig.address.tell(NewestKnown([tick(4)]))
    rig.settle()
    assert [list(each.ticks) for each in rig.views.of(NewestKnown)] == [[tick(4)]]
    rig.address.tell(RoutesKnown({"a": watching(GAINERS)}))
    rig.settle()
    assert len(rig.views.of(NewestKnown)) == 2
    assert rig.watched()[-1] == {GAINERS}


def test_a_brokers_new_word_for_a_segment_is_no_new_status_of_its_feed(rig: Rig) -> None:
    rig.route("a", Interest(events=True), welcome=True)
    rig.address.tell(FeedStatusChanged("test", "live"))
    rig.address.tell(FeedStatusChanged("test", "live", segments={"NSE_EQ": "CLOSING_START"}))
    rig.address.tell(FeedStatusChanged("test", "closed", segments={"NSE_EQ": "CLOSING_START"}))
    rig.settle()
    assert rig.heard("a") == ["welcome", "status", "status"]
    assert len(rig.views.of(FeedStatusChanged)) == 3
