"""A few clients that read every tick of a daemon under test, and what they noticed."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

from bench._processes import Helper, helper

EVERYTHING, SELECTIVE = 2, 3
SYMBOLS_EACH = 100
FOR_EVER = 1e6


class Crowd:
    """Clients in a process of their own; latencies run from the tick's receipt by the daemon."""

    def __init__(self, swarm: Helper, port: int, symbols: Sequence[str]) -> None:
        self._swarm = swarm
        swarm.tell(
            {
                "port": port,
                "seconds": FOR_EVER,
                "clients": _plan(symbols),
                "until_told": True,
                "since": "receipt",
            }
        )
        swarm.hear()

    def latencies(self) -> dict[str, float]:
        """``p50_ms`` and ``p99_ms`` since the last time."""
        self._swarm.tell("window")
        heard: dict[str, float] = self._swarm.hear()
        return heard

    def leave(self) -> dict[str, float]:
        """Send everybody home.

        Returns:
            Ticks heard, clients disconnected, seq missing, and the longest silence in seconds.
        """
        self._swarm.tell("enough")
        clients = self._swarm.hear()["clients"]
        return {
            "ticks": sum(client["ticks"] for client in clients),
            "disconnected": sum(client["closed"] for client in clients),
            "missing": sum(client["missing"] for client in clients),
            "longest_silence_s": max(client["longest_silence"] for client in clients),
        }


@contextlib.contextmanager
def crowd(port: int, symbols: Sequence[str]) -> Iterator[Crowd]:
    """Clients of the daemon at ``port`` that end with the block."""
    with helper("bench._swarm") as swarm:
        yield Crowd(swarm, port, symbols)


def _plan(symbols: Sequence[str]) -> list[dict[str, Any]]:
    chance = random.Random(7)
    shares = [symbol for symbol in symbols if ":" not in symbol]
    plans: list[dict[str, Any]] = [{"path": "/ws/stocks/nse/all", "way": "parse"}] * EVERYTHING
    for _ in range(SELECTIVE):
        request = {"action": "SUBSCRIBE", "symbols": chance.sample(shares, SYMBOLS_EACH)}
        plans.append({"path": "/ws/market", "request": request, "way": "parse"})
    return plans
