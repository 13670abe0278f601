"""Warnings about what clients do wrong, bounded so that no client can fill the log."""

from __future__ import annotations

import logging
import time

SECONDS = 10.0
LINES = 20


class LimitedLog:
    """Logs in ten seconds at most one warning per key and twenty in all; the next says how many it left out.

    A client may cause as many keys as it likes (an origin, a session), hence the bound of all together.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._began = time.monotonic()
        self._said: set[str] = set()
        self._left_out = 0

    def warn(self, key: str, message: str, *arguments: object) -> None:
        """Log a warning, or count it."""
        now = time.monotonic()
        if now - self._began >= SECONDS:
            self._began = now
            self._said.clear()
        if key in self._said or len(self._said) >= LINES:
            self._left_out += 1
            return
        self._said.add(key)
        more = f" (and {self._left_out} warnings left out before)" if self._left_out else ""
        self._left_out = 0
        self._logger.warning("%s%s", message % arguments, more)
