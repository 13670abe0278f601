"""Instruments come from the brokers, are kept on disk, and a failed fetch changes nothing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.today import todays_clock

from mdactors.actors.instrument_master import LOOK_SECONDS, Catalogue, InstrumentMaster
from mdactors.config import Settings
from mdactors.errors import BrokerError, StoreError
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import FILE, InstrumentTable
from mdactors.market.sectors import Sector, Sectors
from mdactors.messages import AlarmChanged, InstrumentsLoaded, RefreshInstruments
from mdactors.plugins import make_adapters, plain_sections
from mdactors.runtime import Address, ChildSpec, Clock, Describe, FakeClock, Kill
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
        self.lists = 0
        self.address = Address("instrument_master")
        arguments = {
            "load": load,
            "load_sectors": lambda: SECTORS,
            "lists_stamp": lambda: self.lists,
            "catalogue": self.catalogue,
            "path": folder / FILE,
            "refresh_at": ["06:30", "08:30"],
            "readers": [self.reader.address],
            "board": self.hub.board(),
        }
        spec = ChildSpec(self.address, InstrumentMaster, arguments, ping_limit=120)
        self.tree = run_tree([spec], clock)

    def refresh(self) -> Any:
        return self.address.ask(RefreshInstruments(), timeout=WAIT).result()

    def described(self) -> Any:
        return self.address.ask(Describe(), timeout=WAIT).result()


def process_of(folder: Path, server: SimulatorServer, **changed: Any) -> Any:
    brokers = {"kite": {**server.settings(), **changed}}
    settings = Settings(data_dir=str(folder), brokers=brokers)
    plain = plain_sections(make_adapters(settings))
    order = Order.of(settings, plain, timeline=todays_clock().timeline())
    return functools.partial(catalogue_process.load, order)


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
    described = rig.described()
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
        self.doubts: list[str] = []
        self.bug: Exception | None = None
        self.loads = 0
        self.begun = 0
        self.gate = threading.Event()
        self.gate.set()

    def load(self, *, on_progress: Callable[[Progress], None], give_up: Callable[[], bool]) -> Loaded:
        self.begun += 1
        on_progress(Progress("broker", self.count, 0))
        while not self.gate.wait(0.01) and not give_up():
            pass
        if give_up():
            raise StoreError("given up")
        bug, self.bug = self.bug, None
        if bug is not None:
            raise bug
        self.write()
        self.loads += 1
        return Loaded({}, {"broker": self.count}, self.failures, [], doubts=self.doubts)

    def write(self) -> None:
        """What this or another program does at the end."""
        InstrumentTable.of(ROWS[: self.count], {}).save(self._folder / FILE)


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


@pytest.fixture
def rig_of(
    tmp_path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]
) -> Callable[[Lists, Clock], Rig]:
    """``rig_of(lists, clock)``: a master that loads these."""
    return lambda lists, clock: Rig(lists.load, tmp_path, listen, run_tree, clock)


def at(time: str) -> FakeClock:
    return FakeClock(ist.next_time(time, 1_790_000_000_000_000_000))


def test_it_loads_twice_a_day_at_indias_times(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = at("06:00")
    rig = rig_of(lists, clock)
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
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = at("10:00")
    lists.failures = ["broker listed 1 instruments, 8 the time before"]
    rig = rig_of(lists, clock)
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


def test_rows_that_cannot_be_read_are_an_alarm_of_their_own_and_nothing_is_tried_again(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = at("10:00")
    lists.doubts = ["broker: 2 of 8 rows cannot be read, and are left out: ONE (why), TWO (why)"]
    rig = rig_of(lists, clock)
    assert rig.refresh()["stocks"] == 2, "what can be read is in use"
    wait_until(lambda: rig.hub.of(AlarmChanged))
    alarms = {alarm.id: alarm.text for alarm in rig.hub.of(AlarmChanged)}
    assert alarms == {"instrument_rows": lists.doubts[0]}
    loads = lists.loads
    clock.advance(60 * 60)
    rig.described()
    assert lists.loads == loads
    lists.doubts = []
    rig.refresh()
    wait_until(lambda: not rig.hub.of(AlarmChanged)[-1].active)


def test_it_answers_while_it_loads_and_says_how_far_it_is(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    lists.gate.clear()
    rig = rig_of(lists, at("10:00"))
    wait_until(lambda: rig.described()["loading"] == {"broker": 2})
    lists.gate.set()
    wait_until(lambda: rig.described()["sources"] == {"broker": 2})
    assert rig.described()["loading"] == {}


def test_who_asks_during_a_load_gets_one_that_began_later_and_all_of_them_the_same(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    lists.gate.clear()
    rig = rig_of(lists, at("10:00"))
    wait_until(lambda: lists.begun == 1)
    answers = [rig.address.ask(RefreshInstruments(), timeout=WAIT) for _ in range(3)]
    rig.described()
    lists.gate.set()
    assert [answer.result()["stocks"] for answer in answers] == [2, 2, 2]
    assert lists.begun == 2


def test_a_table_that_another_program_wrote_is_taken_within_seconds(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = at("10:00")
    rig = rig_of(lists, clock)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded))
    lists.count = 5
    lists.write()
    clock.advance(LOOK_SECONDS)
    wait_until(lambda: len(rig.catalogue.table) == 5)
    clock.advance(LOOK_SECONDS)
    assert rig.described()["stocks"] == 5
    assert [len(each.table) for each in rig.reader.of(InstrumentsLoaded)] == [2, 5], "once"
    assert lists.loads == 1


def test_another_programs_table_that_is_damaged_changes_nothing(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None], tmp_path: Path, caplog: Any
) -> None:
    clock = at("10:00")
    rig = rig_of(lists, clock)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded))
    (tmp_path / "beside").write_bytes(b"not a table")
    (tmp_path / "beside").replace(tmp_path / FILE)
    for _ in range(3):
        clock.advance(LOOK_SECONDS)
        assert rig.described()["stocks"] == 2
    assert caplog.text.count("are of no use") == 1
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_a_list_of_shares_that_was_imported_has_everything_loaded_with_it(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    clock = at("10:00")
    rig = rig_of(lists, clock)
    wait_until(lambda: rig.described()["fetched"])
    rig.catalogue.sectors = Sectors()
    rig.lists += 1
    clock.advance(LOOK_SECONDS)
    wait_until(lambda: rig.catalogue.sectors is SECTORS)
    wait_until(lambda: lists.loads == 2)
    clock.advance(LOOK_SECONDS)
    rig.described()
    assert lists.begun == 2, "once"


def test_a_fresh_one_loads_again_and_takes_nothing_of_what_its_predecessor_began(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    lists.gate.clear()
    rig = rig_of(lists, at("10:00"))
    wait_until(lambda: lists.begun == 1)
    answer = rig.address.ask(RefreshInstruments(), timeout=WAIT)
    rig.address.tell(Kill("test"))
    with pytest.raises(StoreError, match="loading the instruments failed"):
        answer.result()
    wait_until(lambda: lists.begun == 2)
    lists.gate.set()
    wait_until(lambda: rig.reader.of(InstrumentsLoaded))
    rig.described()
    assert (lists.loads, len(rig.reader.of(InstrumentsLoaded))) == (1, 1)


def test_a_bug_while_loading_is_the_actors_and_a_fresh_one_tries_again(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    lists.gate.clear()
    lists.bug = ZeroDivisionError("odd")
    rig = rig_of(lists, at("10:00"))
    wait_until(lambda: lists.begun == 1)
    lists.gate.set()
    wait_until(lambda: rig.tree.describe()["children"][0]["last_exit"] == "ZeroDivisionError: odd")
    wait_until(lambda: rig.reader.of(InstrumentsLoaded))


def test_at_its_end_what_loads_is_given_up_and_who_waits_is_told(
    lists: Lists, rig_of: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    lists.gate.clear()
    rig = rig_of(lists, at("10:00"))
    answer = rig.address.ask(RefreshInstruments(), timeout=WAIT)
    wait_until(lambda: lists.begun == 1)
    rig.described()
    assert rig.tree.stop()
    with pytest.raises(StoreError, match="the daemon stops"):
        answer.result()
    assert not [each for each in threading.enumerate() if each.name == "loading-instruments"]
