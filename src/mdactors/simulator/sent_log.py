"""The judge's log: what was sent to whom, counted where it leaves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec

from mdactors.errors import SimulatorError
from mdactors.simulator.peer import SocketPeer


class SentLog:
    """Updates sent per connection and instrument since the start; also appended to a file, beat by beat.

    Each line of the file is ``{"time_ms", "connection", "sent": {token: updates since the line before},
    "checksums": {token: CRC-32 of all that was sent of it}}``; the checksums are there where the
    broker's simulator hands the content over.
    """

    def __init__(self, path: str = "") -> None:
        self._totals: dict[int, dict[int, int]] = {}
        self._file: IO[bytes] | None = None
        if path:
            try:
                self._file = Path(path).open("ab")  # noqa: SIM115 - open as long as the server lives
            except OSError as error:
                raise SimulatorError(f"sent_log: {error}") from error

    def collect(self, peers: Iterable[SocketPeer], now_ms: int) -> None:
        """Take over what these connections have sent since the last time."""
        for peer in peers:
            total = self._totals.setdefault(peer.id, {})
            if not peer.unreported:
                continue
            fresh, peer.unreported = peer.unreported, {}
            for token, updates in fresh.items():
                total[token] = total.get(token, 0) + updates
            if self._file is not None:
                sums = {token: peer.checksums[token] for token in fresh if token in peer.checksums}
                line = {"time_ms": now_ms, "connection": peer.id, "sent": fresh, "checksums": sums}
                self._file.write(msgspec.json.encode(line) + b"\n")
        if self._file is not None:
            self._file.flush()

    @property
    def totals(self) -> dict[int, dict[int, int]]:
        """Connection -> token -> updates, as far as collected."""
        return {connection: dict(counts) for connection, counts in self._totals.items()}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
