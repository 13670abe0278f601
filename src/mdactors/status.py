"""What the daemon says of itself: ``/api/status`` and ``/health``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pykka

from mdactors import __version__
from mdactors.runtime import Clock, Describe, Tree

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""How long an actor may take to describe itself; who does not answer is shown as silent."""


class Status:
    """Asks every actor of the tree and puts the answers together; used on the event loop only."""

    def __init__(self, tree: Tree, clock: Clock, started: float, waiting_limit: int) -> None:
        self._tree = tree
        self._clock = clock
        self._waiting_limit = waiting_limit
        self._started = started

    async def whole(self) -> dict[str, Any]:
        """Brokers, supervision tree, counters and alarms."""
        described = await self._described()
        return {
            "version": __version__,
            "uptime": round(self._clock.monotonic() - self._started, 1),
            "healthy": self._tree.healthy(),
            "brokers": _brokers(described),
            "alarms": [alarm for each in described.values() for alarm in each.get("alarms", ())],
            "counters": {
                name: {key: value for key, value in each.items() if key != "alarms"}
                for name, each in described.items()
                if each and "children" not in each
            },
            "tree": self._tree.describe(),
        }

    async def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether clients can rely on the feed, with details.

        DOWN when a broker has no live connection while a segment of it is open, or when too many
        ticks wait for the store.
        """
        described = await self._described()
        details: dict[str, Any] = {}
        up = True
        for name, broker in _brokers(described).items():
            connected = any(c.get("state") == "live" for c in broker["connections"].values())
            details[name] = "connected" if connected else "disconnected" if broker["open"] else "closed"
            up = up and (connected or not broker["open"])
        waiting = described.get("batch_persister", {}).get("waiting", 0)
        details["bufferSize"] = waiting
        return up and waiting < self._waiting_limit, details

    async def line(self, instruments: int) -> str:
        """One line: what streams, or why the daemon is degraded."""
        described = await self._described()
        brokers = _brokers(described)
        troubles = [] if instruments else ["no instruments"]
        for name, broker in brokers.items():
            states = {connection.get("state") for connection in broker["connections"].values()}
            if "needs_login" in states:
                troubles.append(f"{name} needs a login")
            elif "live" not in states:
                troubles.append(f"{name} is not connected")
        troubles += [alarm["text"] for each in described.values() for alarm in each.get("alarms", ())]
        if troubles:
            return "degraded: " + "; ".join(troubles)
        feeds = ", ".join(f"{name} {broker['status']}" for name, broker in brokers.items())
        streamed = described.get("subscription_manager", {}).get("streamed", 0)
        return f"{streamed} of {instruments} instruments stream; {feeds}"

    async def _described(self) -> dict[str, dict[str, Any]]:
        asked = self._tree.ask_all(Describe())
        answers = await asyncio.gather(*(_answer(future) for future in asked.values()))
        return dict(zip(asked, answers, strict=True))


async def _answer(future: Future[Any]) -> dict[str, Any]:
    try:
        answer = await asyncio.wait_for(asyncio.wrap_future(future), ANSWER_SECONDS)
    except (TimeoutError, pykka.ActorDeadError):
        return {"silent": True}
    except Exception as error:
        logger.exception("an actor cannot describe itself")
        return {"error": type(error).__name__}
    return dict(answer)


def _brokers(described: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Broker -> the word for its feed and its connections, out of the actors' own words."""
    brokers: dict[str, dict[str, Any]] = {}
    for name, each in described.items():
        broker, _, part = name.partition("/")
        if not part:
            continue
        entry = brokers.setdefault(broker, {"status": "stale", "detail": "", "open": True, "connections": {}})
        if part == "normalizer":
            entry["status"] = each.get("status", "stale")
            entry["detail"] = each.get("detail", "")
            entry["open"] = each.get("open", True)
            if said := each.get("said"):
                entry["said"] = said
        else:
            entry["connections"][part] = dict(each)
    return brokers
