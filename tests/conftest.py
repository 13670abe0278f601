"""What every test relies on: nothing is left behind, waits have a deadline, real data is optional."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import stat
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pykka
import pytest
from bench._servers import Postgres, postgres
from tests.today import todays_clock
from tests.waiting import wait_until
from xdist.scheduler import LoadScopeScheduling

from mdactors.runtime import Clock, SystemClock

# A busy machine is no reason to fail: what hypothesis finds counts, not how fast it looks.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

OUR_THREADS = ("actor-", "feed-")
"""Names of threads that must end although they are daemons."""

SECONDS_TO_TIDY_UP = 3.0
WHOLE_DAEMONS = ("tests/e2e/", "tests/chaos/")


class OneDaemonAtATime(LoadScopeScheduling):
    """Where two work (``-n 2``): one has the tests of whole daemons, the other all else, file by file."""

    def _split_scope(self, nodeid: str) -> str:
        return "whole daemons" if nodeid.startswith(WHOLE_DAEMONS) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneDaemonAtATime:
    """Two daemons under load would be each other's noise."""
    return OneDaemonAtATime(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    """The program as a process goes by the machine's clock, and so does who watches it."""
    if item.nodeid.startswith("tests/chaos/") or "mdactors" in getattr(item, "fixturenames", ()):
        item.add_marker("any_day")


def pytest_collection_finish() -> None:
    """What is there by now stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def _listens(descriptor: int) -> bool:
    """Whether it is a server socket; asked of the socket, for the kernel's table takes ten milliseconds."""
    asked = socket.socket(fileno=descriptor)
    try:
        return bool(asked.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    finally:
        asked.detach()


def _listening_sockets() -> set[str]:
    """Inodes of this process's listening sockets."""
    listening = set()
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # closed meanwhile
            state = os.fstat(descriptor)
            if stat.S_ISSOCK(state.st_mode) and _listens(descriptor):
                listening.add(str(state.st_ino))
    return listening


def _living() -> dict[str, set[str]]:
    return {
        "actors": {str(ref) for ref in pykka.ActorRegistry.get_all()},
        "threads": {
            f"{thread.name} ({thread.ident})"
            for thread in threading.enumerate()
            if not thread.daemon or thread.name.startswith(OUR_THREADS)
        },
        "server sockets": _listening_sockets(),
    }


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves an actor, a thread that should have ended, or a server socket."""
    before = _living()
    yield
    deadline = time.monotonic() + SECONDS_TO_TIDY_UP
    while left := {kind: now - before[kind] for kind, now in _living().items() if now - before[kind]}:
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {left}")
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_other_day(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in whose process the machine is asked for the date or the time of day.

    It would pass on some days only. What goes by the machine's clock on purpose is marked ``any_day``.
    """
    asked: list[str] = []
    machines = SystemClock.time_ns

    def time_ns(clock: SystemClock) -> int:
        asked.append("".join(traceback.format_stack(limit=4)[:-1]))
        return machines(clock)

    if "any_day" not in request.keywords:
        monkeypatch.setattr(SystemClock, "time_ns", time_ns)
    yield
    if asked:
        pytest.fail(f"the machine was asked for its time {len(asked)} times, first:\n{asked[0]}")


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    """``wait_until(condition, deadline=20.0, what="")``: return once it is true, fail after the deadline."""
    return wait_until


@pytest.fixture
def clock() -> Clock:
    """The clock of a test and of all that it starts: it runs on from the same moment, whenever that is."""
    return todays_clock()


@pytest.fixture
def shared_data() -> Path:
    """The folder of recorded market data beside the checkout; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded market data at {SHARED_DATA}")
    return SHARED_DATA


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach as well.

    A server of root's tests runs as somebody else, and every pytest that starts closes the folder above
    ``tmp_path`` to others: the server would lose its files.
    """
    with TemporaryDirectory(prefix="mdactors-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of a run; a test that stops or hangs a server takes `own_postgres`."""
    with open_folder() as folder, postgres(folder) as server:
        yield server
