"""The program itself as a child process, started by its command line: to be killed, stopped and asked."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench._servers import free_port
from mdactors.runtime import MACHINE
from mdactors.simulator.parent import die_with

DATA = "kept"
"""Where a daemon keeps its data, below the folder of its measurement."""
ANSWERS_WITHIN = 30.0
STOPS_WITHIN = 60.0
ASK_SECONDS = 10.0


class Program:
    """``mdactors run`` on one configuration."""

    def __init__(
        self,
        folder: Path,
        configuration: Mapping[str, Any],
        before: Sequence[str] = (),
        module: Sequence[str] = ("mdactors",),
        options: Sequence[str] = (),
    ) -> None:
        """Start it; ``before`` is what its command line is put behind, ``module`` what Python is to run."""
        number = len(list(folder.glob("*.log")))
        self.port = free_port()
        self.log = folder / f"{number}.log"
        path = folder / f"{number}.json"
        path.write_text(json.dumps({**configuration, "server": {"port": self.port}}))  # JSON is YAML, too
        parent = os.getpid()
        self.started_ms = wall_ms()
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [*before, sys.executable, "-m", *module, "run", "--config", str(path), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: die_with(parent),
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def wait_until_up(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: it ended, or took too long.
        """
        deadline = time.monotonic() + ANSWERS_WITHIN
        while not self._answers():
            self.must_live()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no answer within {ANSWERS_WITHIN:g} s: {self._last_words()}")
            time.sleep(0.02)

    def must_live(self) -> None:
        """Raise, with its last words, when it has ended."""
        if self._child.poll() is not None:
            raise RuntimeError(f"the daemon ended with {self._child.returncode}: {self._last_words()}")

    def get(self, path: str) -> tuple[int, Any]:
        """Status and answer of a request, JSON decoded."""
        return self._ask("GET", path, ASK_SECONDS)

    def post(self, path: str, seconds: float) -> tuple[int, Any]:
        """The same for one that changes something and may take so long."""
        return self._ask("POST", path, seconds)

    def _ask(self, method: str, path: str, seconds: float) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def alarms(self) -> dict[str, str]:
        """The text of every alarm by its id."""
        return {alarm["id"]: alarm["text"] for alarm in self.get("/api/status")[1]["alarms"]}

    def counters(self, actor: str) -> dict[str, Any]:
        """What an actor says of itself."""
        counters: dict[str, Any] = self.get("/api/status")[1]["counters"]
        return dict(counters.get(actor, {}))

    def rss_mb(self) -> float:
        """The memory that it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def kill(self) -> int:
        """Kill it without a word; the wall time in ms just before."""
        at = wall_ms()
        self._child.kill()
        self._child.wait()
        return at

    def stop(self) -> None:
        """Ask it to end, and wait.

        Raises:
            RuntimeError: it did not end well or in time.
        """
        self.must_live()
        self._child.terminate()
        try:
            code = self._child.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise RuntimeError(f"the daemon did not stop within {STOPS_WITHIN:g} s") from None
        if code:
            raise RuntimeError(f"the daemon stopped with {code}: {self._last_words()}")

    def end(self) -> None:
        """Make sure that it does not run any more."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/live")[0] == 200
        return False

    def _last_words(self) -> str:
        text = self.log.read_text(errors="replace")
        crash = text.find("Fatal Python error")  # followed by every thread's stack, the guilty one first
        return text[crash:][:4000] if crash >= 0 else text[-2000:]


@contextlib.contextmanager
def program(
    folder: Path,
    configuration: Mapping[str, Any],
    before: Sequence[str] = (),
    module: Sequence[str] = ("mdactors",),
    options: Sequence[str] = (),
) -> Iterator[Program]:
    """A daemon that ends with the block."""
    running = Program(folder, configuration, before, module, options)
    try:
        yield running
    finally:
        running.end()


def wall_ms() -> int:
    """Milliseconds since 1970, the clock of the simulator's log."""
    return MACHINE.time_ns() // 1_000_000
