"""Warnings about what clients do wrong, bounded so that no client can fill the log."""

from __future__ import annotations

import logging
import time

SECONDS = 10.0
KEYS = 1000


class LimitedLog:
    """Logs at most one warning per key in ten seconds, and with the next how many were left out."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: dict[str, tuple[float, int]] = {}

    def warn(self, key: str, message: str, *arguments: object) -> None:
        """Log a warning, or count it."""
        now = time.monotonic()
        said_at, left_out = self._said.get(key, (now - SECONDS, 0))
        if now - said_at < SECONDS:
            self._said[key] = said_at, left_out + 1
            return
        if len(self._said) >= KEYS:
            self._said.clear()
        self._said[key] = now, 0
        more = f" (and {left_out} more before)" if left_out else ""
        self._logger.warning("%s%s", message % arguments, more)
