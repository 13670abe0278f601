"""Instruments come from the brokers, are kept on disk, and a failed fetch changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdactors.actors.instrument_master import Catalogue, InstrumentMaster
from mdactors.errors import BrokerError
from mdactors.messages import AlarmChanged, InstrumentsLoaded, RefreshInstruments
from mdactors.runtime import Address, ChildSpec
from mdactors.simulator import SimulatorServer

WAIT = 10.0


class Rig:
    def __init__(
        self, adapter: Any, path: Path, listen: Callable[..., Any], run_tree: Callable[..., Any]
    ) -> None:
        self.reader, self.hub = listen("reader"), listen("hub")
        self.catalogue = Catalogue()
        self.address = Address("instrument_master")
        arguments = {
            "sources": [adapter],
            "catalogue": self.catalogue,
            "path": path,
            "readers": [self.reader.address],
            "hub": self.hub.address,
        }
        self.tree = run_tree([ChildSpec(self.address, InstrumentMaster, arguments, ping_limit=120)])

    def refresh(self) -> Any:
        return self.address.ask(RefreshInstruments(), timeout=WAIT).result()


@pytest.fixture
def make_rig(
    tmp_path: Path,
    listen: Callable[..., Any],
    run_tree: Callable[..., Any],
    make_kite_adapter: Callable[..., Any],
) -> Callable[..., Rig]:
    def make(server: SimulatorServer, **settings: Any) -> Rig:
        return Rig(make_kite_adapter(server, **settings), tmp_path / "instruments", listen, run_tree)

    return make


def test_it_fetches_at_its_start_and_tells_its_readers(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded), WAIT)
    (loaded,) = rig.reader.of(InstrumentsLoaded)
    assert loaded.table is rig.catalogue.table
    assert loaded.table.resolve("RELIANCE").token == 738561


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
    (tmp_path / "instruments").write_bytes(b"not a table")
    rig = make_rig(kite)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded), WAIT)
    assert rig.tree.describe()["children"][0]["restarts"] == 0


def test_a_refresh_answers_the_counts(kite: SimulatorServer, make_rig: Callable[..., Rig]) -> None:
    counts = make_rig(kite).refresh()
    assert counts["indices"] >= 4
    assert counts["stocks"] >= 50


def test_a_refresh_that_fails_says_why_and_keeps_the_table(
    kite: SimulatorServer, make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(kite)
    wait_until(lambda: rig.reader.of(InstrumentsLoaded), WAIT)
    before = rig.catalogue.table
    kite.stop()
    with pytest.raises(BrokerError):
        rig.refresh()
    assert rig.catalogue.table is before
    assert rig.tree.describe()["children"][0]["restarts"] == 0
