"""The alarms of one actor: conditions a person should know of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from mdactors.market import ist
from mdactors.messages import AlarmChanged
from mdactors.runtime import Clock

TEXTS = 5
"""How many texts one alarm holds."""


class Alarms:
    """Remembers which alarms of its actor are on; each is one ERROR line and one event, not one a beat."""

    def __init__(
        self, clock: Clock, logger: logging.Logger, announce: Callable[[AlarmChanged], None]
    ) -> None:
        self._clock = clock
        self._logger = logger
        self._announce = announce
        self._active: dict[str, dict[str, Any]] = {}

    def raise_alarm(self, alarm: str, text: str) -> None:
        """Turn it on; nothing happens when it is on already."""
        if alarm in self._active:
            return
        since = ist.iso(self._clock.time_ns() // 1_000_000)
        self._active[alarm] = {"id": alarm, "since": since, "text": text}
        self._logger.error("alarm %s: %s", alarm, text)
        self._announce(AlarmChanged(alarm, text, since=since))

    def show(self, alarm: str, texts: Sequence[str]) -> None:
        """Have it on while there are texts; on anew when they change."""
        text = "; ".join(texts[:TEXTS]) + (f"; and {len(texts) - TEXTS} more" if len(texts) > TEXTS else "")
        if text != self._active.get(alarm, {}).get("text", ""):
            self.clear(alarm)
            if text:
                self.raise_alarm(alarm, text)

    def clear(self, alarm: str) -> None:
        """Turn it off, where it is on."""
        if self._active.pop(alarm, None) is not None:
            self._logger.info("alarm %s is over", alarm)
            self._announce(AlarmChanged(alarm, "", active=False))

    def clear_all(self) -> None:
        """Turn everything off: a successor raises anew what is still so."""
        for alarm in list(self._active):
            self.clear(alarm)

    def active(self) -> list[dict[str, Any]]:
        """Id, since and text of each."""
        return list(self._active.values())
