"""The one judgement that ``/health``, ``/api/status``, the page and the service manager repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.backlog import Backlog
from mdactors.health.feed_watch import FeedWatch
from mdactors.runtime import Clock, Tree


class Watch(Protocol):
    """Whoever looks after something that cannot say itself how it is."""

    def look(self) -> None:
        """Raise and clear the alarms; never waits."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether clients can rely on the feed and on what is kept, and why not."""

    reasons: Sequence[str]
    """Why it is DOWN; none where it is UP."""
    details: Mapping[str, Any]

    @property
    def up(self) -> bool:
        """Whether they can."""
        return not self.reasons


class Health:
    """Judges by what lies open: nobody is asked or waited for, so that nobody can keep it silent.

    ``backlog`` is None where ticks are not stored. Whatever is not known is a reason to be DOWN.
    """

    def __init__(
        self,
        board: AlarmBoard,
        clock: Clock,
        tree: Tree,
        feeds: FeedWatch,
        backlog: Backlog | None,
        watches: Sequence[Watch],
    ) -> None:
        self._board = board
        self._clock = clock
        self._tree = tree
        self._feeds = feeds
        self._backlog = backlog
        self._watches = (feeds, *watches)

    def look(self) -> None:
        """Bring the alarms up to date; on a beat, and whenever somebody wants to know."""
        for watch in self._watches:
            watch.look()

    def verdict(self) -> Verdict:
        """The judgement now."""
        self.look()
        reasons = list(self._reasons())
        details = {
            **self._feeds.words(),
            "bufferSize": 0 if self._backlog is None else self._backlog.waiting,
            "alarms": [alarm.id for alarm in self._board.active()],
            "reasons": reasons,
        }
        return Verdict(reasons, details)

    def _reasons(self) -> Iterator[str]:
        now = self._clock.monotonic()
        yield from self._feeds.reasons()
        yield from (alarm.text for alarm in self._board.active() if alarm.means_down(now))
        if self._backlog is not None and not self._backlog.is_known:
            yield "how far the store is, is not known: it has not said so, and bufferSize may be too much"
        if not self._tree.healthy():
            yield "the supervision tree is not healthy: see the tree in /api/status"
