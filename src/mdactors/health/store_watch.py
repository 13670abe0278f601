"""How far the store is behind, said by somebody whom it cannot hold up."""

from __future__ import annotations

import logging
from typing import Any

from mdactors.actors.alarms import LASTING_SECONDS, AlarmBoard, Alarms
from mdactors.actors.backlog import Backlog
from mdactors.runtime import Clock

LAG, STALLS = "store-lag", "store-stalls"
ANSWERS_SECONDS = 10.0
"""How long the store may take after a start to say how far it is, before all that it may lack counts."""
_logger = logging.getLogger("mdactors.store_watch")


class StoreWatch:
    """Raises the alarms for what waits for the store: too much, or too long.

    Args:
        backlog: what it looks at.
        clock: whose monotonic seconds the backlog's are.
        board: of the alarms.
        lag_limit: more waiting ticks than this are an alarm, until half of them are stored.
        batch_seconds: how long ticks wait where all is well.
    """

    def __init__(
        self, backlog: Backlog, clock: Clock, board: AlarmBoard, lag_limit: int, batch_seconds: float
    ) -> None:
        self._backlog = backlog
        self._clock = clock
        self._lag_limit = lag_limit
        self._longest_wait = batch_seconds + LASTING_SECONDS
        self._began = clock.monotonic()
        self._alarms = Alarms(board, _logger)

    def look(self) -> None:
        """Raise and clear the alarms."""
        now = self._clock.monotonic()
        self._look_at_lag(now)
        if self._backlog.waiting_seconds(now) >= self._longest_wait:
            text = f"nothing was stored for {self._longest_wait:g} s, though ticks wait"
            self._alarms.raise_alarm(STALLS, text, down_after=0.0)
        else:
            self._alarms.clear(STALLS)

    def _look_at_lag(self, now: float) -> None:
        counts = self._backlog.is_known or now - self._began >= ANSWERS_SECONDS
        if counts and self._backlog.waiting > self._lag_limit:
            text = f"more than {self._lag_limit} ticks wait for the store"
            self._alarms.raise_alarm(LAG, text, down_after=0.0)
        elif self._backlog.waiting <= self._lag_limit // 2:
            self._alarms.clear(LAG)

    def describe(self) -> dict[str, Any]:
        """What waits, for ``/api/status``."""
        return {
            "waiting": self._backlog.waiting,
            "waiting_seconds": round(self._backlog.waiting_seconds(self._clock.monotonic()), 1),
            "known": self._backlog.is_known,
        }
