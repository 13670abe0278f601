"""What a tick costs the cache: bytes where it lies, and this process's time to write it.

2,000 instruments in mode full, written as the daemon does: one beat of 2,000 ticks a call. Bytes are the
slope between a quarter and all of the ticks, of ``used_memory`` in Redis and of what the cache in memory
counts (a test compares that with what Python allocates), so that what is there once does not count. A
day is 12 million ticks.
"""

from __future__ import annotations

import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, cast

from bench._frames import NOW_SECONDS, kite_frame, kite_instruments
from bench._servers import Redis, redis
from mdactors.config.settings import CacheSettings, RedisSettings
from mdactors.market.ist import SECOND_NS
from mdactors.market.numbering import Numbering
from mdactors.market.tick import Tick
from mdactors.runtime import FakeClock
from mdactors.store.cache import Cache
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.cache_redis import RedisCache
from mdactors.store.redis_client import connect
from mdactors_kite.adapter import KiteAdapter, KiteSettings

INSTRUMENTS = 2_000
ROUNDS = 120
DAY_TICKS = 12_000_000
BEGIN_NS = NOW_SECONDS * SECOND_NS
GOALS: dict[str, tuple[str, float]] = {}
"""Nothing to reach: the figures are for the reader who plans memory."""
MODES: Sequence[Literal["json", "packed"]] = ("json", "packed")


def measure() -> dict[str, object]:
    """Bytes and microseconds a tick, and GB a day, for each kind of cache."""
    figures: dict[str, object] = {"instruments": INSTRUMENTS, "ticks": INSTRUMENTS * ROUNDS}
    memory = MemoryCache(1440, 1 << 40, clock=FakeClock(BEGIN_NS))
    _write("memory", memory, lambda: cast("int", memory.stats()["bytes"]), figures)
    for mode in MODES:
        with tempfile.TemporaryDirectory() as folder, redis(pathlib.Path(folder)) as server:
            _write_redis(mode, server, figures)
    return figures


def _write_redis(mode: Literal["json", "packed"], server: Redis, figures: dict[str, object]) -> None:
    place = RedisSettings(port=server.port, timeout_seconds=10.0)
    cache = RedisCache(CacheSettings(kind="redis", today=mode, redis=place), FakeClock(BEGIN_NS))
    looking = connect(place)
    _write(
        f"redis_{mode}",
        cache,
        lambda: int(cast("dict[str, int]", looking.info("memory"))["used_memory"]),
        figures,
    )
    looking.close()
    cache.close()


def _write(name: str, cache: Cache, size: Callable[[], int], figures: dict[str, object]) -> None:
    cache.resume(BEGIN_NS)
    cache.complete()
    spent, early, early_round = 0.0, 0, ROUNDS // 4
    for number, ticks in enumerate(_beats(), 1):
        began = time.thread_time()
        cache.write(ticks)
        spent += time.thread_time() - began
        if number == early_round:
            early = size()
    a_tick = (size() - early) / (INSTRUMENTS * (ROUNDS - early_round))
    figures[f"{name}_bytes"] = round(a_tick, 1)
    figures[f"{name}_gb_a_day"] = round(a_tick * DAY_TICKS / 1e9, 2)
    figures[f"{name}_us"] = round(spent / (INSTRUMENTS * ROUNDS) * 1e6, 1)


def _beats() -> Iterator[Sequence[Tick]]:
    adapter = KiteAdapter(KiteSettings())
    numbering = Numbering(adapter.name, NOW_SECONDS * 1000, kite_instruments(INSTRUMENTS))
    frames = [kite_frame(INSTRUMENTS, seed) for seed in range(4)]
    for number in range(ROUNDS):
        yield numbering.number(adapter.decode(frames[number % 4]).quotes, BEGIN_NS + number * SECOND_NS // 3)
