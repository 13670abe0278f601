"""The alarms: conditions a person should know of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mdactors.market import ist
from mdactors.messages import AlarmChanged
from mdactors.runtime import Actor, Clock

TEXTS = 5
"""How many texts one alarm holds."""
LASTING_SECONDS = 60.0
"""What may pass by itself for so long before the daemon is DOWN for it."""


class Alarm(msgspec.Struct, frozen=True):
    """One condition that is there now."""

    id: str
    text: str
    since: str
    """ISO 8601, +05:30."""
    began: float
    """The same as monotonic seconds."""
    down_after: float | None = None
    """The daemon is DOWN for it once it has lasted for so many seconds; None: never."""

    def means_down(self, now: float) -> bool:
        """Whether the daemon is DOWN for it; ``now`` in monotonic seconds."""
        return self.down_after is not None and now - self.began >= self.down_after

    def describe(self) -> dict[str, Any]:
        """As ``/api/status`` shows it."""
        return {"id": self.id, "since": self.since, "text": self.text}


class AlarmBoard:
    """Holds every alarm of the daemon that is on; nobody has to answer for it to be seen.

    Alarms outlive who raised them: a successor clears what it finds to be over. Each change is one ERROR or
    INFO line and one ``announce``, which must not block. Usable from any thread; reading never waits.
    """

    def __init__(self, clock: Clock, announce: Callable[[AlarmChanged], None]) -> None:
        self._clock = clock
        self._announce = announce
        self._lock = threading.Lock()
        self._active: Mapping[str, Alarm] = {}
        """By id; replaced, never changed."""

    def of(self, actor: Actor) -> Alarms:
        """The board for an actor: what it says once it is replaced is ignored."""
        return Alarms(self, actor.logger, lambda: actor.fenced)

    def active(self) -> Sequence[Alarm]:
        """Those that are on, the oldest first."""
        return tuple(self._active.values())

    def get(self, alarm: str) -> Alarm | None:
        """The one with this id, where it is on."""
        return self._active.get(alarm)

    def put(self, alarm: str, text: str, down_after: float | None) -> bool:
        """Have it on with this text; whether that is new."""
        with self._lock:
            before = self._active.get(alarm)
            if before is not None and (before.text, before.down_after) == (text, down_after):
                return False
            since = ist.iso(self._clock.time_ns() // 1_000_000) if before is None else before.since
            began = self._clock.monotonic() if before is None else before.began
            self._active = {**self._active, alarm: Alarm(alarm, text, since, began, down_after)}
            self._announce(AlarmChanged(alarm, text, since=since))
            return True

    def remove(self, alarm: str) -> bool:
        """Have it off; whether it was on."""
        with self._lock:
            if alarm not in self._active:
                return False
            self._active = {name: each for name, each in self._active.items() if name != alarm}
            self._announce(AlarmChanged(alarm, "", active=False))
            return True


class Alarms:
    """Raises and clears alarms on the board, each with a line of its owner's logger."""

    def __init__(
        self, board: AlarmBoard, logger: logging.Logger, is_fenced: Callable[[], bool] = lambda: False
    ) -> None:
        self._board = board
        self._logger = logger
        self._is_fenced = is_fenced

    def __contains__(self, alarm: str) -> bool:
        """Whether it is on."""
        return self._board.get(alarm) is not None

    def raise_alarm(self, alarm: str, text: str, down_after: float | None = None) -> None:
        """Turn it on; nothing happens when it is on already, whatever its text."""
        if alarm not in self:
            self._put(alarm, text, down_after)

    def show(self, alarm: str, texts: Sequence[str], down_after: float | None = None) -> None:
        """Have it on with these texts, and off where there are none."""
        if texts:
            more = f"; and {len(texts) - TEXTS} more" if len(texts) > TEXTS else ""
            self._put(alarm, "; ".join(texts[:TEXTS]) + more, down_after)
        else:
            self.clear(alarm)

    def _put(self, alarm: str, text: str, down_after: float | None) -> None:
        if not self._is_fenced() and self._board.put(alarm, text, down_after):
            self._logger.error("alarm %s: %s", alarm, text)

    def clear(self, alarm: str) -> None:
        """Turn it off, where it is on."""
        # Without a lock first: this is asked far more often than one is on.
        if alarm in self and not self._is_fenced() and self._board.remove(alarm):
            self._logger.info("alarm %s is over", alarm)
