"""What a simulator sent, read from its own log: the judge's evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Beat(msgspec.Struct, frozen=True):
    """One line of the log: what one connection was sent since the line before.

    All of it was sent before ``time_ms``, wall time. ``checksums`` holds the CRC-32 of everything that
    the connection was sent of an instrument until then.
    """

    time_ms: int
    connection: int
    sent: dict[int, int]
    checksums: dict[int, int] = {}


class Sent:
    """Follows a log that is still being written."""

    def __init__(self, path: Path) -> None:
        self.beats: dict[int, list[Beat]] = {}
        """Connection -> its lines, in order."""
        self._path = path
        self._offset = 0
        self._decode = msgspec.json.Decoder(Beat).decode

    def read(self) -> None:
        """Take over the whole lines that are new."""
        if not self._path.exists():
            return
        with self._path.open("rb") as log:
            log.seek(self._offset)
            fresh = log.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            beat = self._decode(line)
            self.beats.setdefault(beat.connection, []).append(beat)

    def updates(self) -> int:
        """How many updates were sent in all, as far as read."""
        return sum(sum(beat.sent.values()) for beats in self.beats.values() for beat in beats)

    def of(self, token: int) -> int:
        """How many updates of one instrument were sent, as far as read."""
        return sum(beat.sent.get(token, 0) for beats in self.beats.values() for beat in beats)

    def between(self, from_ms: int, to_ms: int) -> list[Sequence[Beat]]:
        """The lines of each connection whose first update was logged between these times."""
        return [beats for beats in self.beats.values() if from_ms <= beats[0].time_ms < to_ms]
