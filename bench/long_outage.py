"""PostgreSQL away for ten minutes under 5,000 ticks/s: nothing is lost or doubled, clients notice nothing.

The simulator's own log is the judge, as in the minute's outage; the daemon's memory must stay flat.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench._servers import postgres
from bench._store_away import store_away

SECONDS = float(os.environ.get("MDACTORS_LONG_OUTAGE", "600"))
GOALS = {
    "lost": ("<=", 0.0),
    "doubled": ("<=", 0.0),
    "wrong": ("<=", 0.0),
    "clients_disconnected": ("<=", 0.0),
    "clients_missing": ("<=", 0.0),
    "rss_growth_mb": ("<=", 50.0),
}


def measure() -> dict[str, object]:
    """What was found afterwards."""
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as database:
        return dict(store_away(Path(folder), database, SECONDS))
