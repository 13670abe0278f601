"""A simulated Kite as a child process, with the log that says what it sent."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench._program import DATA
from bench._sent import Sent
from mdactors.demo import simulator

BEAT_SECONDS = 0.02
WITHIN_SECONDS = 30.0
FOR_EVER = 1_000_000


class Market:
    """One running simulator."""

    def __init__(self, wire: dict[str, Any], log: Path) -> None:
        self.symbols: list[str] = wire["symbols"]
        self.sent = Sent(log)
        self._wire = wire

    @property
    def settings(self) -> dict[str, Any]:
        """The section of a broker that is this one, over one connection."""
        return {**self._wire["settings"], "connections": 1}

    def configuration(self, folder: Path, **sections: Any) -> dict[str, Any]:
        """The configuration of a daemon in ``folder`` that streams everything over one connection."""
        return {
            "data_dir": str(folder / DATA),
            "brokers": {"kite": self.settings},
            "subscriptions": {"symbols": self.symbols},
            "calendar": {"always_open": True},
            "log": {"level": "WARNING"},
            **sections,
        }

    def silence(self) -> None:
        """From now on nothing changes any more, and the log holds all that was sent."""
        self._ask("POST", f"/simulator/silence?seconds={FOR_EVER}")
        self._ask("GET", "/simulator/sent")

    def speak(self) -> None:
        """Go on."""
        self._ask("POST", "/simulator/silence?seconds=0")

    def freeze(self) -> None:
        """From now on nothing comes, neither a heartbeat nor an answer, though nothing is closed."""
        os.kill(self._wire["pid"], signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on; nothing happens where it was not frozen."""
        os.kill(self._wire["pid"], signal.SIGCONT)

    def connections(self) -> list[int]:
        """The open ones."""
        return list(self._ask("GET", "/simulator/connections"))

    def newest(self) -> int:
        """The newest connection that was sent anything; 0 when there is none."""
        self.sent.read()
        return max(self.sent.beats, default=0)

    def _ask(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._wire["port"], timeout=WITHIN_SECONDS)
        try:
            connection.request(method, path)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer["result"]


@contextlib.contextmanager
def market(
    folder: Path,
    rate: int,
    instruments: int,
    *,
    beat: float = BEAT_SECONDS,
    seed: int = 1,
    further: Sequence[str] = (),
) -> Iterator[Market]:
    """A simulator of so many updates a second that ends with the block; it logs into ``folder``."""
    log = folder / "sent.jsonl"
    options = {
        "--rate": rate, "--instruments": instruments, "--beat": beat, "--seed": seed, "--sent-log": log,
        "--packets-per-frame": 100,
    }  # fmt: skip
    words = [str(word) for option in options.items() for word in option]
    with simulator("kite", *words, *further) as wire:
        running = Market(wire, log)
        try:
            yield running
        finally:
            running.thaw()


def wait_for(condition: Callable[[], object], what: str, seconds: float = WITHIN_SECONDS) -> None:
    """Return once it holds.

    Raises:
        RuntimeError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
