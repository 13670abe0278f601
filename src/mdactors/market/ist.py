"""Indian Standard Time: the only place that knows the offset."""

from __future__ import annotations

import datetime as dt

IST = dt.timezone(dt.timedelta(hours=5, minutes=30), "IST")
OFFSET_SECONDS = 19_800
DAY_SECONDS = 86_400
SECOND_NS = 1_000_000_000

_KEPT_SECONDS = 4096
_ENDINGS = tuple(f".{ms:03d}+05:30" for ms in range(1000))
_seconds: dict[int, str] = {}


def iso(ms: int) -> str:
    """Epoch milliseconds as ISO 8601 with milliseconds and offset."""
    # Ticks of one moment share the second; its text costs ten times what the rest does.
    second, rest = divmod(ms, 1000)
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) >= _KEPT_SECONDS:
            _seconds.clear()
        text = _seconds[second] = _second_text(second)
    return text + _ENDINGS[rest]


def _second_text(second: int) -> str:
    try:
        return dt.datetime.fromtimestamp(second, IST).isoformat()[:19]
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T05:30:00"  # a broker's nonsense: no calendar reaches it


def day_number(at_ns: int) -> int:
    """Days since 1970-01-01 on India's calendar."""
    return (at_ns // SECOND_NS + OFFSET_SECONDS) // DAY_SECONDS


def midnight_ns(number: int) -> int:
    """When that day begins in India, see `day_number`; nanoseconds since 1970."""
    return (number * DAY_SECONDS - OFFSET_SECONDS) * SECOND_NS


def date(at_ns: int) -> dt.date:
    """The date in India."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=day_number(at_ns))


def second_of_day(at_ns: int) -> int:
    """Seconds since India's midnight."""
    return (at_ns // SECOND_NS + OFFSET_SECONDS) % DAY_SECONDS


def next_time(time: str, after_ns: int) -> int:
    """When India's clock says ``time`` ("16:00") next, in nanoseconds since 1970."""
    hours, minutes = time.split(":")
    wait = (int(hours) * 3600 + int(minutes) * 60 - second_of_day(after_ns)) % DAY_SECONDS
    return (after_ns // SECOND_NS + (wait or DAY_SECONDS)) * SECOND_NS
