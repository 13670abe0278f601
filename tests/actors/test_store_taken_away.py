"""Files are taken away under a persister at work: an alarm, and all that the journal holds is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
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
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, JournalSynced, TicksStored
from mdactors.runtime import Address, ChildSpec, SystemClock
from mdactors.store.carrier import Carrier, DirectCarrier
from mdactors.store.carrier_process import CarrierProcess, Errand
from mdactors.store.journal import Journal
from mdactors.store.opening import open_stores

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
Wait = Callable[..., None]


class Rig:
    """A journal, a store in a real file, and the persister between them."""

    def __init__(
        self, folder: Path, carrier: str, listen: Callable[..., Any], run_tree: Callable[..., Any]
    ) -> None:
        self.path = folder / "ticks.db"
        self.journal = Journal(folder / "journal", segment_bytes=4096, max_bytes=2**30)
        self.appender = self.journal.appender()
        self.hub, self.writer = listen("hub"), listen("journal_writer")
        self.address = Address("batch_persister")
        settings = StoreSettings()
        store, bars = open_stores(settings, folder)
        self.store, self.appended = store, 0

        def carry() -> Carrier:
            if carrier == "thread":
                return DirectCarrier(store, self.journal.folder)
            return CarrierProcess(Errand(settings, str(folder), str(self.journal.folder), LogSettings()))

        arguments = {
            "store": store, "bars": WaitingBars(bars, "j"), "carrier": carry, "journal_id": self.journal.id,
            "journal_writer": self.writer.address, "backlog": Backlog(SystemClock()),
            "board": self.hub.board(), "calendar": Calendar(),
            "batch_rows": 10, "batch_seconds": 0.1, "flush_at": "", "lag_limit": 10**6,
        }  # fmt: skip
        self.tree = run_tree([ChildSpec(self.address, BatchPersister, arguments, drain=True)])

    def tell(self, count: int) -> None:
        """So many ticks more are synced."""
        first = self.appended + 1
        self.appended += count
        for seq in range(first, self.appended + 1):
            self.appender.append(
                [Tick(RELIANCE, Quote(RELIANCE.token, "ltp", 1.0), "t", 1, seq, seq * 10**6)]
            )
        self.address.tell(JournalSynced(self.appender.sync()))

    def stored(self) -> list[int]:
        """What another program finds in the file; nothing where there is none yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as other:
                return [seq for (seq,) in other.execute("SELECT seq FROM ticks ORDER BY seq")]
        except sqlite3.OperationalError:
            return []

    def alarms(self) -> list[tuple[str, bool]]:
        return [(each.id, each.active) for each in self.hub.of(AlarmChanged)]


@pytest.fixture(params=["thread", "process"])
def rig(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
) -> Iterator[Rig]:
    rig = Rig(tmp_path, request.param, listen, run_tree)
    yield rig
    rig.tree.stop()
    rig.store.close()
    rig.appender.close()
    rig.journal.close()


@pytest.mark.parametrize("suffixes", [("-wal",), ("",), ("", "-wal", "-shm")])
def test_it_says_so_and_goes_on_by_itself(rig: Rig, wait_until: Wait, suffixes: Sequence[str]) -> None:
    rig.tell(200)
    wait_until(lambda: rig.stored() == list(range(1, 201)), 20)
    # Who takes the file away loses what the journal has released, and nothing more.
    wait_until(lambda: any(each.position.ticks == 200 for each in rig.writer.of(TicksStored)))
    early = rig.writer.of(TicksStored)[0].position
    rig.journal.release(early)
    released = early.ticks if suffixes[0] == "" else 0
    for suffix in suffixes:
        rig.path.with_name(rig.path.name + suffix).unlink()
    rig.tell(200)
    wait_until(lambda: rig.stored()[-200:] == list(range(201, 401)), 20)
    rows = rig.stored()
    assert rows == list(range(rows[0], 401))
    assert rows[0] <= released + 1
    rig.tell(10)
    wait_until(lambda: rig.stored() == list(range(rows[0], 411)), 20)
    # Of a file that went, what the journal had released is missing.
    missing = [("store-missing", True)] if rows[0] > 1 else []
    wait_until(lambda: sorted(rig.alarms()) == sorted([("store", True), ("store", False), *missing]))
