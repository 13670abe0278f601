"""A process of its own carries ticks as the daemon itself would, and may die at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mdactors.adapter import Secret
from mdactors.config import LogSettings, StoreSettings
from mdactors.errors import PositionMoved, StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import carrier_process
from mdactors.store.carrier import Carried
from mdactors.store.carrier_process import CarrierProcess, Errand, encode
from mdactors.store.journal import Journal
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
RECORD = 5
"""Ticks in each of the journal's records."""


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote(RELIANCE.token, "ltp", 1.0), "test", 1, seq, seq * 1_000_000)


@pytest.fixture
def synced(tmp_path: Path) -> Position:
    """Where a journal of 20 ticks ends."""
    with closing(Journal(tmp_path / "journal", segment_bytes=65_536, max_bytes=2**30)) as journal:
        appender = journal.appender()
        for first in range(1, 21, RECORD):
            appender.append([tick(seq) for seq in range(first, first + RECORD)])
        position = appender.sync()
        appender.close()
    return position


@pytest.fixture
def errand(tmp_path: Path) -> Errand:
    return Errand(StoreSettings(), str(tmp_path), str(tmp_path / "journal"), LogSettings())


@pytest.fixture
def carrier(errand: Errand) -> Iterator[CarrierProcess]:
    with closing(CarrierProcess(errand)) as process:
        yield process


def children(parent: int) -> list[int]:
    """The processes that carry for ``parent``."""
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in listed if b"mdactors.carry" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def stored(folder: Path) -> list[int]:
    with closing(SqliteTicks(SqliteDatabase(folder / "ticks.db"))) as store:
        return [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 1000)]


def test_it_carries_part_after_part_up_to_what_is_synced(
    carrier: CarrierProcess, synced: Position, tmp_path: Path
) -> None:
    first = carrier.carry(None, synced, 2 * RECORD)
    assert (first.ticks, first.refused, first.damage) == (2 * RECORD, 0, [])
    rest = carrier.carry(first.upto, synced, 1000)
    assert (rest.upto, rest.ticks) == (synced, 2 * RECORD)
    assert carrier.carry(synced, synced, 1000) == Carried(synced)
    assert stored(tmp_path) == list(range(1, 21))


def test_it_leaves_the_processor_to_live_ticks(carrier: CarrierProcess, synced: Position) -> None:
    carrier.carry(None, synced, 1)
    (child,) = children(os.getpid())
    assert os.sched_getscheduler(child) == os.SCHED_IDLE


def test_a_part_that_somebody_else_has_stored_is_not_stored_again(
    carrier: CarrierProcess, errand: Errand, synced: Position, tmp_path: Path
) -> None:
    carrier.carry(None, synced, RECORD)
    with closing(CarrierProcess(errand)) as other, pytest.raises(PositionMoved):
        other.carry(None, synced, RECORD)
    assert stored(tmp_path) == list(range(1, RECORD + 1))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_one_that_dies_is_an_error_once_and_replaced(
    carrier: CarrierProcess, synced: Position, tmp_path: Path, number: signal.Signals
) -> None:
    first = carrier.carry(None, synced, RECORD)
    os.kill(children(os.getpid())[0], number)
    with pytest.raises(StoreError, match=f"the process that stores ticks ended with code -{number}"):
        carrier.carry(first.upto, synced, RECORD)
    carrier.carry(first.upto, synced, 1000)
    assert stored(tmp_path) == list(range(1, 21))


def test_one_that_hangs_is_given_up_and_replaced(
    carrier: CarrierProcess, synced: Position, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = carrier.carry(None, synced, RECORD)
    (hung,) = children(os.getpid())
    os.kill(hung, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(carrier_process, "ANSWER_SECONDS", 0.1)
        patch.setattr("mdactors.store.child.END_SECONDS", 0.1)
        with pytest.raises(StoreError, match="gave no answer in"):
            carrier.carry(first.upto, synced, RECORD)
    assert children(os.getpid()) == []
    carrier.carry(first.upto, synced, 1000)
    assert stored(tmp_path) == list(range(1, 21))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_everybody_does_not_keep_it_from_the_last_part(
    carrier: CarrierProcess, synced: Position, tmp_path: Path, number: signal.Signals
) -> None:
    first = carrier.carry(None, synced, RECORD)
    os.kill(children(os.getpid())[0], number)
    carrier.carry(first.upto, synced, 1000)
    assert stored(tmp_path) == list(range(1, 21))


def test_a_store_that_cannot_be_opened_is_said_in_its_own_words(synced: Position, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    errand = Errand(StoreSettings(path="taken"), str(tmp_path), str(tmp_path / "journal"), LogSettings())
    with closing(CarrierProcess(errand)) as carrier, pytest.raises(StoreError, match="taken"):
        carrier.carry(None, synced, 1)


def test_it_ends_with_a_daemon_that_is_killed(
    errand: Errand, synced: Position, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    (tmp_path / "errand").write_bytes(encode(errand))
    program = (
        "import sys, msgspec\n"
        "from mdactors.adapter import Secret\n"
        "from mdactors.market.position import Position\n"
        "from mdactors.store.carrier_process import CarrierProcess, Errand\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "errand = msgspec.msgpack.decode(data, type=Errand, dec_hook=lambda _kind, text: Secret(text))\n"
        "carrier = CarrierProcess(errand)\n"
        f"carrier.carry(None, Position({synced.journal!r}, 1, {synced.offset}, 20), 5)\n"
        "print('carried', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "errand")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"carried\n"
        (child,) = children(daemon.pid)
        daemon.kill()
    wait_until(lambda: not Path(f"/proc/{child}").exists())


def test_a_file_in_the_working_directory_is_not_taken_for_a_module(
    carrier: CarrierProcess, synced: Position, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "signal.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert carrier.carry(None, synced, 1000).upto == synced


def test_a_password_travels_to_it_but_shows_nowhere(tmp_path: Path, synced: Position) -> None:
    store = StoreSettings(kind="postgres", url=Secret("postgresql://someone:hush@127.0.0.1:1/nowhere"))
    errand = Errand(store, str(tmp_path), str(tmp_path / "journal"), LogSettings())
    assert "hush" not in repr(errand)
    with closing(CarrierProcess(errand)) as carrier:
        with pytest.raises(StoreError) as said:
            carrier.carry(None, synced, 1)
        (child,) = children(os.getpid())
        assert b"hush" not in Path(f"/proc/{child}/cmdline").read_bytes()
    assert "hush" not in str(said.value)


@pytest.fixture
def busy_processor() -> Iterator[int]:
    """A processor that always has something better to do than idle work."""
    number = min(os.sched_getaffinity(0))
    burn = f"import os; os.sched_setaffinity(0, [{number}]); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", burn], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield number
        process.kill()


def test_a_child_that_waits_for_idle_time_gives_way_to_one_that_takes_its_share(
    carrier: CarrierProcess,
    tmp_path: Path,
    busy_processor: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(carrier_process, "PATIENCE_SECONDS", 0.3)
    count = 10_000
    with closing(Journal(tmp_path / "journal", segment_bytes=2**26, max_bytes=2**30)) as journal:
        appender = journal.appender()
        for first in range(1, count + 1, 100):
            appender.append([tick(seq) for seq in range(first, first + 100)])
        synced = appender.sync()
        appender.close()
    begun = carrier.carry(None, synced, 100)
    (child,) = children(os.getpid())
    os.sched_setaffinity(child, [busy_processor])

    rest = carrier.carry(begun.upto, synced, count)

    assert (begun.ticks + rest.ticks, rest.upto) == (count, synced)
    assert "the machine has no idle time" in caplog.text
    (successor,) = children(os.getpid())
    assert successor != child
    assert os.sched_getscheduler(successor) == os.SCHED_OTHER
    carrier.carry(synced, synced, 1)
    assert children(os.getpid()) == [successor], "the machine is taken for busy for a while"
