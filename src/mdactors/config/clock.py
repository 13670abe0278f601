"""A clock as the command line writes it: ``START[@SPEED[@SINCE]]``.

SINCE is the second of the machine's monotonic clock at which START was shown, or the file that gets it
once the clock, which stands at START until then, is let go.
"""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

from mdactors.market.ist import IST
from mdactors.market.moment import FARTHEST_NS, read_moment
from mdactors.runtime import HeldClock, SetClock, Timeline

HIGHEST_SPEED = 86_400.0
"""A day in a second."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def read_clock(text: str) -> SetClock:
    """Read a clock that shows START now, or showed it at SINCE, or stands there until it is let go.

    Raises:
        ValueError: it is none; the message says what is understood.
    """
    start, *further = text.split("@", 2)
    if len(further) == 2 and "@" in further[1] and not further[1].startswith("/"):
        raise ValueError(f"{text!r} is no clock: write START, START@SPEED or START@SPEED@SINCE")
    start_ns = _read_start(start)
    speed = _read_speed(further[0]) if further else 1.0
    if len(further) < 2:
        return SetClock.starting(start_ns, speed)
    if further[1].startswith("/") and Path(further[1]).is_file():
        return HeldClock(start_ns, speed, further[1])
    return SetClock(Timeline(start_ns, _read_since(further[1]), speed))


def write_clock(timeline: Timeline) -> str:
    """Write the same clock for another process of this machine."""
    start = _EPOCH + dt.timedelta(microseconds=timeline.start_ns // 1000)
    since = timeline.held_by or repr(timeline.began)
    return f"{start.astimezone(IST).isoformat()}@{timeline.speed!r}@{since}"


def _read_start(text: str) -> int:
    start_ns = read_moment(text)
    if not 0 < start_ns < FARTHEST_NS:
        raise ValueError(f"{text!r} is too far away: write a time between 1970 and 2116")
    return start_ns


def _read_speed(text: str) -> float:
    speed = _number(text)
    if not 0 < speed <= HIGHEST_SPEED:
        raise ValueError(f"{text!r} is no speed: write a number above 0, at most {HIGHEST_SPEED:g}")
    return speed


def _read_since(text: str) -> float:
    since = _number(text)
    if text.startswith("/"):
        raise ValueError(f"{text!r} is not there: who held the clock has ended")
    if not math.isfinite(since):
        raise ValueError(f"{text!r} is no second of the machine's monotonic clock: a log says it")
    return since


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
