"""The day on which the tests take place, whenever they are run: a Friday, everything trades."""

from __future__ import annotations

import datetime as dt

from mdactors.market.ist import IST, SECOND_NS
from mdactors.runtime import SetClock

NOW = dt.datetime(2026, 11, 20, 10, 30, tzinfo=IST)
TODAY = NOW.date().isoformat()
NOW_NS = int(NOW.timestamp()) * SECOND_NS
NOW_MS = NOW_NS // 1_000_000


def todays_clock() -> SetClock:
    """It shows that moment now and runs on."""
    return SetClock.starting(NOW_NS)
