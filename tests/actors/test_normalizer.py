"""Frames of a real simulated broker become ticks, and bad ones cost only themselves."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Any

import pytest

from mdactors.actors.feed_report import FeedReport
from mdactors.actors.feed_socket import FeedSocket
from mdactors.actors.line import Line
from mdactors.actors.normalizer import Normalizer
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.messages import (
    AlarmChanged,
    FeedStatusChanged,
    FrameReceived,
    InstrumentsLoaded,
    NewestKnown,
    NewestWanted,
    SnapshotMissing,
    TicksPublished,
)
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill
from mdactors_kite.adapter import KiteAdapter, KiteSettings
from mdactors_upstox.adapter import UpstoxAdapter

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
SNAPSHOT_KEY = "NSE_EQ|INE002A01018"
# Vectors V3 (a snapshot of one share) and V7 (a partial update of it) of Upstox's wire.
SNAPSHOT = bytes.fromhex(
    "12d0020a134e53455f45517c494e4530303241303130313812b80212b3020ab0020a1b099a99999999f5934010e7f1a2dc8e3418"
    "2a210000000000e89340127f0a1808ba04113333333333f5934018ea05219a99999999f593400a1808ee0211cdccccccccf49340"
    "18bc05210000000000f693400a18088003116666666666f4934018e40f216666666666f693400a1708d101110000000000f49340"
    "180121cdccccccccf693400a160841119a99999999f393401801213333333333f793401a00226b0a340a023164110000000000d8"
    "9340199a99999999ff9340210000000000d29340299a99999999f5934030b6bfdb0338c0d89fca8e340a330a0249311133333333"
    "33f39340190000000000f69340216666666666f2934029cdccccccccf4934030f2e40238a0949fdc8e34291f85eb51b8ea934030"
    "b6bfdb034900000000d4eb15415100000000e4b51941800101200118c8f4a2dc8e34"
)
PARTIAL = bytes.fromhex(
    "0801123f0a134e53455f45517c494e45303032413031303138122812240a220a1b090000000000f6934010a48fa3dc8e34180a21"
    "0000000000e8934030c0bfdb032001188890a3dc8e34"
)


def ltp_frame(*packets: tuple[int, int]) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">HIi", 8, *packet) for packet in packets)


class Rig:
    def __init__(
        self, adapter: Any, instrument_tokens: Any, listen: Any, run_tree: Any, clock: Any = None
    ) -> None:
        self.table = InstrumentTable.build({adapter.name: instrument_tokens})
        self.hub, self.sink, self.connection = listen("hub"), listen("sink"), listen("connection")
        self.address = Address("normalizer")
        self.board = self.hub.board(clock)
        self.line = Line()
        arguments = {
            "adapter": adapter,
            "table": lambda: self.table,
            "hub": self.hub.address,
            "sinks": [self.sink.address],
            "connections": {"c": self.connection.address},
            "calendar": Calendar(always_open=True),
            "lines": [self.line],
            "report": FeedReport(),
            "board": self.board,
        }
        self.tree = run_tree([ChildSpec(self.address, Normalizer, arguments)], clock)

    def receive(self, frame: bytes | str) -> None:
        self.address.tell(FrameReceived("c", frame, 1_790_658_005_000_000_000))

    @property
    def ticks(self) -> list[Any]:
        return [tick for published in self.hub.of(TicksPublished) for tick in published.ticks]

    def counters(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())


@pytest.fixture
def kite_rig(listen: Callable[..., Any], run_tree: Callable[..., Any]) -> Rig:
    tokens = [(RELIANCE, RELIANCE.token), (INFY, INFY.token)]
    return Rig(KiteAdapter(KiteSettings()), tokens, listen, run_tree)


@pytest.fixture
def upstox_rig(listen: Callable[..., Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(UpstoxAdapter(UpstoxAdapter.settings()), [(RELIANCE, SNAPSHOT_KEY)], listen, run_tree)


def test_hub_and_sinks_get_the_same_message(kite_rig: Rig, wait_until: Callable[..., None]) -> None:
    kite_rig.receive(ltp_frame((RELIANCE.token, 142_535), (INFY.token, 150_000)))
    wait_until(lambda: kite_rig.sink.messages)
    wait_until(lambda: kite_rig.hub.of(TicksPublished))
    assert kite_rig.hub.of(TicksPublished)[0] is kite_rig.sink.of(TicksPublished)[0]
    assert [t.quote.last_price for t in kite_rig.ticks] == [1425.35, 1500.0]


def test_a_bad_packet_costs_one_log_line_and_nothing_beside_it(
    kite_rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    bad = struct.pack(">HH16s", 3, 16, bytes(16))
    good = struct.pack(">HIi", 8, RELIANCE.token, 100) + struct.pack(">HIi", 8, INFY.token, 200)
    with caplog.at_level(logging.ERROR, "mdactors"):
        kite_rig.receive(bad + good)
        wait_until(lambda: len(kite_rig.ticks) == 2)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "bad packet, 16 bytes" in caplog.text
    assert kite_rig.counters()["bad"] == 1


def test_a_sentinel_is_counted_and_its_tick_has_no_price(
    kite_rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mdactors"):
        kite_rig.receive(ltp_frame((RELIANCE.token, 2**31 - 1), (INFY.token, 0)))
        kite_rig.receive(ltp_frame((RELIANCE.token, 142_535), (INFY.token, -2_000_000_000)))
        wait_until(lambda: len(kite_rig.ticks) == 4)
    assert [t.quote.last_price for t in kite_rig.ticks] == [None, None, 1425.35, None]
    assert kite_rig.counters()["sentinels"] == 2
    assert "21474836.47" in caplog.text
    assert kite_rig.counters()["bad"] == 0


def test_the_log_of_a_bad_packet_is_bounded(
    kite_rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    body = bytes(9000)
    with caplog.at_level(logging.ERROR, "mdactors"):
        kite_rig.receive(struct.pack(">HH", 1, len(body)) + body)
        wait_until(lambda: caplog.records)
    assert len(caplog.records[0].getMessage()) < 300


def test_a_text_of_the_broker_is_logged_and_harms_nothing(
    kite_rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mdactors"):
        kite_rig.receive('{"type":"error","data":"too many tokens"}')
        kite_rig.receive("{broken")
        kite_rig.receive(ltp_frame((RELIANCE.token, 100)))
        wait_until(lambda: kite_rig.ticks)
    assert "too many tokens" in caplog.text


def test_a_partial_update_is_merged_and_published_whole(
    upstox_rig: Rig, wait_until: Callable[..., None]
) -> None:
    upstox_rig.receive(SNAPSHOT)
    upstox_rig.receive(PARTIAL)
    wait_until(lambda: len(upstox_rig.ticks) == 2)
    snapshot, update = upstox_rig.ticks
    assert (snapshot.snapshot, update.snapshot) == (True, False)
    assert (update.quote.last_price, update.quote.volume) == (1277.5, 7_790_528)
    assert (update.quote.high, update.quote.average_price) == (1279.9, 1274.68)
    assert update.quote.depth() == snapshot.quote.depth()


def test_a_fresh_one_asks_for_what_partial_updates_need(
    upstox_rig: Rig, wait_until: Callable[..., None]
) -> None:
    upstox_rig.receive(SNAPSHOT)
    upstox_rig.receive(PARTIAL)
    wait_until(lambda: len(upstox_rig.ticks) == 2)
    upstox_rig.address.tell(Kill("a bug"))
    upstox_rig.receive(PARTIAL)
    wait_until(lambda: upstox_rig.connection.of(SnapshotMissing))
    assert upstox_rig.connection.of(SnapshotMissing)[0].tokens == {SNAPSHOT_KEY}
    assert len(upstox_rig.ticks) == 2


def test_a_snapshot_that_does_not_come_is_not_asked_for_with_every_frame(
    upstox_rig: Rig, wait_until: Callable[..., None]
) -> None:
    for _ in range(20):
        upstox_rig.receive(PARTIAL)
    wait_until(lambda: upstox_rig.counters()["without_base"] == 20)
    wait_until(lambda: upstox_rig.connection.of(SnapshotMissing))
    assert len(upstox_rig.connection.of(SnapshotMissing)) == 1


def test_the_log_of_what_a_broker_sends_is_bounded_and_the_counter_exact(
    kite_rig: Rig, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "mdactors"):
        for _ in range(200):
            kite_rig.receive(struct.pack(">HH16s", 1, 16, bytes(16)))
        wait_until(lambda: kite_rig.counters()["bad"] == 200)
    assert len(caplog.records) <= 22


def test_a_fresh_one_starts_a_new_epoch_and_handles_what_waited(
    kite_rig: Rig, wait_until: Callable[..., None]
) -> None:
    kite_rig.receive(ltp_frame((RELIANCE.token, 100)))
    wait_until(lambda: kite_rig.ticks)
    kite_rig.address.tell(Kill("a bug"))
    for price in range(200, 210):
        kite_rig.receive(ltp_frame((RELIANCE.token, price)))
    wait_until(lambda: len(kite_rig.ticks) == 11)
    first, *after = kite_rig.ticks
    assert [t.seq for t in after] == list(range(1, 11))
    assert all(t.epoch > first.epoch for t in after)


def test_a_fresh_hub_gets_every_newest_tick(kite_rig: Rig, wait_until: Callable[..., None]) -> None:
    kite_rig.receive(ltp_frame((RELIANCE.token, 100), (INFY.token, 200), (RELIANCE.token, 300)))
    kite_rig.address.tell(NewestWanted())
    wait_until(lambda: kite_rig.hub.of(NewestKnown))
    wait_until(lambda: kite_rig.ticks)
    kite_rig.address.tell(NewestWanted())
    wait_until(lambda: len(kite_rig.hub.of(NewestKnown)) == 2)
    newest = {t.instrument.symbol: t.quote.last_price for t in kite_rig.hub.of(NewestKnown)[1].ticks}
    assert newest == {"RELIANCE": 3.0, "INFY": 2.0}


def test_a_new_table_brings_new_instruments(kite_rig: Rig, wait_until: Callable[..., None]) -> None:
    tcs = Instrument(2953217, "TCS", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE467B01029")
    kite_rig.receive(ltp_frame((tcs.token, 100)))
    table = InstrumentTable.build({"kite": [(tcs, tcs.token)]})
    wait_until(lambda: kite_rig.counters()["unknown"] == 1)
    kite_rig.address.tell(InstrumentsLoaded(table))
    kite_rig.receive(ltp_frame((tcs.token, 200)))
    wait_until(lambda: kite_rig.ticks)
    assert kite_rig.ticks[0].instrument.symbol == "TCS"


class Silent:
    """A rig on a clock that a test moves, with what the hub was told of its feed."""

    def __init__(self, rig: Rig, clock: FakeClock, wait_until: Callable[..., None]) -> None:
        self.rig = rig
        self.clock = clock
        self._wait_until = wait_until
        self._received = 0
        wait_until(lambda: self.words == ["quiet"])
        rig.line.wanted = {RELIANCE.token: "full"}

    @property
    def words(self) -> list[str]:
        return [status.status for status in self.rig.hub.of(FeedStatusChanged)]

    @property
    def alarms(self) -> list[tuple[str, bool]]:
        return [(alarm.id, alarm.active) for alarm in self.rig.hub.of(AlarmChanged)]

    def pass_time(self, seconds: int) -> None:
        """Let so many seconds pass, each with its beat."""
        for _ in range(seconds):
            self.rig.counters()
            self.clock.advance(1.0)
            self.rig.counters()

    def receive(self, token: int) -> None:
        self.rig.address.tell(FrameReceived("c", ltp_frame((token, 100)), self.clock.time_ns()))
        self._received += 1
        self._wait_until(lambda: self.rig.counters()["frames"] == self._received)

    def connect(self) -> FeedSocket:
        """Have the line live, on a socket whose bytes come when the test says so."""
        connection = self.rig.connection.address
        adapter = KiteAdapter(KiteSettings())
        socket = FeedSocket(
            number=1,
            adapter=adapter,
            connection=connection,
            normalizer=self.rig.address,
            clock=self.clock,
        )
        self.rig.line.socket, self.rig.line.state = socket, "live"
        return socket


@pytest.fixture
def silent(
    listen: Callable[..., Any], run_tree: Callable[..., Any], wait_until: Callable[..., None]
) -> Silent:
    clock = FakeClock()
    adapter = KiteAdapter(KiteSettings(api_key="my-app"))
    return Silent(Rig(adapter, [(RELIANCE, RELIANCE.token)], listen, run_tree, clock), clock, wait_until)


def test_a_feed_that_goes_silent_is_told_to_be_stale_and_live_again(
    silent: Silent, wait_until: Callable[..., None]
) -> None:
    silent.receive(RELIANCE.token)
    silent.pass_time(1)
    wait_until(lambda: silent.words[-1:] == ["live"])
    silent.pass_time(12)
    wait_until(lambda: silent.words[-1:] == ["stale"])
    silent.receive(RELIANCE.token)
    silent.pass_time(1)
    wait_until(lambda: silent.words[-1:] == ["live"])


def test_a_feed_whose_heartbeats_come_is_told_to_be_quiet(
    silent: Silent, wait_until: Callable[..., None]
) -> None:
    socket = silent.connect()
    silent.receive(RELIANCE.token)
    silent.pass_time(1)
    for _ in range(12):
        socket.last_received = silent.clock.monotonic()
        silent.pass_time(1)
    wait_until(lambda: silent.words[-2:] == ["live", "quiet"])
    wait_until(lambda: silent.rig.counters()["detail"] == "no data for 10 s")


def test_quotes_of_nothing_that_is_known_are_no_data(silent: Silent, wait_until: Callable[..., None]) -> None:
    silent.connect()
    silent.receive(INFY.token)
    silent.pass_time(1)
    wait_until(lambda: silent.rig.counters()["detail"] == "no data yet")
    assert silent.rig.counters()["unknown"] == 1
    wait_until(lambda: silent.words == ["quiet", "quiet"])


def test_a_feed_without_subscriptions_is_quiet_and_says_why(
    silent: Silent, wait_until: Callable[..., None]
) -> None:
    silent.rig.line.wanted = {}
    silent.connect()
    silent.pass_time(1)
    wait_until(lambda: silent.rig.counters()["detail"] == "nothing is subscribed")
    assert silent.rig.counters()["status"] == "quiet"


def test_a_login_that_is_needed_is_the_word_and_an_alarm_with_the_address_until_it_works(
    silent: Silent, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    silent.rig.line.detail, silent.rig.line.state = "token refused", "needs_login"
    silent.pass_time(3)
    wait_until(lambda: silent.words == ["quiet", "needs_login"])
    wait_until(lambda: silent.alarms)
    (alarm,) = silent.rig.board.active()
    assert (alarm.id, alarm.text) == (
        "login-kite",
        "token refused; the login page is https://kite.zerodha.com/connect/login?v=3&api_key=my-app",
    )
    assert sum("alarm login-kite" in record.message for record in caplog.records) == 1
    silent.connect()
    silent.pass_time(1)
    wait_until(lambda: silent.alarms == [("login-kite", True), ("login-kite", False)])
    wait_until(lambda: silent.words == ["quiet", "needs_login", "quiet"])
    assert silent.rig.board.active() == ()


def test_a_successor_finds_over_that_a_login_is_needed(
    silent: Silent, wait_until: Callable[..., None]
) -> None:
    silent.rig.line.detail, silent.rig.line.state = "token refused", "needs_login"
    silent.pass_time(1)
    wait_until(lambda: silent.alarms)
    silent.rig.address.tell(Kill("a bug"))
    wait_until(lambda: silent.rig.tree.describe()["children"][0]["restarts"] == 1)
    silent.pass_time(1)
    assert silent.alarms == [("login-kite", True)]
    silent.connect()
    silent.pass_time(1)
    wait_until(lambda: silent.alarms == [("login-kite", True), ("login-kite", False)])


def test_the_newest_text_of_the_broker_is_kept_with_its_time(
    kite_rig: Rig, wait_until: Callable[..., None]
) -> None:
    assert kite_rig.counters()["said"] == {}
    for text in ("too many tokens", "x" * 10_000, "maintenance at 18:00"):
        kite_rig.receive(f'{{"type":"error","data":"{text}"}}')
    wait_until(lambda: kite_rig.counters()["notices"] == 3)
    said = kite_rig.counters()["said"]
    assert said == {
        "time": "2026-09-29T10:30:05.000+05:30",
        "connection": "c",
        "text": "maintenance at 18:00",
    }


@pytest.mark.parametrize(("speed", "status"), [(1.0, "delayed"), (60.0, "live")])
def test_what_is_a_delay_is_real_time_however_fast_the_clock_goes(
    speed: float,
    status: str,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
    wait_until: Callable[..., None],
) -> None:
    second = 1_790_658_005
    clock = FakeClock(second * 10**9, speed)
    rig = Rig(KiteAdapter(KiteSettings()), [(NIFTY, NIFTY.token)], listen, run_tree, clock)
    rig.line.wanted = {NIFTY.token: "full"}
    for said, received in ((second, second), (second + 1, second + 101)):
        full = struct.pack(">HHI6iI", 1, 32, NIFTY.token, 100, 100, 100, 100, 100, 0, said)
        rig.address.tell(FrameReceived("c", full, received * 10**9))
    wait_until(lambda: len(rig.ticks) == 2)
    clock.advance(1.0)
    wait_until(lambda: [each.status for each in rig.hub.of(FeedStatusChanged)][-1:] == [status])
