"""What plays a recording on a server's loop: in time, and no faster than it is read."""

from __future__ import annotations

import asyncio
import logging
import math

from mdactors.runtime import HeldClock
from mdactors.simulator.replay import Replay
from mdactors.simulator.switchboard import Switchboard

SETTLE_SECONDS = 1.5
"""So long after the last of the first subscriptions time begins: a daemon with several connections opens one
after another, and at 60 times the speed a second is a minute."""
LONGEST_SETTLE_SECONDS = 10.0
UNREAD_BYTES = 1 << 20
"""A client that leaves more unread is waited for."""
STUCK_SECONDS = 60.0
"""One that takes nothing for so long is cut off: the others wait with it."""
IDLE_SECONDS = 1.0

_LONGEST_PAUSE = 0.1
_SHORTEST_PAUSE = 0.001
_LOOK_SECONDS = 0.005
_TURN = 50
"""After so many events in a row others on the loop have their turn."""

_logger = logging.getLogger(__name__)


class Player:
    """Begins once somebody has subscribed, and tells each update as its own: late maybe, it skips none."""

    def __init__(self, replay: Replay, switchboard: Switchboard) -> None:
        self._replay = replay
        self._switchboard = switchboard

    async def run(self) -> None:
        """Play until cancelled: behind the end the sockets are kept alive."""
        await asyncio.gather(self._keep_alive(), self._play())

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            self._switchboard.keep_alive()

    async def _play(self) -> None:
        replay = self._replay
        for number, _ in enumerate(replay.updates(self._now_ms())):
            if number % _TURN == 0:  # a clock that was set may be past much
                await asyncio.sleep(0)
        await self._somebody()
        if isinstance(replay.clock, HeldClock):
            replay.clock.let_go()
        played = 0
        while not replay.ended:
            for change in replay.updates(self._now_ms()):
                self._switchboard.play(change, replay.now_ms)
                played += 1
                if played % _TURN == 0:
                    await asyncio.sleep(0)
                if self._slow(UNREAD_BYTES):
                    await self._taken(UNREAD_BYTES)
            pause = replay.clock.seconds_until(replay.due_ns)
            await asyncio.sleep(min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE))
        await self._taken(0)
        replay.over = True

    def _now_ms(self) -> int:
        return self._replay.clock.time_ns() // 1_000_000

    async def _somebody(self) -> None:
        """Return once somebody has subscribed, and nobody has any more for a while."""
        loop, wanted = asyncio.get_running_loop(), 0
        due = latest = math.inf
        while (now := loop.time()) < min(due, latest):
            if self._replay.wanted != wanted:
                wanted = self._replay.wanted
                due = now + SETTLE_SECONDS
                latest = min(latest, now + LONGEST_SETTLE_SECONDS)
            await asyncio.sleep(_LOOK_SECONDS)

    def _slow(self, most: int) -> bool:
        return any(peer.unread > most for peer in self._switchboard.peers.values())

    async def _taken(self, most: int) -> None:
        """Wait until no client leaves more unread; one that takes nothing at all is cut off."""
        loop = asyncio.get_running_loop()
        moved: dict[int, tuple[int, float]] = {}
        while self._slow(most):
            await asyncio.sleep(_LOOK_SECONDS)
            for peer in list(self._switchboard.peers.values()):
                unread, since = moved.get(peer.id, (-1, 0.0))
                if peer.unread != unread:
                    moved[peer.id] = peer.unread, loop.time()
                elif peer.unread > most and loop.time() - since > STUCK_SECONDS:
                    _logger.warning("connection %d takes nothing for %d s: dropped", peer.id, STUCK_SECONDS)
                    peer.drop()
