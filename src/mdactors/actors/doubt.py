"""When refusals that do not name the login are taken for a dead login all the same."""

from __future__ import annotations

TIMES = 5
SECONDS = 120.0
"""So many refusals in a row, over at least so long, with one and the same credential."""


class Doubt:
    """Counts the refusals of one credential by whoever does not say why; belongs to one connection."""

    def __init__(self) -> None:
        self._credential: str | None = None
        self._since = 0.0
        self._times = 0

    def grows(self, credential: str, now: float) -> bool:
        """Count one more refusal; whether it is to be taken for the login by now.

        Args:
            credential: the fingerprint of what was refused; another one begins anew.
            now: monotonic seconds.
        """
        if credential != self._credential:
            self._credential, self._since, self._times = credential, now, 0
        self._times += 1
        return self._times >= TIMES and now - self._since >= SECONDS

    def end(self) -> None:
        """It was let in, or a person wants to see it tried afresh."""
        self._credential = None
