"""Bars reach the sinks, however quiet the market is and however often the builder dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.candle_builder import CandleBuilder
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.errors import StoreError
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerBar, Quote
from mdactors.market.tick import Tick
from mdactors.messages import BarsPublished, BarsWait, TicksPublished
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill, MailboxPolicy, Tree
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
TEN_MS = 1_790_656_200_000
"""10:00 on a trading day."""


def tick(second: float, price: float, volume: int, *, seq: int | None = None) -> Tick:
    """A trade so many seconds after ten, received at the same time."""
    at = TEN_MS + round(second * 1000)
    quote = Quote(SHARE.token, "full", price, last_trade_time=at, volume=volume)
    return Tick(SHARE, quote, "test", 1, volume if seq is None else seq, at * 1_000_000)


def telling(update: Tick, second: int, prices: tuple[float, float, float, float], volume: int) -> Tick:
    """The same update, with the broker's bar of the minute that began so many seconds after ten."""
    update.quote.minute = BrokerBar(TEN_MS + second * 1000, *prices, volume)
    return update


class Shelf:
    """What store and journal hold."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.away = False

    def newest(self, since_ns: int, before_ns: int) -> list[Tick]:
        """Of the one instrument that there is."""
        found = [tick for page in self.all_between(since_ns, before_ns - 1) for tick in page]
        return found[-1:]

    def between(self, from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        return self.all_between(from_ns, to_ns)

    def all_between(self, from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        if self.away:
            raise StoreError("the store is away")
        found = [tick for tick in self.ticks if from_ns <= tick.received_ns <= to_ns]
        if found:
            yield found


class Rig:
    def __init__(self, listen: Callable[..., Any], run_tree: Callable[..., Any], bars: SqliteBars) -> None:
        self.store, self.waiting = bars, WaitingBars(bars, "j")
        self.hub, self.persister = listen("hub"), listen("persister")
        self.shelf = Shelf()
        self.clock = FakeClock(TEN_MS * 1_000_000)
        self.board = self.hub.board(self.clock)
        self.address = Address("candle_builder", MailboxPolicy())
        self._run_tree = run_tree
        self.tree: Tree

    def start(self) -> Rig:
        arguments = {
            "calendar": Calendar(),
            "hub": self.hub.address,
            "persister": self.persister.address,
            "bars": self.waiting,
            "recent": self.shelf,
            "board": self.board,
            "intervals": ["1s", "1m"],
            "grace_seconds": 1.5,
        }
        self.tree = self._run_tree(
            [ChildSpec(self.address, CandleBuilder, arguments, drain=True)], self.clock
        )
        self.counters()
        return self

    def tell(self, *ticks: Tick) -> None:
        self.shelf.ticks += ticks
        self.address.tell(TicksPublished(ticks))
        assert self.counters() is not None

    def sources(self) -> list[str]:
        """Who made each stored minute."""
        self.waiting.write(1_000)
        return [each.source for each in self.store.read(SHARE.key, "1m", 0, 2**42, 100)]

    def counters(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def bars(self, interval: str = "1s") -> list[Bar]:
        told = [bar for message in self.hub.of(BarsPublished) for bar in message.bars]
        return [bar for bar in told if bar.interval == interval]

    def seconds(self, interval: str = "1s") -> list[tuple[int, float, int, bool]]:
        """Begin in seconds after ten, close, volume and the mark of a correction."""
        return [
            ((bar.start - TEN_MS) // 1000, bar.close, bar.volume, bar.correction)
            for bar in self.bars(interval)
        ]


@pytest.fixture
def rig(tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> Iterator[Rig]:
    with closing(SqliteDatabase(tmp_path / "ticks.db")) as database:
        yield Rig(listen, run_tree, SqliteBars(database, ["1s", "1m"]))


def test_clients_and_store_get_the_bars_that_are_over(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.start()
    rig.tell(tick(0, 100.0, 1_000), tick(0.5, 101.0, 1_007), tick(2.6, 102.0, 1_010))
    rig.clock.advance(0.25)
    wait_until(lambda: rig.seconds() == [(0, 101.0, 7, False)])
    wait_until(lambda: len(rig.persister.of(BarsWait)) == 1)
    assert len(rig.waiting) == 1


def test_a_bar_is_told_once_though_nothing_is_traded_any_more(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.start()
    rig.tell(tick(0, 100.0, 1_000))
    rig.clock.advance(2.4)
    assert rig.counters()["published"] == 0
    rig.clock.advance(0.3)
    wait_until(lambda: rig.seconds() == [(0, 100.0, 0, False)])
    rig.clock.advance(60)
    wait_until(lambda: rig.seconds("1m") == [(0, 100.0, 0, False)])
    assert rig.seconds() == [(0, 100.0, 0, False)]


def test_under_a_faster_clock_a_quiet_markets_bar_is_told_a_real_grace_after_its_end(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.clock = FakeClock(TEN_MS * 1_000_000, speed=60)
    rig.start()
    rig.tell(tick(0, 100.0, 1_000))
    rig.clock.advance(1.5)
    assert rig.counters()["published"] == 0
    rig.clock.advance(0.25)
    wait_until(lambda: rig.seconds() == [(0, 100.0, 0, False)])
    assert rig.seconds("1m") == []
    rig.clock.advance(0.75)
    wait_until(lambda: rig.seconds("1m") == [(0, 100.0, 0, False)])


def test_a_late_tick_is_told_as_a_correction(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.start()
    rig.tell(tick(0, 100.0, 1_000), tick(3, 102.0, 1_010))
    rig.clock.advance(0.25)
    wait_until(lambda: len(rig.seconds()) == 1)
    rig.tell(tick(0.9, 101.0, 1_005))
    rig.clock.advance(0.25)
    wait_until(lambda: rig.seconds()[1:] == [(0, 101.0, 5, True)])
    counters = rig.counters()
    assert (counters["published"], counters["corrections"], counters["instruments"]) == (2, 1, 1)


def test_the_brokers_minute_is_told_as_a_correction_where_it_differs_and_else_confirmed(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.start()
    rig.tell(tick(0, 100.0, 1_000), tick(30, 102.0, 1_010), tick(63, 103.0, 1_020))
    rig.clock.advance(0.25)
    wait_until(lambda: rig.seconds("1m") == [(0, 102.0, 10, False)])
    rig.tell(telling(tick(64, 103.0, 1_021), 0, (100.0, 102.5, 99.5, 102.0), 15))
    rig.tell(tick(125, 104.0, 1_030))
    rig.clock.advance(0.25)
    wait_until(lambda: rig.seconds("1m")[1:] == [(60, 103.0, 11, False), (0, 102.0, 15, True)])
    rig.tell(telling(tick(126, 104.0, 1_031), 60, (103.0, 103.0, 103.0, 103.0), 11))
    rig.clock.advance(0.25)
    wait_until(lambda: rig.sources() == ["broker", "broker"])
    assert len(rig.seconds("1m")) == 3, "what is only confirmed is not told"


def test_a_fresh_builder_goes_on_with_the_open_bars_and_the_volume_of_the_dead_one(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.start()
    rig.clock.advance(20)
    rig.tell(tick(0, 100.0, 1_000), tick(20, 90.0, 1_005))
    rig.clock.advance(0.25)
    wait_until(lambda: [second for second, *_ in rig.seconds()] == [0])
    # The first of these is in the journal before the fresh builder reads it, and in the mailbox as well.
    rig.shelf.ticks.append(tick(20.2, 110.0, 1_006))
    rig.address.tell(Kill())
    rig.address.tell(TicksPublished([tick(20.2, 110.0, 1_006), tick(22, 105.0, 1_010)]))
    wait_until(lambda: rig.counters()["recovered"] == 3)
    rig.tell(tick(63, 100.0, 1_020))
    rig.clock.advance(0.25)
    wait_until(lambda: len(rig.bars("1m")) == 1)
    (minute,) = rig.bars("1m")
    assert (minute.open, minute.high, minute.low, minute.close) == (100.0, 110.0, 90.0, 105.0)
    assert (minute.volume, minute.correction) == (10, False)
    again = [each for each in rig.seconds() if each[0] == 0]
    assert again == [(0, 100.0, 0, False)], "what was told long before is not told again"


def test_where_nobody_knows_how_far_bars_are_made_those_before_the_last_tick_are_made_again(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    """As over a store that an earlier version filled, the day before."""
    day = 86_400
    rig.shelf.ticks = [tick(second - day, 100.0, 2_000 + second) for second in range(-600, 3)]
    rig.start()
    wait_until(lambda: rig.counters()["recovered"] > 150)
    minutes = [(-180, 60), (-120, 60), (-60, 60), (0, 3)]
    wait_until(lambda: [(at + day, gain) for at, _, gain, _ in rig.seconds("1m")] == minutes)


def test_a_tick_that_was_recovered_counts_once_and_those_after_it_all(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    """Of a feed of last prices no time and no volume tells a repeated tick from another."""
    last_prices = [tick(second, 100.0 + second, 0, seq=second + 1) for second in range(4)]
    for each in last_prices:
        each.quote.volume = each.quote.last_trade_time = None
    rig.shelf.ticks = last_prices[:2]
    rig.clock.advance(1.5)
    rig.start()
    rig.address.tell(TicksPublished(last_prices))
    rig.tell(tick(10, 1.0, 0))
    rig.clock.advance(5)
    wait_until(lambda: [close for _, close, *_ in rig.seconds()] == [100.0, 101.0, 102.0, 103.0])


def test_a_builder_that_cannot_read_the_past_begins_with_what_comes(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.shelf.away = True
    rig.start()
    rig.tell(tick(0, 100.0, 1_000), tick(3, 100.0, 1_001))
    rig.clock.advance(0.25)
    wait_until(lambda: [second for second, *_ in rig.seconds()] == [0])
    alarm = rig.board.get("bars-incomplete")
    assert alarm is not None
    assert (
        "the store is away; next attempt in 60 s, or: mdactors candles rebuild --from 2026-09-29"
        in alarm.text
    )
    rig.shelf.away = False
    rig.clock.advance(60)
    wait_until(lambda: rig.board.get("bars-incomplete") is None)


def test_a_stopped_builder_tells_what_is_over_and_nothing_half_finished(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.start()
    rig.tell(tick(0, 100.0, 1_000), tick(3, 102.0, 1_010))
    rig.tree.stop()
    wait_until(lambda: [second for second, *_ in rig.seconds()] == [0])
    assert rig.bars("1m") == []


def test_a_day_played_at_sixty_times_its_speed_closes_by_its_own_time(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.start()
    for second in range(0, 300, 15):
        rig.tell(tick(second, 100.0 + second, 1_000 + second))
        rig.clock.advance(0.25)
    wait_until(
        lambda: (
            [(at, volume) for at, _, volume, _ in rig.seconds("1m")]
            == [(0, 45)] + [(minute * 60, 60) for minute in (1, 2, 3)]
        )
    )
    assert not any(correction for *_, correction in rig.seconds("1m"))
