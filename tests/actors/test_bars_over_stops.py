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

from mdactors.actors.candle_builder import CandleBuilder
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.cli.workshop import Workshop
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import TicksPublished
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, MailboxPolicy, Tree
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


class Machine:
    """What stays while daemons come and go: the clock, the disk."""

    def __init__(self, folder: Path, run_tree: Callable[..., Tree], hub: Any, *, late: float = 0.0) -> None:
        self.folder = folder
        self.clock = FakeClock(BEGIN_MS * 1_000_000)
        self.exchange = Exchange(7)
        self.late = late
        self.hub = hub
        self.epoch = 0
        self._run_tree = run_tree
        self.has_store = True

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
            self.clock.advance(STEP)
            ticks = [self._tick(*each) for each in self.exchange.trades(self.second, self.late)]
            if ticks:
                self._tell(ticks)
            self.counters()
            if self.has_store and self.second % 5 < STEP:
                self.store_all()

    def away(self, seconds: float) -> None:
        """Let time pass that no daemon hears of."""
        end = self.second + seconds
        while self.second < end:
            self.clock.advance(STEP)
            list(self.exchange.trades(self.second, self.late))

    def _tell(self, ticks: list[Tick]) -> None:
        self.appender.append(ticks)
        self.appender.sync()
        self.address.tell(TicksPublished(ticks))

    def _tick(self, paper: Instrument, at: int, volume: int, *, snapshot: bool = False) -> Tick:
        self._seq += 1
        quote = Quote(paper.token, "full", self.exchange.price(), last_trade_time=at, volume=volume)
        return Tick(paper, quote, "test", self.epoch, self._seq, self.clock.time_ns(), snapshot=snapshot)

    def store_all(self) -> None:
        """What a persister does."""
        self.waiting.write(10_000)
        stored = self.store.position(self.journal.id)
        ticks, upto = self.reader.read(stored, None, 10_000)
        if ticks and upto is not None:
            self.store.write(ticks, stored, upto)
            self.journal.release(upto)

    def stop(self) -> None:
        """End as asked to."""
        self.tree.stop()
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
        for _ in range(round(seconds / 5)):
            self.clock.advance(5)
            self.counters()
        self.clock.advance(STEP)
        self.counters()
        self.store_all()


@pytest.fixture
def machine(tmp_path: Path, run_tree: Callable[..., Tree], listen: Callable[..., Any]) -> Machine:
    return Machine(tmp_path, run_tree, listen("hub"))


def judge(machine: Machine) -> None:
    """Stop it; what it stored must be what its ticks make, by a plain computation and by ``rebuild``."""
    machine.stop()
    path = machine.folder / "ticks.db"
    # A second takes late trades for less long than its minute, which the plain computation does not know.
    made, stored = of_file(path, TABLES[1:] if machine.late else TABLES)
    assert differences(made, stored) == []
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
    machine: Machine, how: str
) -> None:
    machine.start()
    machine.live(121.0)
    getattr(machine, how)()
    machine.away(12.0)
    machine.start()
    machine.live(5.0)
    minute = machine.bars.read(PAPERS[0][0].key, "1m", BEGIN_MS + 60_000, BEGIN_MS + 60_000, 1)
    assert len(minute) == 1
    machine.quiet()
    judge(machine)


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_many_stops_at_every_phase_of_a_minute_lose_and_double_nothing(machine: Machine, late: float) -> None:
    chance = random.Random(11)
    machine.late = late
    machine.start()
    for number in range(10):
        machine.live(chance.uniform(3, 75))
        (machine.stop, machine.kill)[number % 2]()
        machine.away(chance.uniform(1, 60))
        machine.start()
    machine.live(30)
    machine.quiet()
    judge(machine)
