"""What every test relies on: nothing is left behind, waits have a deadline, real data is optional."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pykka
import pytest

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


def _listening_sockets() -> set[str]:
    """Inodes of this process's listening TCP sockets."""
    ours = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            ours.add(target.removeprefix("socket:[").removesuffix("]"))
    listening = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        if Path(table).exists():
            rows = (line.split() for line in Path(table).read_text().splitlines()[1:])
            listening |= {row[9] for row in rows if row[3] == "0A"}
    return ours & listening


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


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """``wait_until(condition, deadline=5.0)``: return once it is true, fail after the deadline."""

    def wait(condition: Callable[[], object], deadline: float = 5.0) -> None:
        end = time.monotonic() + deadline
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"not within {deadline:g} s")
            time.sleep(0.002)

    return wait


@pytest.fixture
def shared_data() -> Path:
    """The folder of recorded market data beside the checkout; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded market data at {SHARED_DATA}")
    return SHARED_DATA
