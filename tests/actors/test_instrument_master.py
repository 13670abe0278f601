"""Instruments come from the brokers, are kept on disk, and a failed fetch changes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.instrument_master import Catalogue, InstrumentMaster
from mdactors.config import Settings
from mdactors.errors import BrokerError
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import FILE, InstrumentTable
from mdactors.market.sectors import Sector, Sectors
from mdactors.messages import AlarmChanged, InstrumentsLoaded, RefreshInstruments
from mdactors.plugins import make_adapters, plain_sections
from mdactors.runtime import Address, ChildSpec, Clock, Describe, FakeClock
from mdactors.simulator import SimulatorServer
from mdactors.store import catalogue_process
from mdactors.store.catalogue_process import Loaded, Order, Progress

WAIT = 20.0
ROWS = [Instrument(n << 8 | 1, f"S{n}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|S{n}") for n in range(1, 9)]

SECTORS = Sectors([Sector("BANKING", "Banks")])


class Rig:
    def __init__(
        self,
        load: Any,
        folder: Path,
        listen: Callable[..., Any],
        run_tree: Callable[..., Any],
        clock: Clock | None = None,
    ) -> None:
        self.reader, self.hub = listen("reader"), listen("hub")
        self.catalogue = Catalogue(Sectors())
        self.address = Address("instrument_master")
        arguments = {
            "load": load,
            "load_sectors": lambda: SECTORS,
            "catalogue": self.catalogue,
            "path": folder / FILE,
            "refresh_at": ["06:30", "08:30"],
            "readers": [self.reader.address],
            "hub": self.hub.address,
        }
        spec = ChildSpec(self.address, InstrumentMaster, arguments, ping_limit=120)
        self.tree = run_tree([spec], clock)

    def refresh(self) -> Any:
        return self.address.ask(RefreshInstruments(), timeout=WAIT).result()


def process_of(folder: Path, server: SimulatorServer, **changed: Any) -> Any:
    brokers = {"kite": {**server.settings(), **changed}}
    settings = Settings(data_dir=str(folder), brokers=brokers)
    return functools.partial(
        catalogue_process.load, Order.of(settings, plain_sections(make_adapters(settings)))
    )


@pytest.fixture
def make_rig(tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]) -> Callable[..., Rig]:
    def make(server: SimulatorServer, **settings: Any) -> Rig:
        return Rig(process_of(tmp_path, server, **settings), tmp_path, listen, run_tree)

    return make


def test_it_fetches_at_its_start_and_tells_its_readers(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded), WAIT)
    (loaded,) = rig.reader.of(InstrumentsLoaded)
    assert loaded.table is rig.catalogue.table
    assert rig.catalogue.sectors is SECTORS
    assert loaded.table.resolve("RELIANCE").token == 738561
    described = rig.address.ask(Describe(), timeout=WAIT).result()
    assert described["sources"] == {"kite": len(loaded.table)}


def test_without_the_network_it_starts_with_what_it_kept(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    first = make_rig(kite)
    wait_until(lambda: first.reader.of(InstrumentsLoaded), WAIT)
    first.tree.stop()
    second = make_rig(kite, rest_url="http://127.0.0.1:9")
    wait_until(lambda: second.reader.of(InstrumentsLoaded), WAIT)
    assert len(second.catalogue.table) == len(first.catalogue.table)
    wait_until(lambda: second.hub.of(AlarmChanged), WAIT)
    assert second.hub.of(AlarmChanged)[0].id == "instruments"


def test_a_file_on_disk_that_is_of_no_use_is_passed_over(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(b"not a table")
    rig = make_rig(kite)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded), WAIT)
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_a_refresh_answers_the_counts(kite: SimulatorServer, make_rig: Callable[..., Rig]) -> None:
    counts = make_rig(kite).refresh()
    assert counts["indices"] >= 4
    assert counts["stocks"] >= 50


def test_a_refresh_that_fails_says_why_and_keeps_the_rows(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded), WAIT)
    before = rig.catalogue.table
    kite.stop()
    with pytest.raises(BrokerError, match="kite"):
        rig.refresh()
    assert rig.catalogue.table.by_token == before.by_token
    assert rig.tree.describe()["children"][0]["restarts"] == 0


class Lists:
    """What a broker lists, loaded without a process: the first so many of eight shares."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 2
        self.failures: list[str] = []
        self.loads = 0

    def load(self, *, on_progress: Callable[[Progress], None], give_up: Callable[[], bool]) -> Loaded:
        assert not give_up()
        on_progress(Progress("broker", self.count, 0))
        table = InstrumentTable.of(ROWS[: self.count], {})
        table.save(self._folder / FILE)
        self.loads += 1
        return Loaded(table.counts(), {"broker": self.count}, self.failures, [])


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


def at(time: str) -> FakeClock:
    return FakeClock(ist.next_time(time, 1_790_000_000_000_000_000))


def test_it_loads_twice_a_day_at_indias_times(
    lists: Lists,
    tmp_path: Path,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
    wait_until: Callable[..., None],
) -> None:
    clock = at("06:00")
    rig = Rig(lists.load, tmp_path, listen, run_tree, clock)
    loads = 0
    for minutes in (0, 31, 120, 22 * 60, 120):
        clock.advance(60 * minutes)
        loads += 1
        lists.count = loads
        wait_until(lambda: lists.loads == loads)  # noqa: B023 # waited for at once
    wait_until(lambda: len(rig.catalogue.table) == loads)
    clock.advance(60 * 60)
    assert rig.refresh()["stocks"] == loads
    assert lists.loads == loads + 1, "not at any other time"


def test_a_failure_is_an_alarm_and_tried_again_until_it_is_over(
    lists: Lists,
    tmp_path: Path,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
    wait_until: Callable[..., None],
) -> None:
    clock = at("10:00")
    lists.failures = ["broker listed 1 instruments, 8 the time before"]
    rig = Rig(lists.load, tmp_path, listen, run_tree, clock)
    wait_until(lambda: rig.hub.of(AlarmChanged))
    (alarm,) = rig.hub.of(AlarmChanged)
    assert (alarm.id, alarm.active) == ("instruments", True)
    assert "1 instruments, 8 the time before" in alarm.text
    assert len(rig.catalogue.table) == 2, "what could be loaded is there"
    lists.failures = []
    loads = lists.loads
    clock.advance(10)
    wait_until(lambda: lists.loads > loads)
    wait_until(lambda: not rig.hub.of(AlarmChanged)[-1].active)
