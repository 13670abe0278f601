"""A stale feed is never connected, and what nobody knows is neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.feed_report import FeedReport, Judged
from mdactors.actors.feed_socket import FeedSocket
from mdactors.actors.line import Line
from mdactors.actors.normalizer import Normalizer
from mdactors.health.feed_watch import Feed, FeedWatch
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.messages import FrameReceived
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Supervisor, Tree, start_tree
from mdactors_kite.adapter import KiteAdapter, KiteSettings

SECOND = 1_000_000_000
TUESDAY_1030 = 1_790_658_000 * SECOND
RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
LTP_FRAME = bytes.fromhex("00010008000b450100022cc7")
Wait = Callable[..., None]


def connect(feed: Feed, clock: FakeClock) -> None:
    """Its line is what it is while it is connected; nobody reads from this socket."""
    line, adapter = feed.connections["connection-1"], KiteAdapter(KiteSettings())
    line.state, line.wanted = "live", {RELIANCE.token: "ltp"}
    line.socket = FeedSocket(
        number=1, adapter=adapter, connection=Address("c"), normalizer=Address("n"), clock=clock
    )


class Rig:
    """Two brokers, said to be so and so."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.board = AlarmBoard(self.clock, lambda _change: None)
        self.feeds = {name: Feed(FeedReport(), {"connection-1": Line()}) for name in ("kite", "upstox")}
        self.watch = FeedWatch(self.feeds, self.clock, self.board)

    def connect(self, name: str) -> None:
        connect(self.feeds[name], self.clock)

    def say(self, name: str, word: str, *segments: str) -> None:
        at = self.clock.monotonic()
        self.feeds[name].report.judged = Judged(at, word, "", bool(segments), frozenset(segments))

    def for_seconds(self, seconds: int, **said: tuple[str, ...]) -> list[str]:
        """Each broker says so every second; the reasons to be DOWN in the end."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            for name, (word, *segments) in said.items():
                self.say(name, word, *segments)
            self.watch.look()
        return list(self.watch.reasons())

    def alarms(self) -> dict[str, str]:
        return {alarm.id: alarm.text for alarm in self.board.active()}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_live_quiet_and_delayed_feeds_are_connected_and_a_stale_one_is_not(rig: Rig) -> None:
    rig.connect("kite")
    for word, shown in (
        ("live", "connected"),
        ("quiet", "connected"),
        ("delayed", "connected"),
        ("stale", "stale"),
    ):
        rig.say("kite", word, "NSE_EQ")
        assert rig.watch.words()["kite"] == shown


def test_without_a_connection_it_is_disconnected_while_a_segment_is_open_and_closed_else(rig: Rig) -> None:
    rig.say("kite", "stale", "NSE_EQ")
    rig.say("upstox", "closed")
    assert rig.watch.words() == {"kite": "disconnected", "upstox": "closed"}
    assert list(rig.watch.reasons()) == ["kite is not connected, though a segment of it is open"]


def test_a_line_whose_actor_died_is_not_connected(rig: Rig) -> None:
    rig.connect("kite")
    rig.say("kite", "live", "NSE_EQ")
    rig.feeds["kite"].connections["connection-1"].end()
    assert rig.watch.words()["kite"] == "disconnected"


def test_a_normalizer_that_says_nothing_makes_its_feed_unknown_which_is_down(rig: Rig) -> None:
    rig.connect("kite")
    assert rig.watch.words() == {"kite": "unknown", "upstox": "unknown"}
    rig.for_seconds(1, kite=("live", "NSE_EQ"), upstox=("closed",))
    assert rig.watch.words() == {"kite": "connected", "upstox": "closed"}
    reasons = rig.for_seconds(11, upstox=("closed",))
    assert rig.watch.words() == {"kite": "unknown", "upstox": "closed"}
    assert reasons == ["how kite's feed is, nobody knows: its normalizer says nothing"]


def test_a_segment_of_which_every_feed_is_stale_for_a_minute_is_a_reason(rig: Rig) -> None:
    rig.connect("kite")
    rig.connect("upstox")
    stale, live = ("stale", "NSE_EQ"), ("live", "NSE_EQ")
    assert rig.for_seconds(100, kite=stale, upstox=live) == []
    assert rig.for_seconds(60, kite=stale, upstox=stale) == []
    assert rig.for_seconds(1, kite=stale, upstox=stale) == [
        "of an open segment every feed is stale for 60 s: kite, upstox"
    ]
    assert rig.for_seconds(1, kite=live, upstox=stale) == []


def test_a_feed_that_is_stale_in_the_evening_is_alone_with_its_segment(rig: Rig) -> None:
    rig.connect("kite")
    rig.connect("upstox")
    reasons = rig.for_seconds(61, kite=("closed",), upstox=("stale", "MCX_FO"))
    assert reasons == ["of an open segment every feed is stale for 60 s: upstox"]
    assert rig.for_seconds(1, kite=("closed",), upstox=("closed",)) == []


def test_what_is_wrong_for_some_seconds_is_an_alarm_until_it_is_not(rig: Rig) -> None:
    rig.connect("kite")
    rig.for_seconds(10, kite=("stale", "NSE_EQ"), upstox=("closed",))
    assert rig.alarms() == {}
    rig.for_seconds(1, kite=("stale", "NSE_EQ"), upstox=("closed",))
    assert rig.alarms() == {"feed-kite": "kite's feed is stale"}
    rig.feeds["kite"].connections["connection-1"].end()
    rig.for_seconds(11, kite=("stale", "NSE_EQ"), upstox=("closed",))
    assert rig.alarms() == {"feed-kite": "kite is not connected, though a segment of it is open"}
    rig.connect("kite")
    rig.for_seconds(1, kite=("live", "NSE_EQ"), upstox=("closed",))
    assert rig.alarms() == {}


def test_a_feed_that_connects_again_and_again_and_brings_nothing_stays_down(rig: Rig) -> None:
    rig.connect("kite")
    rig.for_seconds(1, kite=("live", "NSE_EQ"), upstox=("closed",))
    silent = []
    for _ in range(9):
        silent += [
            rig.for_seconds(1, kite=(word, "NSE_EQ"), upstox=("closed",))
            for word in ["quiet"] * 10 + ["stale"] * 2
        ]
    assert silent[80:] == [["of an open segment every feed is stale for 60 s: kite"]] * 28
    assert rig.for_seconds(14, kite=("quiet", "NSE_EQ"), upstox=("closed",)) != []
    assert rig.for_seconds(2, kite=("quiet", "NSE_EQ"), upstox=("closed",)) == []
    assert rig.alarms() == {}


class Broker:
    """One broker's Normalizer at 10:30 on a Tuesday, with a calendar."""

    def __init__(self, calendar: Calendar) -> None:
        self.clock = FakeClock(TUESDAY_1030)
        self.board = AlarmBoard(self.clock, lambda _change: None)
        self.feed = Feed(FeedReport(), {"connection-1": Line()})
        self.watch = FeedWatch({"kite": self.feed}, self.clock, self.board)
        self.address = Address("kite/normalizer")
        table = InstrumentTable.build({"kite": [(RELIANCE, RELIANCE.token)]})
        arguments = {
            "adapter": KiteAdapter(KiteSettings()), "table": lambda: table, "hub": Address("hub"),
            "sinks": [], "connections": {}, "calendar": calendar, "report": self.feed.report,
            "lines": list(self.feed.connections.values()), "board": self.board,
        }  # fmt: skip
        child = ChildSpec(self.address, Normalizer, arguments, ping_limit=None)
        root = ChildSpec(Address("root"), Supervisor, {"children": [child]}, ping_limit=None)
        self.tree: Tree = start_tree(root, self.clock, lambda _reason: None)

    def hear(self, wait_until: Wait) -> None:
        """A frame comes, and is seen at the next beat."""
        frames = self.frames()
        self.address.tell(FrameReceived("kite/connection-1", LTP_FRAME, self.clock.time_ns()))
        wait_until(lambda: self.frames() > frames)
        self.pass_seconds(2)

    def frames(self) -> int:
        return int(self.address.ask(Describe(), timeout=5).result()["frames"])

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.frames()
            self.watch.look()


@pytest.fixture
def start() -> Iterator[Callable[..., Broker]]:
    brokers: list[Broker] = []

    def begin(calendar: Calendar | None = None) -> Broker:
        brokers.append(Broker(calendar or Calendar()))
        return brokers[-1]

    yield begin
    for broker in brokers:
        broker.tree.stop()


def test_a_feed_that_falls_silent_while_its_segment_is_open_is_down_after_a_minute(
    start: Callable[..., Broker], wait_until: Wait
) -> None:
    broker = start()
    connect(broker.feed, broker.clock)
    broker.hear(wait_until)
    assert broker.watch.words() == {"kite": "connected"}
    broker.pass_seconds(11)
    assert broker.watch.words() == {"kite": "stale"}
    assert list(broker.watch.reasons()) == []
    broker.pass_seconds(61)
    assert list(broker.watch.reasons()) == ["of an open segment every feed is stale for 60 s: kite"]
    assert [alarm.id for alarm in broker.board.active()] == ["feed-kite"]
    broker.hear(wait_until)
    assert (broker.watch.words(), broker.board.active()) == ({"kite": "connected"}, ())


def test_silence_after_the_close_is_no_trouble(start: Callable[..., Broker], wait_until: Wait) -> None:
    broker = start()
    broker.hear(wait_until)
    broker.clock.advance(6 * 3600)
    broker.pass_seconds(70)
    assert broker.watch.words() == {"kite": "closed"}
    assert (list(broker.watch.reasons()), broker.board.active()) == ([], ())
