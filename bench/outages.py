"""PostgreSQL away for a minute, Redis killed and hung: what is lost, and who notices.

The whole program under 5,000 ticks/s from a broker's wire, five clients that read everything. A stopped
PostgreSQL comes back and must then hold every tick that the simulator's log says, once; clients must not
be disconnected or miss a ``seq``, and the daemon's memory must stay flat.

Redis is killed and hung in turn, five times each, after an undisturbed stretch of the same length: the
publishing p99 from receipt to client may rise by a fifth or 2 ms (the median of the pairs; 1 is all of that
allowance), REST answers all the while, and the cache is refilled afterwards.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench._cache_away import KINDS, cache_away
from bench._servers import postgres, redis
from bench._store_away import store_away

SECONDS = float(os.environ.get("MDACTORS_OUTAGE_SECONDS", "60"))
PAIRS = 5
STRETCH_SECONDS = 8.0
FLAT_MB = 50.0
GOALS = {
    "postgres_lost": ("<=", 0.0),
    "postgres_doubled": ("<=", 0.0),
    "postgres_wrong": ("<=", 0.0),
    "postgres_clients_disconnected": ("<=", 0.0),
    "postgres_clients_missing": ("<=", 0.0),
    "postgres_rss_growth_mb": ("<=", FLAT_MB),
}
GOALS |= {
    f"redis_{kind}_{figure}": ("<=", limit)
    for kind in KINDS
    for figure, limit in {"p99_of_allowance": 1.0, "rest_failures": 0.0}.items()
}
GOALS |= {
    "redis_cache_ticks_missing": ("<=", 0.0),
    "redis_clients_disconnected": ("<=", 0.0),
    "redis_clients_missing": ("<=", 0.0),
}


def measure() -> dict[str, object]:
    """Every outage's figures."""
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as database:
        figures |= _named("postgres", store_away(Path(folder), database, SECONDS))
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder)) as server:
        figures |= _named("redis", cache_away(Path(folder), server, PAIRS, STRETCH_SECONDS))
    return figures


def _named(prefix: str, figures: dict[str, float]) -> dict[str, object]:
    return {f"{prefix}_{name}": value for name, value in figures.items()}
