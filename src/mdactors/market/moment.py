"""A moment as a person or a program writes it."""

from __future__ import annotations

import datetime as dt
import re

from mdactors.market.ist import DAY_SECONDS, IST, SECOND_NS

WORDS = "2026-11-20, 2026-11-20T09:15:00 (India's time), 2026-11-20T03:45:00Z or epoch milliseconds"
"""What is understood, for those who wrote something else."""

FARTHEST_NS = 2**62
"""In the year 2116; what lies beyond, or before 1970, is taken for the nearest of the two ends."""

_MILLISECONDS = re.compile(r"-?\d{11,18}")
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")
"""A `+` in an address that was not escaped arrives as a space."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def read_moment(text: str, *, last: bool = False) -> int:
    """Nanoseconds since 1970 of a moment in ISO 8601 or epoch milliseconds; without an offset it is IST.

    A date alone is its begin, or with ``last`` its last nanosecond.

    Raises:
        ValueError: it is none; the message says what is understood.
    """
    text = text.strip()
    if _MILLISECONDS.fullmatch(text):
        return _within(int(text) * 1_000_000)
    try:
        moment = dt.datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
    except ValueError:
        raise ValueError(f"{text!r} is no time: write {WORDS}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=IST)
    ns = (moment - _EPOCH) // _MICROSECOND * 1000
    if last and _is_date(text):
        ns += DAY_SECONDS * SECOND_NS - 1
    return _within(ns)


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _within(ns: int) -> int:
    return min(max(ns, 0), FARTHEST_NS)
