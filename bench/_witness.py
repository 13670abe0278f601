"""What a daemon says of itself to whoever asks, reads its log or listens to its events."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import websocket

from bench._program import Program

CONNECTS_WITHIN = 10.0
TELLING = re.compile(r"^\S+ \S+ (?:ERROR|CRITICAL)", re.MULTILINE)


class Account(msgspec.Struct, frozen=True):
    """What was said at one moment."""

    health: int
    """The status of ``/health``."""
    buffer: int
    reasons: Sequence[str]
    healthy: bool
    """Of ``/api/status``."""
    alarms: Sequence[str]
    """Their ids."""
    errors: int
    """Lines of ERROR since the witness came."""
    events: Sequence[str]
    """Alarms and words for feeds that a client heard since then and that are not over."""

    @property
    def all_is_well(self) -> bool:
        """Whether nobody who asks for the daemon's health could tell that something is wrong."""
        return self.health == 200 and self.healthy and not self.alarms

    def columns(self) -> dict[str, object]:
        """By whom it was said."""
        return {
            "`/health`": f"{'UP' if self.health == 200 else 'DOWN'}, bufferSize {self.buffer:,}",
            "`/api/status`": f"{'healthy' if self.healthy else 'not healthy'}, alarms {_listed(self.alarms)}",
            "log": f"{self.errors} ERROR",
            "`?events=1`": _listed(self.events),
        }


def _listed(words: Sequence[str]) -> str:
    return " ".join(words) or "none"


class Witness:
    """Asks, reads and listens; the listener is a client of ``/ws/market?events=1``."""

    def __init__(self, daemon: Program) -> None:
        self._daemon = daemon
        self._begin = daemon.log.stat().st_size
        self._alarms: dict[str, str] = {}
        self._feeds: dict[str, str] = {}
        self._heard = time.monotonic()
        """When the client heard a tick, or came."""
        address = f"ws://127.0.0.1:{daemon.port}/ws/market?events=1"
        self._socket = websocket.create_connection(address, timeout=CONNECTS_WITHIN, suppress_origin=True)
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)
        self._thread.start()

    def subscribe(self, symbols: Sequence[str]) -> None:
        """Have the client be sent these."""
        self._socket.send(json.dumps({"action": "SUBSCRIBE", "symbols": list(symbols)}))

    def silent_seconds(self) -> float:
        """How long the client has heard no tick."""
        return time.monotonic() - self._heard

    def account(self) -> Account:
        """What is said now."""
        health, answer = self._daemon.get("/health")
        status = self._daemon.get("/api/status")[1]
        with self._daemon.log.open("rb") as log:
            log.seek(self._begin)
            lines = log.read().decode(errors="replace")
        feeds = [f"{source}={word}" for source, word in sorted(self._feeds.items()) if word != "live"]
        return Account(
            health,
            answer["details"]["bufferSize"],
            answer["details"]["reasons"],
            status["healthy"],
            [alarm["id"] for alarm in status["alarms"]],
            len(TELLING.findall(lines)),
            [*sorted(self._alarms), *feeds],
        )

    def _listen(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while text := self._socket.recv():
                self._hear(json.loads(text))

    def _hear(self, message: dict[str, Any]) -> None:
        match message.get("event"):
            case None:
                self._heard = time.monotonic()
            case "alarm":
                self._alarms.pop(message["id"], None)
                if message["active"]:
                    self._alarms[message["id"]] = message["text"]
            case "status":
                self._feeds[message["source"]] = message["status"]
            case "welcome":
                self._feeds |= {each["source"]: each["status"] for each in message["sources"]}

    def leave(self) -> None:
        """Close the client's socket."""
        self._socket.close(timeout=1)
        self._thread.join(CONNECTS_WITHIN)


@contextlib.contextmanager
def witness(daemon: Program) -> Iterator[Witness]:
    """A witness that leaves with the block."""
    came = Witness(daemon)
    try:
        yield came
    finally:
        came.leave()
