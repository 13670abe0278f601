"""Feeds that are stale or not connected, said by somebody who waits for none of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from mdactors.actors.alarms import LASTING_SECONDS, AlarmBoard, Alarms
from mdactors.actors.feed_report import FeedReport, Judged
from mdactors.actors.line import Line
from mdactors.runtime import Clock

Word = Literal["connected", "stale", "disconnected", "closed", "unknown"]
TROUBLES: Mapping[Word, str] = {
    "stale": "{0}'s feed is stale",
    "disconnected": "{0} is not connected, though a segment of it is open",
    "unknown": "how {0}'s feed is, nobody knows: its normalizer says nothing",
}
"""What is wrong, by the word for it."""
OLD_SECONDS = 10.0
"""What a Normalizer said so long ago is not known any more: it says how its feed is once a second."""
ALARM_SECONDS = 10.0
"""How long something must be wrong before it is an alarm: a reconnect and a start take a moment."""
SETTLED_SECONDS = 15.0
"""How long a feed that brings no data must seem well: a line without a sign of life is ended sooner."""
_logger = logging.getLogger("mdactors.feed_watch")


class Feed(msgspec.Struct, frozen=True):
    """One broker's feed, as its Normalizer and its connections show it."""

    report: FeedReport
    connections: Mapping[str, Line]
    """By what of the connection's name follows the broker's."""

    def judged(self, now: float) -> Judged | None:
        """What is known of it; None where that is too old."""
        judged = self.report.judged
        return judged if judged is not None and now - judged.at <= OLD_SECONDS else None

    def word(self, now: float) -> Word:
        """How it is, in one word; a stale feed is never connected."""
        judged = self.judged(now)
        if judged is None:
            return "unknown"
        if any(line.is_live for line in self.connections.values()):
            return "stale" if judged.word == "stale" else "connected"
        return "disconnected" if judged.is_open else "closed"


class FeedWatch:
    """Raises an alarm for each feed with which something is wrong; says why clients cannot rely on them."""

    def __init__(self, feeds: Mapping[str, Feed], clock: Clock, board: AlarmBoard) -> None:
        self._feeds = feeds
        self._clock = clock
        self._wrong_since: dict[str, float] = {}
        """Since when something is wrong with a broker's feed, whatever it is."""
        self._seemed_well: dict[str, float] = {}
        """Since when none of it is to be seen any more."""
        self._alarms = Alarms(board, _logger)

    def words(self) -> dict[str, Word]:
        """Each broker's word."""
        now = self._clock.monotonic()
        return {name: feed.word(now) for name, feed in self._feeds.items()}

    def look(self) -> None:
        """Raise and clear the alarms."""
        now = self._clock.monotonic()
        for name, word in self.words().items():
            if word in TROUBLES:
                self._seemed_well.pop(name, None)
                since = self._wrong_since.setdefault(name, now)
                if now - since >= ALARM_SECONDS:
                    self._alarms.show(f"feed-{name}", [TROUBLES[word].format(name)])
            elif self._is_over(name, word, now):
                self._wrong_since.pop(name, None)
                self._alarms.clear(f"feed-{name}")

    def _is_over(self, name: str, word: Word, now: float) -> bool:
        """Whether it is well again: one that connects over and over and brings nothing is not."""
        judged = self._feeds[name].judged(now)
        brings_data = judged is not None and judged.word in ("live", "delayed")
        since = self._seemed_well.setdefault(name, now)
        return brings_data or word == "closed" or now - since >= SETTLED_SECONDS

    def reasons(self) -> Iterator[str]:
        """Why clients cannot rely on them: one is not connected or not known, all of a segment are stale."""
        for name, word in self.words().items():
            if word in ("disconnected", "unknown"):
                yield TROUBLES[word].format(name)
        now = self._clock.monotonic()
        stale = {name for name, since in self._wrong_since.items() if now - since >= LASTING_SECONDS}
        feeds = {tuple(names) for names in self._by_segment(now).values() if stale.issuperset(names)}
        for names in sorted(feeds):
            yield f"of an open segment every feed is stale for {LASTING_SECONDS:g} s: {', '.join(names)}"

    def _by_segment(self, now: float) -> dict[str, list[str]]:
        """Open segment -> the brokers that stream it."""
        found: dict[str, list[str]] = {}
        for name, feed in self._feeds.items():
            judged = feed.judged(now)
            for segment in judged.segments if judged is not None else ():
                found.setdefault(segment, []).append(name)
        return found
