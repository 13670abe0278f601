"""What the daemon says of itself: ``/api/status``, ``/health`` and the service manager's line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pykka

from mdactors import __version__
from mdactors.actors.alarms import AlarmBoard
from mdactors.health.feed_watch import Feed
from mdactors.health.verdict import Health, Verdict
from mdactors.runtime import Clock, Describe, Tree

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""How long an actor may take to describe itself; who does not answer is shown as silent."""


class Status:
    """Puts together what lies open with what the actors say when they are asked; on the event loop only.

    What matters is never asked: an actor that does not answer costs its own counters and nothing else.
    """

    def __init__(
        self,
        tree: Tree,
        clock: Clock,
        started: float,
        health: Health,
        feeds: Mapping[str, Feed],
        board: AlarmBoard,
    ) -> None:
        self._tree = tree
        self._clock = clock
        self._started = started
        self._health = health
        self._feeds = feeds
        self._board = board

    def verdict(self) -> Verdict:
        """Whether clients can rely on the daemon, with details; asks nobody."""
        return self._health.verdict()

    async def whole(self) -> dict[str, Any]:
        """Verdict, alarms, brokers, supervision tree and counters."""
        described = await self._described()
        verdict = self.verdict()
        return {
            "version": __version__,
            "uptime": round(self._clock.monotonic() - self._started, 1),
            "healthy": verdict.up,
            "reasons": verdict.reasons,
            "brokers": self._brokers(described),
            "alarms": [alarm.describe() for alarm in self._board.active()],
            "counters": {name: each for name, each in described.items() if each and "children" not in each},
            "tree": self._tree.describe(),
        }

    async def line(self, instruments: int) -> str:
        """One line: what streams, or why the daemon is degraded."""
        troubles = [] if instruments else ["no instruments"]
        troubles += self.verdict().reasons
        troubles += [alarm.text for alarm in self._board.active() if alarm.text not in troubles]
        if troubles:
            return "degraded: " + "; ".join(troubles)
        feeds = ", ".join(f"{name} {broker['status']}" for name, broker in self._brokers({}).items())
        streamed = (
            (await self._described()).get("subscription_manager", {}).get("streamed", "an unknown number")
        )
        return f"{streamed} of {instruments} instruments stream; {feeds}"

    async def _described(self) -> dict[str, dict[str, Any]]:
        asked = self._tree.ask_all(Describe())
        answers = await asyncio.gather(*(_answer(future) for future in asked.values()))
        return dict(zip(asked, answers, strict=True))

    def _brokers(self, described: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Broker -> the word for its feed and its connections, which may add to what is seen of them."""
        now = self._clock.monotonic()
        brokers: dict[str, dict[str, Any]] = {}
        for name, feed in self._feeds.items():
            judged = feed.judged(now)
            brokers[name] = {
                "status": "unknown" if judged is None else judged.word,
                "detail": "its normalizer says nothing" if judged is None else judged.detail,
                "open": None if judged is None else judged.is_open,
                "connections": {
                    part: {"state": line.state, **described.get(f"{name}/{part}", {})}
                    for part, line in feed.connections.items()
                },
            }
            if said := described.get(f"{name}/normalizer", {}).get("said"):
                brokers[name]["said"] = said
        return brokers


async def _answer(future: Future[Any]) -> dict[str, Any]:
    try:
        answer = await asyncio.wait_for(asyncio.wrap_future(future), ANSWER_SECONDS)
    except (TimeoutError, pykka.ActorDeadError):
        return {"silent": True}
    except Exception as error:
        logger.exception("an actor cannot describe itself")
        return {"error": type(error).__name__}
    return dict(answer)
