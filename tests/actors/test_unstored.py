"""Ticks that are not among the stored ones are an alarm, with what to do, for as long as that is so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.backlog import Backlog
from mdactors.actors.batch_persister import BatchPersister
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.config import LogSettings, StoreSettings
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, JournalSynced
from mdactors.runtime import Address, ChildSpec, FakeClock, Tree
from mdactors.store.carrier import Carrier, DirectCarrier
from mdactors.store.carrier_process import CarrierProcess, Errand
from mdactors.store.journal import Journal
from mdactors.store.journal_segment import segments
from mdactors.store.opening import open_stores

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
NOON_NS = 1_790_663_400_000_000_000
Wait = Callable[..., None]


class Rig:
    """A journal, a store in a real file, and a persister that may be started again."""

    def __init__(
        self, folder: Path, carrier: str, listen: Callable[..., Any], run_tree: Callable[..., Any]
    ) -> None:
        self.folder = folder
        self.journal = Journal(folder / "journal", segment_bytes=4096, max_bytes=2**30)
        self.appender = self.journal.appender()
        self.clock = FakeClock(NOON_NS)
        self.settings = StoreSettings()
        self._carrier, self._listen, self._run_tree = carrier, listen, run_tree
        self.start()

    def start(self) -> None:
        self.hub, writer = self._listen("hub"), self._listen("journal_writer")
        self.address = Address("batch_persister")
        self.store, bars = open_stores(self.settings, self.folder)
        arguments = {
            "store": self.store, "bars": WaitingBars(bars, "j"), "carrier": self._carry,
            "journal_id": self.journal.id, "journal_writer": writer.address,
            "backlog": Backlog(self.clock), "board": self.hub.board(self.clock), "calendar": Calendar(),
            "batch_rows": 10, "batch_seconds": 1.0, "flush_at": "", "lag_limit": 10**6,
        }  # fmt: skip
        spec = ChildSpec(self.address, BatchPersister, arguments, drain=True, ping_limit=None)
        self.tree: Tree = self._run_tree([spec], self.clock)

    def stop(self) -> None:
        self.tree.stop()
        self.store.close()

    def _carry(self) -> Carrier:
        journal = self.journal.folder
        if self._carrier == "thread":
            return DirectCarrier(self.store, journal)
        return CarrierProcess(Errand(self.settings, str(self.folder), str(journal), LogSettings()))

    def receive(self, *ticks: Tick) -> None:
        """These are synced, one a record."""
        for each in ticks:
            self.appender.append([each])
        self.address.tell(JournalSynced(self.appender.sync()))

    def execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self.folder / "ticks.db", isolation_level=None)) as other:
            other.execute(statement)

    def in_time(self, condition: Callable[[], object]) -> Callable[[], object]:
        """The condition, while time passes."""

        def look() -> object:
            self.clock.advance(2)
            return condition()

        return look

    def text(self, alarm: str) -> str:
        """What an alarm says now; empty while it is off."""
        said = [each for each in self.hub.of(AlarmChanged) if each.id == alarm]
        return said[-1].text if said and said[-1].active else ""


@pytest.fixture(params=["thread", "process"])
def rig(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
) -> Iterator[Rig]:
    rig = Rig(tmp_path, request.param, listen, run_tree)
    yield rig
    rig.stop()
    rig.appender.close()
    rig.journal.close()


def tick(seq: int, instrument: Instrument = RELIANCE) -> Tick:
    return Tick(instrument, Quote(instrument.token, "ltp", 1.0), "t", 1, seq, NOON_NS + seq * 1_000_000)


def test_a_table_at_fault_is_an_alarm_and_all_is_stored_once_it_is_mended(rig: Rig, wait_until: Wait) -> None:
    rig.execute("CREATE TRIGGER never BEFORE INSERT ON ticks BEGIN SELECT RAISE(ABORT, 'not today'); END")
    rig.receive(*(tick(seq) for seq in range(1, 101)))
    wait_until(lambda: "a table refuses good rows and has to be mended: not today" in rig.text("store"))
    for seq in range(101, 106):
        rig.clock.advance(10)
        rig.receive(tick(seq))
    assert (rig.store.count(), rig.store.refused.reasons()) == (0, [])
    rig.execute("DROP TRIGGER never")
    wait_until(rig.in_time(lambda: rig.store.count() == 105))
    wait_until(lambda: not rig.text("store"))
    assert rig.store.refused.reasons() == []


def test_a_tick_that_is_refused_alone_holds_up_no_other(rig: Rig, wait_until: Wait) -> None:
    rig.receive(tick(0, INFY), *(tick(seq) for seq in range(1, 12)))
    wait_until(lambda: rig.store.count() == 12)
    rig.execute("CREATE UNIQUE INDEX never ON ticks (tradingsymbol) WHERE tradingsymbol = 'INFY'")
    rig.receive(tick(1, INFY))
    wait_until(rig.in_time(lambda: "UNIQUE constraint failed" in rig.text("store")))
    rig.receive(*(tick(seq) for seq in range(12, 15)))
    wait_until(rig.in_time(lambda: rig.store.count() == 15))
    wait_until(lambda: not rig.text("store"))
    wait_until(lambda: rig.text("store-refused").startswith("1 ticks are set aside"))


def test_what_is_set_aside_is_an_alarm_also_after_a_restart_until_it_is_stored_again(
    rig: Rig, wait_until: Wait
) -> None:
    rig.receive(tick(0, INFY), *(tick(seq) for seq in range(1, 12)))
    wait_until(lambda: rig.store.count() == 12)
    rig.execute("CREATE UNIQUE INDEX never ON ticks (tradingsymbol) WHERE tradingsymbol = 'INFY'")
    rig.receive(tick(1, INFY), *(tick(seq) for seq in range(12, 30)))
    wait_until(lambda: rig.text("store-refused"))
    text = rig.text("store-refused")
    assert text.startswith("1 ticks are set aside that the database refused, the first because: UNIQUE")
    assert "mdactors refused retry" in text
    rig.stop()
    rig.start()
    wait_until(lambda: rig.text("store-refused") == text)
    rig.execute("DROP INDEX never")
    assert rig.store.refused.retry(rig.store.refused.page(10)) == 1
    wait_until(rig.in_time(lambda: not rig.text("store-refused")))
    assert [row.seq for row in rig.store.read(INFY.token, 0, 2**62, 10)] == [0, 1]


def test_a_database_that_begins_at_nothing_says_what_the_journal_had_let_go_of(
    rig: Rig, wait_until: Wait
) -> None:
    rig.receive(*(tick(seq) for seq in range(1, 201)))
    wait_until(lambda: rig.store.count() == 200)
    rig.journal.release(stored(rig))
    rig.stop()
    (first, *_) = segments(rig.journal.folder)
    assert first.number > 1
    for suffix in ("", "-wal", "-shm"):
        (rig.folder / f"ticks.db{suffix}").unlink(missing_ok=True)
    rig.start()
    rig.receive(tick(201))
    wait_until(rig.in_time(lambda: rig.text("store-missing")))
    (gap,) = rig.store.gaps.all()
    text = rig.text("store-missing")
    assert text.startswith(f"{gap.ticks} ticks of the journal are not known to be stored")
    assert "before 2026-09-29T12:00:0" in text
    assert "mdactors missing list" in text
    wait_until(lambda: rig.store.count() == 201 - gap.ticks)
    rig.stop()
    rig.start()
    wait_until(lambda: rig.text("store-missing") == text)
    rig.store.gaps.forget()
    wait_until(rig.in_time(lambda: not rig.text("store-missing")))


def stored(rig: Rig) -> Position:
    position = rig.store.position(rig.journal.id)
    assert position is not None
    return position
