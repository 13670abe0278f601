"""However the daemon ends and whenever it is there again: its bars are those of the ticks that it stored."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench._plain_bars import differences, of_file
from rich.progress import Progress
from tests import waiting

from mdactors.actors import candle_builder, waiting_bars
from mdactors.actors.candle_builder import CandleBuilder
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.cli.workshop import Workshop
from mdactors.errors import StoreError
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerBar, Quote
from mdactors.market.tick import Tick
from mdactors.messages import BarsPublished, TicksPublished
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill, MailboxPolicy, Tree
from mdactors.store import recent
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.journal import Journal
from mdactors.store.journal_reader import JournalReader
from mdactors.store.recent import Recent
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

BEGIN_MS = 1_790_656_200_000
"""10:00 on a trading day."""
PAPERS = (
    (Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018"), 0.5),
    (Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021"), 6.0),
    (Instrument(11561474, "NIFTY26NOV24000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45162"), 400.0),
)
"""Who trades, and every how many seconds; the last one far more seldom than ticks are read again."""
STEP = 0.25
TABLES = ("market_ohlc", "market_ohlc_1m")


class Exchange:
    """Trades that come a moment late, some of them much later than others."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._volumes = {paper.token: 1_000 * paper.token for paper, _ in PAPERS}
        self._due = {paper.token: 0.0 for paper, _ in PAPERS}
        self._traded = {paper.token: BEGIN_MS - 500 for paper, _ in PAPERS}

    def trades(self, second: float, late: float) -> Iterator[tuple[Instrument, int, int]]:
        """Who traded within a step: which, when, and the day's volume then."""
        for paper, every in PAPERS:
            if second >= self._due[paper.token]:
                self._due[paper.token] = second + every * self._chance.uniform(0.5, 1.5)
                self._volumes[paper.token] += self._chance.randrange(1, 50)
                at = BEGIN_MS + round(second * 1000) - self._chance.randrange(20, 400)
                if self._chance.random() < late:
                    at -= self._chance.choice([2_000, 9_000, 45_000, 180_000])
                self._traded[paper.token] = at
                yield paper, at, self._volumes[paper.token]

    def newest(self) -> Iterator[tuple[Instrument, int, int]]:
        """What a broker says of each when it is asked anew."""
        for paper, _ in PAPERS:
            yield paper, self._traded[paper.token], self._volumes[paper.token]

    def price(self) -> float:
        return round(self._chance.uniform(90, 110), 2)


def brokers_minute(second: float) -> BrokerBar:
    """What the broker says of the minute in which this second is: nothing that the ticks would make."""
    start = BEGIN_MS + int(second // 60) * 60_000
    return BrokerBar(start, 200.0, 300.0 + second // 60, 150.0, 250.0, 77)


class Machine:
    """What stays while daemons come and go: the clock, the disk."""

    def __init__(self, folder: Path, run_tree: Callable[..., Tree], hub: Any) -> None:
        self.folder = folder
        self.clock = FakeClock(BEGIN_MS * 1_000_000)
        self.exchange = Exchange(7)
        self.late = 0.0
        self.tells_minutes = False
        """Whether the broker tells its own bar of the last minute, for some seconds after its end."""
        self.hub = hub
        self.epoch = self._seq = 0
        self._run_tree = run_tree
        self.stores = True
        """Whether anything is stored: else it waits, in the journal and in memory."""

    @property
    def second(self) -> float:
        return (self.clock.time_ns() // 1_000_000 - BEGIN_MS) / 1000

    def start(self) -> None:
        """Start a daemon: what of it bears on bars."""
        self.journal = Journal(self.folder / "journal", segment_bytes=65_536, max_bytes=2**30)
        self.appender = self.journal.appender()
        self.database = SqliteDatabase(self.folder / "ticks.db")
        self.store = SqliteTicks(self.database)
        self.bars = SqliteBars(self.database, ["1s", "1m"])
        self.waiting = WaitingBars(self.bars, self.journal.id)
        self.reader = JournalReader(self.folder / "journal")
        self.address = Address("candle_builder", MailboxPolicy())
        self.board = self.hub.board(self.clock)
        arguments = {
            "calendar": Calendar(),
            "hub": self.hub.address,
            "persister": Address("nobody"),
            "bars": self.waiting,
            "recent": Recent(self.store, self.folder / "journal", {}, self.clock),
            "board": self.board,
            "intervals": ["1s", "1m"],
            "grace_seconds": 1.5,
        }
        spec = ChildSpec(self.address, CandleBuilder, arguments, drain=True, ping_limit=None)
        self.tree = self._run_tree([spec], self.clock)
        self.epoch += 1
        self._seq = 0
        self._tell([self._tick(*each, snapshot=True) for each in self.exchange.newest()])

    def counters(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def live(self, seconds: float) -> None:
        """Let the daemon live on while the exchange trades; every five seconds all is stored."""
        end = self.second + seconds
        while self.second < end:
            self.clock.advance(STEP / self.clock.speed)
            ticks = [self._tick(*each) for each in self.exchange.trades(self.second, self.late)]
            if ticks:
                self._tell(ticks)
            self.counters()
            if self.stores and self.second % 5 < STEP:
                self.store_all()

    def away(self, seconds: float) -> None:
        """Let time pass that no daemon hears of."""
        end = self.second + seconds
        while self.second < end:
            self.clock.advance(STEP / self.clock.speed)
            list(self.exchange.trades(self.second, self.late))

    def _tell(self, ticks: list[Tick]) -> None:
        self.appender.append(ticks)
        self.appender.sync()
        self.address.tell(TicksPublished(ticks))

    def _tick(self, paper: Instrument, at: int, volume: int, *, snapshot: bool = False) -> Tick:
        self._seq += 1
        quote = Quote(paper.token, "full", self.exchange.price(), last_trade_time=at, volume=volume)
        if self.tells_minutes and self.second % 60 < 3:
            quote.minute = brokers_minute(self.second - 60)
        return Tick(paper, quote, "test", self.epoch, self._seq, self.clock.time_ns(), snapshot=snapshot)

    def store_all(self) -> None:
        """What a persister does."""
        while self.waiting.anything:
            self.waiting.write(10_000)
        stored = self.store.position(self.journal.id)
        ticks, upto = self.reader.read(stored, None, 100_000)
        if ticks and upto is not None:
            self.store.write(ticks, stored, upto)
            self.journal.release(upto)

    def stop(self) -> None:
        """End as asked to."""
        self.tree.stop()
        if self.stores:
            self.store_all()
        self._close()

    def kill(self) -> None:
        """End at once: what was in memory is gone."""
        self.tree.stop()  # adds bars that nobody stores any more
        self._close()

    def _close(self) -> None:
        self.reader.close()
        self.journal.close()
        self.store.close()

    def quiet(self, seconds: float = 70.0) -> None:
        """Let the market fall silent, so that every bar is over, and all be stored."""
        self.stores = True
        waiting.wait_until(self.has_read)
        for _ in range(round(seconds / 5)):
            self.clock.advance(5)
            self.counters()
        self.clock.advance(STEP)
        self.counters()
        self.store_all()

    def has_read(self) -> bool:
        """Whether the past is read; for more of it there must be room among the bars that wait."""
        self.clock.advance(STEP)
        self.store_all()
        return not self.counters()["reading"]

    def heard(self) -> list[tuple[str, int, bool]]:
        """Every bar that clients were told: key and interval, begin, whether as a correction."""
        told = [bar for message in self.hub.of(BarsPublished) for bar in message.bars]
        return [(f"{bar.instrument.key} {bar.interval}", bar.start, bar.correction) for bar in told]


@pytest.fixture
def machine(tmp_path: Path, run_tree: Callable[..., Tree], listen: Callable[..., Any]) -> Machine:
    return Machine(tmp_path, run_tree, listen("hub"))


def judge(machine: Machine, *, by_ticks: bool = True) -> None:
    """Stop it; what it stored must be what its ticks make, by a plain computation and by ``rebuild``."""
    machine.stop()
    path = machine.folder / "ticks.db"
    # A second takes late trades for less long than its minute, which the plain computation does not know.
    made, stored = of_file(path, TABLES[1:] if machine.late else TABLES)
    assert not by_ticks or differences(made, stored) == []
    assert len(stored) > 10
    _, stored = of_file(path, TABLES)
    copy = machine.folder / "copy.db"
    shutil.copy(path, copy)
    with closing(SqliteDatabase(copy)) as database:
        workshop = Workshop(
            SqliteTicks(database), SqliteBars(database, ["1s", "1m"]), Calendar(), ["1s", "1m"]
        )
        day = ist.day_number(BEGIN_MS * 1_000_000)
        for each in range(day, ist.day_number(machine.clock.time_ns()) + 1):
            tokens = workshop.instruments(each * 86_400 * ist.SECOND_NS)
            workshop.rebuild(each, tokens, everything=True, bar=Progress(disable=True))
    _, rebuilt = of_file(copy, TABLES)
    assert differences(rebuilt, stored) == []


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_daemon_that_ends_just_after_a_minute_has_its_bar_stored_when_it_is_there_again(
    machine: Machine, how: str, wait_until: Callable[..., None]
) -> None:
    machine.start()
    machine.live(121.0)
    getattr(machine, how)()
    machine.away(12.0)
    machine.start()
    machine.live(5.0)
    wait_until(machine.has_read)
    minute = machine.bars.read(PAPERS[0][0].key, "1m", BEGIN_MS + 60_000, BEGIN_MS + 60_000, 1)
    assert len(minute) == 1
    machine.quiet()
    judge(machine)


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_many_stops_at_every_phase_of_a_minute_lose_and_double_nothing(machine: Machine, late: float) -> None:
    chance = random.Random(11)
    machine.late = late
    machine.start()
    for number in range(8):
        machine.live(chance.uniform(3, 75))
        (machine.stop, machine.kill)[number % 2]()
        machine.away(chance.uniform(1, 60))
        machine.start()
    machine.live(30)
    machine.quiet()
    judge(machine)


def test_a_builder_that_dies_alone_tells_clients_nothing_twice_and_nothing_too_little(
    machine: Machine, wait_until: Callable[..., None]
) -> None:
    machine.start()
    for seconds in (70.25, 400.0):
        machine.live(seconds)
        before = machine.tree.describe()["children"][0]["restarts"]
        machine.address.tell(Kill())
        wait_until(lambda before=before: machine.tree.describe()["children"][0]["restarts"] > before)  # type: ignore[misc]
        machine.live(30)
    machine.quiet()
    first = [each[:2] for each in machine.heard() if not each[2]]
    assert len(first) == len(set(first))
    judge(machine)
    _, stored = of_file(machine.folder / "ticks.db", TABLES)
    assert len(stored) == len({each[:2] for each in machine.heard()})


@pytest.mark.parametrize("away", [15.2 * 60, 18 * 3600, 66 * 3600], ids=["quarter", "night", "weekend"])
def test_a_daemon_that_ended_just_before_the_close_stores_the_last_minutes_when_it_is_there_again(
    machine: Machine, away: float
) -> None:
    machine.clock.advance(5.45 * 3600)  # 15:27
    machine.start()
    machine.live(2 * 60 + 58)
    machine.kill()
    machine.clock.advance(away)
    machine.start()
    machine.quiet(10)
    last = BEGIN_MS + (5 * 60 + 29) * 60_000
    assert len(machine.bars.read(PAPERS[0][0].key, "1m", last, last, 1)) == 1
    judge(machine)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_waited_for_a_store_that_was_away_for_an_hour_is_made_again(machine: Machine, how: str) -> None:
    machine.start()
    machine.live(30)
    machine.stores = False
    for _ in range(6):
        machine.clock.advance(600)
        machine.live(20)
    getattr(machine, how)()
    machine.stores = True
    machine.away(5)
    machine.start()
    machine.live(10)
    machine.quiet()
    judge(machine)


def test_a_day_that_goes_by_at_sixty_times_its_speed_loses_no_bar_either(machine: Machine) -> None:
    machine.clock = FakeClock(BEGIN_MS * 1_000_000, speed=60)
    machine.start()
    for seconds, away in ((100.0, 30.0), (60.0, 400.0)):
        machine.live(seconds)
        machine.kill()
        machine.away(away)
        machine.start()
    machine.live(60)
    machine.quiet()
    judge(machine)


def test_a_stop_while_the_past_is_still_read_leaves_the_rest_to_the_next_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.start()
    machine.live(130)
    machine.kill()
    monkeypatch.setattr(recent, "PAGE", 7)
    for _ in range(3):
        machine.start()
        machine.stop()
    machine.start()
    machine.live(10)
    machine.quiet()
    judge(machine)


def test_a_store_that_is_away_at_the_start_is_an_alarm_until_its_bars_are_made_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    def is_away(*_arguments: object) -> None:
        raise StoreError("the store is away")

    machine.start()
    machine.live(121)
    machine.kill()
    machine.away(12)
    machine.stores = False
    with monkeypatch.context() as away:
        away.setattr(SqliteTicks, "position", is_away)
        away.setattr(SqliteBars, "position", is_away)
        machine.start()
        machine.live(30)
        alarm = machine.board.get("bars-incomplete")
        assert alarm is not None
        assert "the store is away; next attempt in 60 s" in alarm.text
        minutes = [each for each in machine.heard() if each[0].endswith("1m")]
        assert minutes, "clients get what is made of live ticks"
    machine.stores = True
    machine.live(60)
    wait_until(lambda: machine.has_read() and machine.board.get("bars-incomplete") is None)
    machine.quiet()
    judge(machine)


def test_a_past_that_takes_too_long_is_an_alarm_and_read_in_several_attempts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    machine.start()
    machine.live(200)
    machine.kill()
    monkeypatch.setattr(candle_builder, "LONGEST_SECONDS", -1.0)
    machine.start()
    machine.live(30)
    alarm = machine.board.get("bars-incomplete")
    assert alarm is not None
    assert "takes longer" in alarm.text
    monkeypatch.undo()
    machine.live(60)
    wait_until(lambda: machine.has_read() and machine.board.get("bars-incomplete") is None)
    machine.quiet()
    judge(machine)


def test_bars_that_were_dropped_because_too_many_waited_are_made_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    monkeypatch.setattr(waiting_bars, "MOST_BARS", {"1s": 60, "1m": 50})
    monkeypatch.setattr(recent, "PAGE", 10)
    machine.start()
    machine.live(30)
    machine.stores = False
    machine.live(90)
    assert machine.waiting.dropped > 20
    machine.stores = True
    machine.live(30)
    wait_until(lambda: machine.has_read() and machine.waiting.lost() == ())
    machine.quiet()
    judge(machine)


def test_ticks_that_were_dropped_before_they_reached_the_bars_are_an_alarm_until_they_are_read_again(
    machine: Machine, wait_until: Callable[..., None]
) -> None:
    machine.start()
    machine.live(30)
    machine.address.mailbox.dropped += 1
    dropped = [machine._tick(*each) for each in machine.exchange.trades(machine.second + 1, 0.0)]
    machine.appender.append(dropped)
    machine.live(10)
    alarm = machine.board.get("bars-incomplete")
    assert alarm is not None
    assert "ticks were dropped from a full mailbox" in alarm.text
    machine.live(60)
    wait_until(lambda: machine.has_read() and machine.board.get("bars-incomplete") is None)
    machine.quiet()
    judge(machine)


def test_more_live_ticks_than_can_be_held_while_the_past_is_read_are_read_as_well(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_builder, "MOST_HELD", 10)
    monkeypatch.setattr(recent, "PAGE", 20)
    machine.start()
    machine.live(100)
    machine.kill()
    machine.start()
    machine.live(60)
    machine.quiet()
    judge(machine)


def test_the_brokers_own_minutes_are_stored_however_soon_after_one_of_them_the_daemon_ends(
    machine: Machine,
) -> None:
    machine.tells_minutes = True
    machine.start()
    machine.live(2)
    for number, seconds in enumerate((60.25, 59.25, 58.75, 61.5, 59.0, 60.0)):
        machine.live(seconds)
        (machine.kill, machine.stop)[number % 2]()
        machine.away(1)
        machine.start()
    machine.live(30)
    machine.quiet()
    stored = machine.bars.read(PAPERS[0][0].key, "1m", BEGIN_MS, 2**42, 100)
    told = [bar for bar in stored if bar.source == "broker"]
    assert len(told) >= 5
    assert [bar.high for bar in told] == [brokers_minute((bar.ts - BEGIN_MS) / 1000).high for bar in told]
    judge(machine, by_ticks=False)
