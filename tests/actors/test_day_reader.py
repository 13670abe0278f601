"""What a broker's feed cannot tell of the day so far is looked up in the store, else asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.today import NOW_NS

from mdactors.actors.day_reader import BEAT_SECONDS, RETRY_SECONDS, DayReader
from mdactors.actors.feed_report import FeedReport
from mdactors.actors.line import Line
from mdactors.actors.normalizer import Normalizer
from mdactors.adapter import BrokerToken
from mdactors.errors import BrokerUnavailable, StoreError
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.ist import SECOND_NS
from mdactors.market.numbering import Numbering
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import (
    ClosesKnown,
    FrameReceived,
    NewestKnown,
    NewestWanted,
    TicksPublished,
)
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors_kite import simulator_packets as wire
from mdactors_kite.adapter import KiteAdapter, KiteSettings

INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
OPTION = Instrument(45450 << 8 | 2, "NIFTY26DEC24000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45450")
TODAY = dt.date(2026, 11, 20)
EVENING_NS = NOW_NS + 7 * 3600 * SECOND_NS
"""17:30: the broker says the day's close where the previous one was."""


class Broker(KiteAdapter):
    """Knows a few closes."""

    closes_per_second = 50.0

    def __init__(self) -> None:
        super().__init__(KiteSettings())
        self.asked: list[tuple[BrokerToken, dt.date]] = []
        self.is_away = False

    def previous_close(self, token: BrokerToken, date: dt.date) -> float | None:
        self.asked.append((token, date))
        if self.is_away:
            raise BrokerUnavailable("away")
        return {INFY.token: 1490.0}.get(int(token))


class Away(SqliteTicks):
    """A store that is away as often as it is told."""

    failures = 0

    def newest(self, since_ns: int) -> Any:
        if self.failures:
            self.failures -= 1
            raise StoreError("away")
        return super().newest(since_ns)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = Away(SqliteDatabase(tmp_path / "ticks.db"))
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(EVENING_NS)


def published(*said: tuple[Instrument, Quote], at_ns: int = NOW_NS) -> list[Tick]:
    """Ticks of the morning."""
    numbering = Numbering("kite", 1, {each.token: each for each, _ in said})
    return numbering.number([quote for _, quote in said], at_ns)


def share(close: float = 1490.0) -> Quote:
    return Quote(INFY.token, "full", 1480.0, volume=900, previous_close=close, complete=True)


def keep(store: SqliteTicks, ticks: list[Tick]) -> None:
    store.write(ticks, None, Position("journal", 1, 1, len(ticks)))


class Rig:
    def __init__(self, listen: Any, run_tree: Any, clock: FakeClock, store: SqliteTicks | None) -> None:
        self.normalizer, self.broker, self.clock = listen("normalizer"), Broker(), clock
        self.address, self.report = Address("reader"), FeedReport()
        arguments = {
            "adapter": self.broker, "store": store, "normalizer": self.normalizer.address,
            "report": self.report,
        }  # fmt: skip
        run_tree([ChildSpec(self.address, DayReader, arguments)], clock)


@pytest.fixture
def rig(listen: Any, run_tree: Any, clock: FakeClock, store: SqliteTicks) -> Rig:
    return Rig(listen, run_tree, clock, store)


def test_a_normalizer_that_starts_is_told_the_newest_stored_tick_of_each_instrument(rig, store, wait_until):
    keep(store, published((INFY, share())))
    rig.address.tell(NewestWanted())
    wait_until(lambda: rig.normalizer.of(NewestKnown))
    (tick,) = rig.normalizer.of(NewestKnown)[0].ticks
    assert (tick.instrument.token, tick.quote.previous_close, tick.quote.volume) == (INFY.token, 1490.0, 900)


def test_a_store_that_is_away_is_read_as_soon_as_it_is_back(rig, store, wait_until):
    keep(store, published((INFY, share())))
    store.failures = 2
    rig.address.tell(NewestWanted())
    wait_until(lambda: store.failures == 1)
    rig.clock.advance(RETRY_SECONDS)
    wait_until(lambda: store.failures == 0)
    rig.clock.advance(2 * RETRY_SECONDS)
    wait_until(lambda: rig.normalizer.of(NewestKnown))


def test_closes_are_asked_for_one_by_one_and_each_once(rig, wait_until):
    rig.report.withheld = {INFY.token: TODAY, 2: TODAY}
    wait_until(lambda: rig.clock.advance(BEAT_SECONDS) or len(rig.broker.asked) == 2)
    for _ in range(3):
        rig.clock.advance(BEAT_SECONDS)
    assert rig.address.ask(Describe(), timeout=5).result()["asked"] == 2
    assert rig.broker.asked == [(INFY.token, TODAY), (2, TODAY)]
    assert rig.normalizer.of(ClosesKnown)[0].closes == {INFY.token: 1490.0}


def test_a_broker_that_is_away_is_asked_again(rig, wait_until):
    rig.broker.is_away = True
    rig.report.withheld = {INFY.token: TODAY}
    wait_until(lambda: rig.clock.advance(BEAT_SECONDS) or rig.broker.asked)
    rig.broker.is_away = False
    wait_until(lambda: rig.clock.advance(RETRY_SECONDS) or rig.normalizer.of(ClosesKnown))


# --- With the Normalizer


class Evening:
    """A Normalizer that starts in the evening, and its reader."""

    def __init__(self, listen: Any, run_tree: Any, clock: FakeClock, store: SqliteTicks | None) -> None:
        self.hub, self.clock = listen("hub"), clock
        self.address, reader, broker = Address("kite/normalizer"), Address("reader"), Broker()
        report = FeedReport()
        table = InstrumentTable.build({"kite": [(each, each.token) for each in (INFY, OPTION)]})
        normalizer = {
            "adapter": broker, "table": lambda: table, "hub": self.hub.address, "sinks": [],
            "connections": {}, "calendar": Calendar(), "lines": [Line()], "report": report,
            "board": self.hub.board(clock), "day_reader": reader,
        }  # fmt: skip
        reading = {"adapter": broker, "store": store, "normalizer": self.address, "report": report}
        run_tree(
            [ChildSpec(reader, DayReader, reading), ChildSpec(self.address, Normalizer, normalizer)], clock
        )

    def say(self, close: float) -> None:
        """One packet of INFY at 1480.00, of which the broker says that the last close was another."""
        head = [INFY.token, 148_000, 1, 148_000, 950, 5, 6, 148_400, 149_500, 147_000, round(close * 100)]
        second = self.clock.time_ns() // SECOND_NS
        packet = b"".join(each.to_bytes(4) for each in [*head, second - 9, 0, 0, 0, second]) + bytes(120)
        for frame in wire.frames([packet], 1):
            self.address.tell(FrameReceived("c", frame, self.clock.time_ns()))

    def closes(self) -> list[float | None]:
        told = self.hub.of(TicksPublished)
        return [tick.quote.previous_close for each in told for tick in each.ticks]


def test_after_a_restart_in_the_evening_the_previous_close_is_that_of_the_days_ticks(
    listen, run_tree, clock, store, wait_until
):
    keep(store, published((INFY, share(1485.0))))
    evening = Evening(listen, run_tree, clock, store)
    evening.say(1480.0)
    wait_until(lambda: evening.closes()[-1:] == [1485.0])
    evening.say(1480.0)
    wait_until(lambda: evening.closes()[-2:] == [1485.0, 1485.0])


def test_the_open_interest_that_the_day_began_with_is_known_again_after_a_restart(rig, store, wait_until):
    said = Quote(OPTION.token, "full", 91.0, volume=900, open_interest=7_500, complete=True)
    (tick,) = published((OPTION, said))
    keep(store, [msgspec.structs.replace(tick, open_interest_change=500)])
    rig.address.tell(NewestWanted())
    wait_until(lambda: rig.normalizer.of(NewestKnown))
    numbering = Numbering("kite", 2, {OPTION.token: OPTION})
    numbering.recall(rig.normalizer.of(NewestKnown)[0].ticks, NOW_NS)
    later = msgspec.structs.replace(said, open_interest=7_100)
    assert numbering.number([later], NOW_NS + SECOND_NS)[0].open_interest_change == 100


def test_after_a_crash_in_the_evening_the_previous_close_is_read_again(
    listen, run_tree, clock, store, wait_until: Callable[..., None]
):
    keep(store, published((INFY, share(1485.0))))
    evening = Evening(listen, run_tree, clock, store)
    evening.say(1480.0)
    wait_until(lambda: evening.closes()[-1:] == [1485.0])
    evening.address.tell(Kill("a bug"))
    evening.say(1480.0)
    wait_until(lambda: len(evening.closes()) >= 3 and evening.closes()[-1] == 1485.0)


def test_what_no_tick_tells_is_the_brokers_candle_and_is_told_to_who_has_it_already(
    listen, run_tree, clock, wait_until
):
    evening = Evening(listen, run_tree, clock, None)
    evening.say(1480.0)
    wait_until(lambda: evening.closes() == [None])
    wait_until(lambda: evening.clock.advance(BEAT_SECONDS) or evening.closes() == [None, 1490.0])
    assert evening.hub.of(TicksPublished)[-1].ticks[0].snapshot
