"""Actors that end again and again, do not answer or lose messages, said by somebody who asks none of them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from mdactors.actors.alarms import LASTING_SECONDS, AlarmBoard, Alarms
from mdactors.runtime import Address, Clock, Tree

SETTLED_SECONDS = 30.0
"""An actor's trouble is over when there was none for so long: else one that waits for a locked table, answers
for a moment and waits again would be another alarm each time."""
LOSING_SECONDS = 60.0
"""How long an actor must lose nothing until its alarm is over."""
_logger = logging.getLogger("mdactors.actor_watch")


class ActorWatch:
    """Raises an alarm for each actor in trouble, and for each that loses what it is told.

    Args:
        tree: whose actors these are.
        addresses: whose mailboxes are looked at.
        vital: names of those without whom ticks do not reach clients or store: the daemon is DOWN when such
            an actor's trouble lasts, and when it is so slow that its mailbox drops what comes.
        clock: the time.
        board: of the alarms.
    """

    def __init__(
        self,
        tree: Tree,
        addresses: Sequence[Address],
        vital: Collection[str],
        clock: Clock,
        board: AlarmBoard,
    ) -> None:
        self._tree = tree
        self._addresses = addresses
        self._vital = vital
        self._clock = clock
        self._troubled: dict[str, float] = {}
        """When each was last seen in trouble."""
        self._lost: dict[str, tuple[int, int]] = {}
        self._losing: dict[str, float] = {}
        """When each was last seen to lose something."""
        self._alarms = Alarms(board, _logger)

    def look(self) -> None:
        """Raise and clear the alarms."""
        now = self._clock.monotonic()
        for name, text in self._tree.troubles().items():
            self._troubled[name] = now
            down_after = LASTING_SECONDS if name in self._vital else None
            self._alarms.show(f"actor-{name}", [f"{name} {text}"], down_after)
        for name in _over(self._troubled, now - SETTLED_SECONDS):
            self._alarms.clear(f"actor-{name}")
        for address in self._addresses:
            self._look_at_mailbox(address, now)
        for name in _over(self._losing, now - LOSING_SECONDS):
            self._alarms.clear(f"dropped-{name}")

    def _look_at_mailbox(self, address: Address, now: float) -> None:
        name, mailbox = address.name, address.mailbox
        # Who waits for room gives up only at a connection's end, which clients hear as a gap.
        dropped = 0 if mailbox.policy.when_full == "wait" else mailbox.dropped
        lost = dropped, mailbox.dead_letters.data
        before = self._lost.get(name, (0, 0))
        if lost == before:
            return
        self._lost[name], self._losing[name] = lost, now
        if lost[0] > before[0]:
            text = f"{name} is too slow: what had waited longest for it was left out"
            self._alarms.show(f"dropped-{name}", [text], 0.0 if name in self._vital else None)
        else:
            self._alarms.raise_alarm(
                f"dropped-{name}", f"{name} failed at some of what it was told: that is lost"
            )


def _over(seen: dict[str, float], before: float) -> Sequence[str]:
    """Take away, and name, those that were not seen since."""
    names = [name for name, at in seen.items() if at <= before]
    for name in names:
        del seen[name]
    return names
