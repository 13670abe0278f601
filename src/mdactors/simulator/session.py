"""The trading day: which segment is in which phase at which time, and how busy it is."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

Status = Literal[
    "PRE_OPEN_START", "PRE_OPEN_END", "NORMAL_OPEN", "NORMAL_CLOSE", "CLOSING_START", "CLOSING_END"
]

SEGMENTS: tuple[str, ...] = (
    "NSE_EQ", "NSE_FO", "NSE_INDEX", "NSE_COM", "NCD_FO", "BSE_EQ", "BSE_FO", "BSE_INDEX", "BCD_FO",
    "MCX_FO", "MCX_INDEX",
)  # fmt: skip

IST_MS = 19_800_000
DAY_MS = 86_400_000
OPENS = 9 * 60 + 15
CLOSES = 15 * 60 + 30
SATURDAY = 5

_CASH: list[tuple[int, Status]] = [
    (9 * 60, "PRE_OPEN_START"),
    (9 * 60 + 9, "PRE_OPEN_END"),
    (OPENS, "NORMAL_OPEN"),
    (CLOSES, "NORMAL_CLOSE"),
    (15 * 60 + 40, "CLOSING_START"),
    (16 * 60, "CLOSING_END"),
]
_FUTURES: list[tuple[int, Status]] = [(OPENS, "NORMAL_OPEN"), (15 * 60 + 40, "NORMAL_CLOSE")]
_LONG: list[tuple[int, Status]] = [(9 * 60, "NORMAL_OPEN"), (23 * 60 + 30, "NORMAL_CLOSE")]
_CURRENCY: list[tuple[int, Status]] = [(9 * 60, "NORMAL_OPEN"), (17 * 60, "NORMAL_CLOSE")]
_PHASES: dict[str, list[tuple[int, Status]]] = {
    "NSE_EQ": _CASH, "NSE_INDEX": _CASH, "BSE_EQ": _CASH, "BSE_INDEX": _CASH,
    "NSE_FO": _FUTURES, "BSE_FO": _FUTURES,
    "NSE_COM": _LONG, "MCX_FO": _LONG, "MCX_INDEX": _LONG,
    "NCD_FO": _CURRENCY, "BCD_FO": _CURRENCY,
}  # fmt: skip


def minute_of_day(now_ms: int) -> float:
    """Minutes since midnight in India."""
    return (now_ms + IST_MS) % DAY_MS / 60_000


def day_number(now_ms: int) -> int:
    """Days since 1970 in India."""
    return (now_ms + IST_MS) // DAY_MS


def date_of(now_ms: int) -> dt.date:
    """The date in India."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=day_number(now_ms))


class Session(msgspec.Struct, frozen=True):
    """The hours of a day; ``always_open`` trades around the clock, every day, for demonstrations."""

    always_open: bool = True

    def status(self, segment: str, now_ms: int) -> Status:
        """The phase of a segment."""
        if self.always_open:
            return "NORMAL_OPEN"
        phases = _PHASES[segment]
        status: Status = phases[-1][1]
        if (day_number(now_ms) + 3) % 7 >= SATURDAY:  # 1 Jan 1970 was a Thursday
            return status
        minute = minute_of_day(now_ms)
        for begins, phase in phases:
            if minute >= begins:
                status = phase
        return status

    def statuses(self, now_ms: int) -> dict[str, Status]:
        """The phase of every segment."""
        return {segment: self.status(segment, now_ms) for segment in SEGMENTS}


def intensity(now_ms: int) -> float:
    """How much is traded just now against the day's mean: a U from open to close, half of it elsewhere."""
    place = (minute_of_day(now_ms) - OPENS) / (CLOSES - OPENS)
    return 0.55 + 1.35 * (2 * place - 1) ** 2 if 0 <= place <= 1 else 0.5


def traded_share(now_ms: int) -> float:
    """The share of the day's volume that is traded by now: the integral of `intensity`."""
    place = min(max((minute_of_day(now_ms) - OPENS) / (CLOSES - OPENS), 0.0), 1.0)
    return 0.55 * place + 1.35 * ((2 * place - 1) ** 3 + 1) / 6
