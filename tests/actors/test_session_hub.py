"""Ticks reach exactly the sessions that want them, encoded once, in the promised order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from mdactors.actors.session_hub import SessionHub
from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel, Filter, Interest
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import (
    AlarmChanged,
    BarsPublished,
    FeedStatusChanged,
    GapFound,
    InstrumentsLoaded,
    NewestKnown,
    NewestWanted,
    RouteDropped,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    SnapshotAsked,
    TicksPublished,
)
from mdactors.protocol import Delivery
from mdactors.runtime import Address, ChildSpec, Describe, Kill

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
STOCKS = Interest(everything=Filter(frozenset({"STOCK"})))


def tick(instrument: Instrument, seq: int, price: float = 100.0) -> Tick:
    quote = Quote(instrument.token, "full", price, previous_close=99.0, volume=5)
    return Tick(instrument, quote, "test", 7, seq, 1_790_658_000_000_000_000)


def bar(instrument: Instrument, interval: Interval = "1m", correction: bool = False) -> Bar:
    return Bar(instrument, interval, 1_790_658_000_000, 1.0, 4.0, 0.5, 2.0, 30, correction)


def watching(*channels: BarChannel) -> Interest:
    return Interest(channels=frozenset(channels))


def payload(frame: bytes) -> dict[str, Any]:
    return dict(json.loads(frame[frame.index(b"{") :]))


class Rig:
    def __init__(self, listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> None:
        self.deliveries: list[Delivery] = []
        self.manager, self.normalizer = listen("manager"), listen("normalizer")
        self.views = listen("views")
        self.board = self.views.board()
        self.address = Address("session_hub")
        arguments = {
            "deliver": self.deliveries.extend,
            "manager": self.manager.address,
            "normalizers": [self.normalizer.address],
            "views": self.views.address,
            "board": self.board,
        }
        self.tree = run_tree([ChildSpec(self.address, SessionHub, arguments)])
        self.address.tell(RoutesKnown({}))

    def route(self, session: str, interest: Interest, *, welcome: bool = False, **answer: Any) -> None:
        self.address.tell(RouteSet(session, interest, answer, welcome=welcome))

    def publish(self, *ticks: Tick) -> None:
        self.address.tell(TicksPublished(ticks))
        self.settle()

    def finish(self, *bars: Bar) -> None:
        self.address.tell(BarsPublished(bars))
        self.settle()

    def settle(self) -> None:
        """Until everything told before is handled."""
        depth_seen = self.address.ask(Describe(), timeout=5).result()
        while self.address.depth:
            depth_seen = self.address.ask(Describe(), timeout=5).result()
        assert depth_seen is not None
        self.address.ask(Describe(), timeout=5).result()

    def heard(self, session: str) -> list[dict[str, Any]]:
        return [payload(f) for d in self.deliveries if session in d.sessions for f in d.frames]

    def names(self, session: str) -> list[str]:
        return [each.get("symbol") or each["event"] for each in self.heard(session)]


@pytest.fixture
def rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(listen, run_tree)


def test_a_session_gets_only_what_it_asked_for(rig: Rig) -> None:
    rig.route("a", Interest({RELIANCE.token: "quote"}))
    rig.route("b", Interest({INFY.token: "quote"}))
    rig.publish(tick(RELIANCE, 1), tick(INFY, 1), tick(NIFTY, 1))
    assert (rig.names("a"), rig.names("b")) == (["RELIANCE"], ["INFY"])


def test_a_snapshot_has_the_name_of_the_newest_table(rig: Rig) -> None:
    bse = Instrument(128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018")
    rig.publish(tick(bse, 1), tick(INFY, 1))
    for day in ("2026-11-19", "2026-11-20"):
        rig.address.tell(InstrumentsLoaded(InstrumentTable.of([RELIANCE, bse], {}, day)))
    rig.route("a", Interest({bse.token: "quote", INFY.token: "quote"}))
    rig.settle()
    assert rig.names("a") == ["BSE:RELIANCE", "INFY"]


def test_a_filter_gets_everything_that_it_admits(rig: Rig) -> None:
    rig.route("a", STOCKS)
    rig.publish(tick(RELIANCE, 1), tick(NIFTY, 1), tick(INFY, 1))
    assert rig.names("a") == ["RELIANCE", "INFY"]


def test_sessions_of_one_group_share_one_delivery(rig: Rig) -> None:
    rig.route("a", STOCKS)
    rig.route("b", STOCKS)
    rig.publish(tick(RELIANCE, 1), tick(INFY, 1))
    (delivery,) = rig.deliveries
    assert set(delivery.sessions) == {"a", "b"}
    assert delivery.joined == b"".join(delivery.frames)


def test_one_tick_in_one_view_is_the_same_bytes_for_all(rig: Rig) -> None:
    rig.route("a", Interest({RELIANCE.token: "quote"}))
    rig.route("b", Interest({RELIANCE.token: "quote"}))
    rig.publish(tick(RELIANCE, 1))
    first, second = rig.deliveries
    assert first.frames[0] is second.frames[0]


def test_views_differ_by_session(rig: Rig) -> None:
    rig.route("a", Interest({RELIANCE.token: "ltp"}))
    rig.route("b", Interest({RELIANCE.token: "quote"}, shape="flat"))
    rig.publish(tick(RELIANCE, 1))
    assert "volume" not in rig.heard("a")[0]
    assert rig.heard("b")[0]["ltp"] == 100.0


def test_who_names_an_instrument_of_its_group_gets_it_once_and_as_named(rig: Rig) -> None:
    rig.route("a", Interest({RELIANCE.token: "ltp"}, everything=STOCKS.everything))
    rig.route("b", STOCKS)
    rig.publish(tick(RELIANCE, 1), tick(INFY, 1))
    assert sorted(rig.names("a")) == ["INFY", "RELIANCE"]
    assert "volume" not in next(each for each in rig.heard("a") if each["symbol"] == "RELIANCE")
    assert rig.names("b") == ["RELIANCE", "INFY"]


def test_the_answer_comes_before_the_snapshot_and_the_snapshot_before_live_ticks(rig: Rig) -> None:
    rig.publish(tick(RELIANCE, 1, 50.0))
    rig.route("a", Interest({RELIANCE.token: "quote"}), event="subscribed")
    rig.publish(tick(RELIANCE, 2))
    answer, snapshot, live = rig.heard("a")
    assert answer["event"] == "subscribed"
    assert (snapshot["snapshot"], snapshot["seq"], snapshot["lastTradedPrice"]) == (True, 1, 50.0)
    assert (live["seq"], "snapshot" in live) == (2, False)


def test_only_new_symbols_get_a_snapshot(rig: Rig) -> None:
    rig.publish(tick(RELIANCE, 1), tick(INFY, 1))
    rig.route("a", Interest({RELIANCE.token: "quote"}))
    rig.route("a", Interest({RELIANCE.token: "quote", INFY.token: "quote"}))
    rig.settle()
    assert rig.names("a") == ["RELIANCE", "INFY"]


def test_after_unsubscribed_no_tick_of_the_symbol_comes(rig: Rig) -> None:
    rig.route("a", Interest({RELIANCE.token: "quote"}))
    rig.publish(tick(RELIANCE, 1))
    rig.route("a", Interest(), event="unsubscribed")
    rig.publish(tick(RELIANCE, 2))
    assert rig.names("a") == ["RELIANCE", "unsubscribed"]


def test_a_session_that_is_gone_gets_nothing(rig: Rig) -> None:
    for session in ("a", "b"):
        rig.route(session, STOCKS)
    rig.address.tell(RouteDropped("a"))
    rig.publish(tick(RELIANCE, 1))
    assert (rig.names("a"), rig.names("b")) == ([], ["RELIANCE"])


def test_who_comes_while_an_alarm_is_on_hears_it_after_the_welcome(rig: Rig, wait_until: Any) -> None:
    rig.board.put("store", "ticks cannot be stored", None)
    rig.board.put("cache", "ticks are not cached", None)
    rig.board.remove("cache")
    rig.route("a", Interest(events=True), welcome=True)
    wait_until(lambda: rig.names("a") == ["welcome", "alarm"])
    alarm = rig.heard("a")[1]
    assert (alarm["id"], alarm["text"], alarm["active"]) == ("store", "ticks cannot be stored", True)
    assert alarm["since"] == rig.board.active()[0].since


def test_events_go_to_those_who_want_them_beginning_with_welcome(rig: Rig) -> None:
    rig.address.tell(FeedStatusChanged("test", "live"))
    rig.route("a", Interest(events=True), welcome=True)
    rig.route("b", Interest({RELIANCE.token: "quote"}))
    rig.settle()
    rig.address.tell(FeedStatusChanged("test", "stale", "no data"))
    rig.address.tell(GapFound("test", "c", 1, 2))
    rig.address.tell(AlarmChanged("store", "away"))
    rig.settle()
    assert rig.names("a") == ["welcome", "status", "gap", "alarm"]
    assert rig.heard("a")[0]["sources"][0]["status"] == "live"
    assert rig.names("b") == []


def test_events_that_begin_with_a_request_begin_with_welcome_before_its_answer(rig: Rig) -> None:
    rig.publish(tick(RELIANCE, 1))
    rig.route("a", Interest())
    rig.address.tell(FeedStatusChanged("test", "live"))
    asked = Interest({RELIANCE.token: "quote"}, events=True)
    rig.route("a", asked, welcome=True, event="subscribed")
    rig.route("a", asked, event="subscribed")
    rig.address.tell(FeedStatusChanged("test", "closed"))
    rig.settle()
    assert rig.names("a") == ["welcome", "subscribed", "RELIANCE", "subscribed", "status"]
    assert [delivery.welcomes for delivery in rig.deliveries] == [True, False, False]


def test_who_was_welcomed_is_not_welcomed_again(rig: Rig, wait_until: Callable[..., None]) -> None:
    interest = Interest(events=True)
    rig.route("a", interest, welcome=True)
    rig.route("a", interest, welcome=True)  # a fresh SubscriptionManager does not know better
    rig.settle()
    rig.address.tell(Kill("a bug"))
    rig.route("a", interest, event="subscribed")
    wait_until(lambda: len(rig.manager.of(RoutesWanted)) == 2)
    rig.address.tell(RoutesKnown({"a": interest}))
    rig.settle()
    assert rig.names("a") == ["welcome", "subscribed"]


def test_a_refused_token_is_told_to_the_session(rig: Rig) -> None:
    rig.address.tell(RouteSet("a", Interest(), {"event": "subscribed"}, frozenset({5})))
    rig.settle()
    assert rig.deliveries[0].refused == {5}


def test_a_fresh_hub_holds_ticks_back_until_it_knows_the_routes(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    interest = Interest({RELIANCE.token: "quote"}, events=True)
    rig.route("a", interest, welcome=True)
    rig.settle()
    rig.address.tell(Kill("a bug"))
    rig.publish(tick(RELIANCE, 1), tick(RELIANCE, 2))
    wait_until(lambda: len(rig.manager.of(RoutesWanted)) == 2)
    wait_until(lambda: len(rig.normalizer.of(NewestWanted)) == 2)
    assert rig.names("a") == ["welcome"]
    rig.address.tell(NewestKnown([tick(INFY, 9)]))
    rig.address.tell(RoutesKnown({"a": interest}))
    rig.route("b", Interest({INFY.token: "quote"}))
    rig.settle()
    assert [each.get("seq") for each in rig.heard("a")] == [None, 1, 2]
    assert [each["seq"] for each in rig.heard("b")] == [9]


def test_who_connects_and_subscribes_while_the_hub_is_down_misses_nothing(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.address.tell(Kill("a bug"))
    opened = Interest(events=True)
    asked = Interest({RELIANCE.token: "quote", INFY.token: "quote"}, events=True)
    rig.publish(tick(RELIANCE, 1))
    rig.route("a", opened, welcome=True)
    rig.route("a", asked, event="subscribed")
    rig.address.tell(AlarmChanged("store", "away"))
    rig.publish(tick(RELIANCE, 2))
    wait_until(lambda: len(rig.manager.of(RoutesWanted)) == 2)
    rig.address.tell(NewestKnown([tick(RELIANCE, 2), tick(INFY, 9)]))
    rig.address.tell(RoutesKnown({"a": asked}))
    rig.settle()
    heard = [each for each in rig.names("a") if each != "INFY"]
    assert heard == ["welcome", "subscribed", "alarm", "RELIANCE", "RELIANCE"]
    assert [each["seq"] for each in rig.heard("a") if each.get("symbol") == "RELIANCE"] == [1, 2]


def test_the_routes_of_a_session_that_the_manager_does_not_know_are_dropped(rig: Rig) -> None:
    rig.route("a", STOCKS)
    rig.address.tell(RoutesKnown({"b": STOCKS}))
    rig.publish(tick(RELIANCE, 1))
    assert (rig.names("a"), rig.names("b")) == ([], ["RELIANCE"])


def test_the_newest_ticks_are_answered(rig: Rig) -> None:
    rig.publish(tick(RELIANCE, 1), tick(RELIANCE, 2))
    found: Sequence[Tick] = rig.address.ask(SnapshotAsked([RELIANCE.token, INFY.token]), timeout=5).result()
    assert [(t.instrument.symbol, t.seq) for t in found] == [("RELIANCE", 2)]


def test_a_bar_is_an_event_with_its_instrument_width_and_time(rig: Rig) -> None:
    rig.route("a", watching(BarChannel("1m")))
    rig.finish(bar(RELIANCE), bar(RELIANCE, correction=True))
    first, second = rig.heard("a")
    assert first == {
        "event": "candle",
        "symbol": "RELIANCE",
        "instrumentToken": 738561,
        "exchange": "NSE",
        "interval": "1m",
        "time": "2026-09-29T10:30:00.000+05:30",
        "open": 1.0,
        "high": 4.0,
        "low": 0.5,
        "close": 2.0,
        "volume": 30,
        "source": "ticks",
    }
    assert second == first | {"correction": True}


def test_a_bar_says_who_made_it_and_of_which_part_of_the_day_it_is(rig: Rig) -> None:
    rig.route("a", watching(BarChannel("1m")))
    rig.finish(replace(bar(RELIANCE), source="broker"), replace(bar(RELIANCE), phase="pre_open"))
    assert [(each["source"], each.get("phase")) for each in rig.heard("a")] == [
        ("broker", None), ("ticks", "pre_open"),
    ]  # fmt: skip


def test_bars_go_to_those_who_watch_their_width_and_instrument(rig: Rig) -> None:
    rig.route("minutes", watching(BarChannel("1m")))
    rig.route("seconds", watching(BarChannel("1s")))
    rig.route("infy", watching(BarChannel("1m", INFY.token)))
    rig.route("ticks", Interest({RELIANCE.token: "quote"}, events=True))
    rig.address.tell(AlarmChanged("store", "away"))
    rig.finish(bar(RELIANCE), bar(INFY), bar(RELIANCE, "1s"))
    assert [each["symbol"] for each in rig.heard("minutes")] == ["RELIANCE", "INFY"]
    assert [(each["symbol"], each["interval"]) for each in rig.heard("seconds")] == [("RELIANCE", "1s")]
    assert [each["symbol"] for each in rig.heard("infy")] == ["INFY"]
    assert rig.names("ticks") == ["alarm"]


def test_who_watches_all_bars_and_one_of_them_gets_that_one_once(rig: Rig) -> None:
    rig.route("a", watching(BarChannel("1m"), BarChannel("1m", INFY.token)))
    rig.route("b", watching(BarChannel("1m", INFY.token)))
    rig.finish(bar(INFY))
    assert (len(rig.heard("a")), len(rig.heard("b"))) == (1, 1)


def test_a_bar_is_encoded_once_shared_by_its_watchers_and_gives_way_to_no_other(rig: Rig) -> None:
    rig.route("a", watching(BarChannel("1m")))
    rig.route("b", watching(BarChannel("1m")))
    rig.route("c", watching(BarChannel("1m", RELIANCE.token)))
    before = rig.address.ask(Describe(), timeout=5).result()["encoded"]
    rig.finish(bar(RELIANCE), bar(INFY))
    assert rig.address.ask(Describe(), timeout=5).result()["encoded"] == before + 2
    shared, own = rig.deliveries
    assert set(shared.sessions) == {"a", "b"}
    assert own.frames[0] is shared.frames[0]
    assert [*shared.keys, *own.keys] == [None, None, None]


def test_a_channel_that_was_ended_is_silent(rig: Rig) -> None:
    rig.route("a", watching(BarChannel("1m"), BarChannel("1s")))
    rig.route("b", watching(BarChannel("1m")))
    rig.route("a", watching(BarChannel("1s")))
    rig.address.tell(RouteDropped("b"))
    rig.finish(bar(RELIANCE), bar(RELIANCE, "1s"))
    assert [each["interval"] for each in rig.heard("a")] == ["1s"]
    assert rig.heard("b") == []


def test_a_fresh_hub_holds_bars_back_until_it_knows_who_watches_them(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    interest = Interest({RELIANCE.token: "quote"}, channels=frozenset({BarChannel("1s")}))
    rig.address.tell(Kill("a bug"))
    rig.address.tell(TicksPublished([tick(RELIANCE, 1)]))
    rig.finish(bar(RELIANCE, "1s"))
    wait_until(lambda: len(rig.manager.of(RoutesWanted)) == 2)
    assert rig.heard("a") == []
    rig.address.tell(RoutesKnown({"a": interest}))
    rig.settle()
    assert rig.names("a") == ["RELIANCE", "RELIANCE"]
    assert rig.heard("a")[1]["event"] == "candle"


def test_what_is_refused_is_told_with_the_version_of_the_interest(rig: Rig) -> None:
    rig.address.tell(RouteSet("a", Interest(version=3), {"event": "subscribed"}, frozenset({5})))
    rig.settle()
    assert rig.deliveries[0].version == 3
