"""Alarms about ticks that came and are not among the stored ones: set aside, or missing in the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mdactors.actors.alarms import Alarms
from mdactors.errors import StoreError
from mdactors.runtime import Message
from mdactors.store.carrier import Carried
from mdactors.store.gaps import Gap, between
from mdactors.store.refused import Reason
from mdactors.store.ticks import TickStore

REFUSED, MISSING = "store-refused", "store-missing"
LOOK_SECONDS = 30.0
"""How often to look while one is on: a command of an operator's may end it."""


class LookDue(Message, frozen=True):
    """Time to see what is still set aside or missing."""


class Unstored:
    """Shows what a store has set aside and what it lacks, as long as that is so.

    ``after(seconds, message)`` has its actor call `look_again`. Every method may block.
    """

    def __init__(self, store: TickStore, alarms: Alarms, after: Callable[[float, Message], object]) -> None:
        self._store = store
        self._alarms = alarms
        self._after = after
        self._waits = False

    def heed(self, carried: Carried) -> None:
        """See what there is, if this part had any."""
        if carried.refused or carried.missing:
            self.look()

    def look(self) -> None:
        """See what there is, unless that is going to be seen anyway."""
        if not self._waits:
            self.look_again()

    def look_again(self) -> None:
        """See what there is, and again later while there is something."""
        try:
            self._waits = self._shown()
        except StoreError as error:
            self._alarms.show(REFUSED, [f"nobody can see which ticks are set aside or missing: {error}"])
            self._waits = True
        if self._waits:
            self._after(LOOK_SECONDS, LookDue())

    def _shown(self) -> bool:
        reasons, gaps = self._store.refused.reasons(), self._store.gaps.all()
        self._alarms.show(REFUSED, _refused(reasons))
        self._alarms.show(MISSING, _missing(gaps))
        return bool(reasons or gaps)


def _refused(reasons: Sequence[Reason]) -> list[str]:
    if not reasons:
        return []
    ticks = sum(reason.ticks for reason in reasons)
    return [
        f"{ticks} ticks are set aside that the database refused, the first because: {reasons[0].text}; "
        "see mdactors refused list, and mdactors refused retry to store them"
    ]


def _missing(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    ticks = sum(gap.ticks for gap in gaps)
    return [
        f"{ticks} ticks of the journal are not known to be stored: it had let go of them, or cannot be read "
        f"there; they were received {between(gaps[0].after_ms, gaps[-1].before_ms)}; "
        "see mdactors missing list"
    ]
