"""However the daemon ends and whenever it is there again: what the broker told of minutes is stored."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress
from tests.actors.test_bars_over_stops import BEGIN_MS, Exchange, Machine

from mdactors.cli.workshop import Workshop
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerBar
from mdactors.market.tick import Tick
from mdactors.runtime import Tree
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

MINUTE = 60_000
Row = tuple[str, int, float, float, float, float, int, str, str]


class Teller(Exchange):
    """It also tells of each the newest minute that is over and in which it traded, always the same."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._traded_in: dict[Instrument, dict[int, int]] = {}
        self.told: dict[tuple[str, int], BrokerBar] = {}

    def trades(self, second: float, late: float) -> Iterator[tuple[Instrument, int, int]]:
        for paper, at, volume in super().trades(second, late):
            minutes = self._traded_in.setdefault(paper, {})
            minutes[at // MINUTE * MINUTE] = volume
            yield paper, at, volume

    def minute(self, paper: Instrument, now_ms: int) -> BrokerBar | None:
        over = [start for start in self._traded_in.get(paper, {}) if start + MINUTE <= now_ms]
        if not over:
            return None
        start = max(over)
        said = BrokerBar(start, 100.0, 120.0, 80.0, 101.0, self._traded_in[paper][start] % 977 + 1)
        return self.told.setdefault((paper.key, start), said)


class TellingMachine(Machine):
    """Each update, a snapshot too, has the broker's minute."""

    exchange: Teller

    def _tick(self, paper: Instrument, at: int, volume: int, *, snapshot: bool = False) -> Tick:
        tick = super()._tick(paper, at, volume, snapshot=snapshot)
        tick.quote.minute = self.exchange.minute(paper, self.clock.time_ns() // 1_000_000)
        return tick


@pytest.fixture
def machine(tmp_path: Path, run_tree: Callable[..., Tree], listen: Callable[..., Any]) -> TellingMachine:
    made = TellingMachine(tmp_path, run_tree, listen("hub"))
    made.exchange = Teller(7)
    return made


def minutes_of(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM market_ohlc_1m ORDER BY instrument_key, ts").fetchall()


def made_again(machine: Machine) -> list[Row]:
    """What ``candles rebuild`` makes of the stored ticks where no bar is."""
    copy = machine.folder / "copy.db"
    shutil.copy(machine.folder / "ticks.db", copy)
    with closing(SqliteDatabase(copy)) as database:
        bars = SqliteBars(database, ["1m"])
        bars.delete("1m", 0, 2**42, ["ticks", "broker"])
        workshop = Workshop(SqliteTicks(database), bars, Calendar(), ["1m"])
        tokens = workshop.instruments(0)
        workshop.rebuild(
            ist.day_number(BEGIN_MS * 1_000_000), tokens, everything=True, bar=Progress(disable=True)
        )
    return minutes_of(copy)


def test_all_minutes_that_were_told_are_stored_as_told_and_made_again_the_same(
    machine: TellingMachine,
) -> None:
    chance = random.Random(5)
    machine.start()
    for number in range(5):
        machine.live(chance.uniform(3, 75))
        (machine.stop, machine.kill)[number % 2]()
        machine.away(chance.uniform(1, 60))
        machine.start()
    machine.live(70)
    machine.quiet()
    machine.stop()
    stored = minutes_of(machine.folder / "ticks.db")
    assert {
        (key, start): (*figures, source) for key, start, *figures, _, source in stored if source == "broker"
    } == {
        (key, start): (said.open, said.high, said.low, said.close, said.volume, "broker")
        for (key, start), said in machine.exchange.told.items()
    }
    assert len(machine.exchange.told) > 12
    assert made_again(machine) == stored
