"""The messages that nobody will handle any more."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from mdactors.runtime.message import AfterData, DataMessage

KEPT = 10
"""How many of the newest dead letters an address keeps."""


class DeadLetter(NamedTuple):
    """One message and why it was not handled to its end."""

    message: Any
    reason: str


class DeadLetters:
    """Counts an address's dead letters and keeps the newest; usable from any thread."""

    def __init__(self) -> None:
        self.count = 0
        self.data = 0
        """How many of them were data from others."""
        self.newest: deque[DeadLetter] = deque(maxlen=KEPT)

    def add(self, message: Any, reason: str) -> None:
        """Take one in."""
        self.count += 1
        self.data += isinstance(message, DataMessage) and not isinstance(message, AfterData)
        self.newest.append(DeadLetter(message, reason))

    def describe(self) -> dict[str, Any]:
        """The count, and kinds and reasons of the newest: contents may be large or private."""
        newest = [
            {"message": type(letter.message).__name__, "reason": letter.reason}
            for letter in tuple(self.newest)
        ]
        return {"count": self.count, "newest": newest}
