"""Another wall clock for a command and those that it starts: a library of a few lines, preloaded, moves it.

Servers and browsers keep the machine's own clock (`true_time`): nothing that is tested may lean on their now,
and they compare it with the times of files.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCE = Path(__file__).with_suffix(".c")
PRELOAD = "LD_PRELOAD"
SHIFT = "WALL_CLOCK_SHIFT"
OFF_BY_SECONDS = 60.0

At = Callable[[dt.datetime], dict[str, str]]


class ClockFixedError(RuntimeError):
    """The wall clock cannot be moved on this machine."""


@contextlib.contextmanager
def movable_clock() -> Iterator[At]:
    """``at(moment)``: the environment of a command for which that moment is now; valid within the block.

    Raises:
        ClockFixedError: with the reason.
    """
    with TemporaryDirectory(prefix="mdactors-") as folder:
        library = _compiled(Path(folder))

        def at(moment: dt.datetime) -> dict[str, str]:
            shift = round(moment.timestamp() - _now(Path(folder)))
            return true_time() | {PRELOAD: str(library), SHIFT: str(shift)}

        _check(at)
        yield at


def _now(folder: Path) -> float:
    """Epoch seconds by the kernel, which dates files whatever clock this process has."""
    stamp = folder / "now"
    stamp.touch()
    return stamp.stat().st_mtime


def true_time() -> dict[str, str]:
    """The environment of a command that keeps the machine's own clock, whatever clock this process has."""
    return {name: value for name, value in os.environ.items() if name not in (PRELOAD, SHIFT)}


def _compiled(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise ClockFixedError("no C compiler on PATH (cc, gcc, clang)")
    library = folder / "wall_clock.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClockFixedError(f"{compiler} cannot build a shared library: {done.stderr.strip()[:300]}")
    return library


def _check(at: At) -> None:
    """See that a Python follows: a static one, or a folder that nothing is run from, would ignore it."""
    wanted = dt.datetime(2027, 1, 26, tzinfo=dt.UTC)
    command = [sys.executable, "-c", "import time; print(time.time())"]
    done = subprocess.run(command, env=at(wanted), capture_output=True, text=True, check=False)
    if done.returncode or abs(float(done.stdout) - wanted.timestamp()) > OFF_BY_SECONDS:
        raise ClockFixedError(f"{sys.executable} does not follow a preloaded clock: {done.stderr[:300]}")
