"""The trading day: what goes on at which time, in which words it is told, and how busy it is.

A table of its own: the calendar of whoever is tested against it must not judge itself.
"""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast, get_args

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

Stage = Literal["still", "orders", "match", "trading", "reference", "closing_orders", "post_close"]
"""What goes on: nothing (`still`), an auction's orders, its one trade, continuous trading; at the day's end a
price that stands while the closing auction's reference is found, its orders, and trades at the close."""
Kind = Literal[
    "shares",
    "auction_shares",
    "indices",
    "near_futures",
    "contracts",
    "currencies",
    "farm_goods",
    "commodities",
]
"""What keeps the same hours."""

# Begin and word, a day after another; `+60` begins at random, within so many seconds. Each since a date.
_CASH = "09:00 orders, 09:07+60 still, 09:08 match, 09:12 still, 09:15 trading"
_CASH_SINCE_SEPTEMBER = "09:00 orders, 09:09+60 still, 09:10 match, 09:12 still, 09:15 trading"
_CLOSING_STAGES = "15:15 reference, 15:20 closing_orders, 15:28+120 still, 15:30 match, 15:35 still"
_NEW_YORK = ("", "2025-03-10", "2025-11-03", "2026-03-09", "2026-11-02", "2027-03-15", "2027-11-08")
"""Since when it keeps winter time, summer time, winter time …"""
_STAGES: dict[str, dict[str, str]] = {
    "shares": {
        "": f"{_CASH}, 15:30 still, 15:40 post_close, 16:00 still",
        "2026-08-03": f"{_CASH}, 15:30 still, 15:50 post_close, 16:00 still",
        "2026-09-07": f"{_CASH_SINCE_SEPTEMBER}, 15:30 still, 15:50 post_close, 16:00 still",
    },
    "auction_shares": {
        "": f"{_CASH}, 15:30 still, 15:40 post_close, 16:00 still",
        "2026-08-03": f"{_CASH}, {_CLOSING_STAGES}, 15:50 post_close, 16:00 still",
        "2026-09-07": f"{_CASH_SINCE_SEPTEMBER}, {_CLOSING_STAGES}, 15:50 post_close, 16:00 still",
    },
    "indices": {
        "": f"{_CASH}, 15:30 still",
        "2026-09-07": f"{_CASH_SINCE_SEPTEMBER}, 15:30 still",
    },
    "near_futures": {
        "": "09:15 trading, 15:30 still",
        "2025-12-08": f"{_CASH}, 15:30 still",
        "2026-08-03": f"{_CASH}, 15:40 still",
        "2026-09-07": f"{_CASH_SINCE_SEPTEMBER}, 15:40 still",
    },
    "contracts": {"": "09:15 trading, 15:30 still", "2026-08-03": "09:15 trading, 15:40 still"},
    "currencies": {"": "09:00 trading, 17:00 still"},
    "farm_goods": {"": "09:00 trading, 17:00 still"},
    "commodities": {
        since: f"09:00 trading, {'23:30' if place % 2 else '23:55'} still"
        for place, since in enumerate(_NEW_YORK)
    },
}

_CASH_WORDS = "09:15 NORMAL_OPEN, 15:30 NORMAL_CLOSE"
_SHARES = {
    "": f"09:00 PRE_OPEN_START, 09:07+60 PRE_OPEN_END, {_CASH_WORDS}, 15:40 CLOSING_START, 16:00 CLOSING_END",
    "2026-08-03": (
        f"09:00 PRE_OPEN_START, 09:07+60 PRE_OPEN_END, {_CASH_WORDS}, 15:50 CLOSING_START, 16:00 CLOSING_END"
    ),
    "2026-09-07": (
        f"09:00 PRE_OPEN_START, 09:09+60 PRE_OPEN_END, {_CASH_WORDS}, 15:50 CLOSING_START, 16:00 CLOSING_END"
    ),
}
_CONTRACTS = {"": _CASH_WORDS, "2026-08-03": "09:15 NORMAL_OPEN, 15:40 NORMAL_CLOSE"}
_LONG = {
    since: stages.replace("trading", "NORMAL_OPEN").replace("still", "NORMAL_CLOSE")
    for since, stages in _STAGES["commodities"].items()
}
_CURRENCY = {"": "09:00 NORMAL_OPEN, 17:00 NORMAL_CLOSE"}
_STATUSES: dict[str, dict[str, str]] = {
    "NSE_EQ": _SHARES, "NSE_INDEX": _SHARES, "BSE_EQ": _SHARES, "BSE_INDEX": _SHARES,
    "NSE_FO": _CONTRACTS, "BSE_FO": _CONTRACTS,
    "NSE_COM": _LONG, "MCX_FO": _LONG, "MCX_INDEX": _LONG,
    "NCD_FO": _CURRENCY, "BCD_FO": _CURRENCY,
}  # fmt: skip
_CLOSING = {"2026-08-03": "15:15 CTS_CLOSE, 15:20 CAS_LM_START, 15:25 CAS_M_STOP, 15:28+120 CAS_STOP"}
_CLOSING_WORDS: dict[str, dict[str, str]] = {"NSE_EQ": _CLOSING, "BSE_EQ": _CLOSING}
_PRE_OPEN = "09:00 PRE_OPEN_START, 09:05 PRE_OPEN_M_END, 09:07+60 PRE_OPEN_END"
_PRE_OPEN_SINCE_SEPTEMBER = "09:00 PRE_OPEN_START, 09:05 PRE_OPEN_M_END, 09:09+60 PRE_OPEN_END"
_PRE_OPEN_WORDS: dict[str, dict[str, str]] = {
    "NSE_EQ": {"": _PRE_OPEN, "2026-09-07": _PRE_OPEN_SINCE_SEPTEMBER},
    "BSE_EQ": {"": _PRE_OPEN, "2026-09-07": _PRE_OPEN_SINCE_SEPTEMBER},
    "NSE_FO": {"2025-12-08": _PRE_OPEN, "2026-09-07": _PRE_OPEN_SINCE_SEPTEMBER},
}


def minute_of_day(now_ms: int) -> float:
    """Minutes since midnight in India."""
    return (now_ms + IST_MS) % DAY_MS / 60_000


def day_number(now_ms: int) -> int:
    """Days since 1970 in India."""
    return (now_ms + IST_MS) // DAY_MS


def date_of(now_ms: int) -> dt.date:
    """The date in India."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=day_number(now_ms))


def is_weekday(now_ms: int) -> bool:
    """Whether it is Monday to Friday in India."""
    return (day_number(now_ms) + 3) % 7 < SATURDAY  # 1 Jan 1970 was a Thursday


class Said(NamedTuple):
    """A word, and since when it holds."""

    word: str
    since_ms: int


class Session(msgspec.Struct, frozen=True):
    """The hours of a day; ``always_open`` trades around the clock, every day, for demonstrations.

    By the seed auctions stop taking orders.
    """

    always_open: bool = True
    seed: int = 1

    def stage(self, kind: Kind, now_ms: int) -> Stage:
        """What goes on in instruments that keep these hours."""
        if self.always_open:
            return "trading"
        said = self._said(_STAGES[kind], now_ms)
        return cast(Stage, said.word) if said is not None else "still"

    def stages(self, now_ms: int) -> dict[Kind, Stage]:
        """What goes on, of all kinds."""
        return {kind: self.stage(kind, now_ms) for kind in get_args(Kind)}

    def is_to_come(self, kind: Kind, now_ms: int) -> bool:
        """Whether a day begins later on that date."""
        return not self.always_open and is_weekday(now_ms) and self._said(_STAGES[kind], now_ms) is None

    def status(self, segment: str, now_ms: int) -> Status:
        """The phase of a segment."""
        if self.always_open:
            return "NORMAL_OPEN"
        said = self._said(_STATUSES[segment], now_ms)
        word = said.word if said is not None else _day(_valid(_STATUSES[segment], now_ms))[-1][2]
        return cast(Status, word)

    def statuses(self, now_ms: int) -> dict[str, Status]:
        """The phase of every segment."""
        return {segment: self.status(segment, now_ms) for segment in SEGMENTS}

    def closing_words(self, now_ms: int) -> dict[str, Said]:
        """How far the closing auction is, of segments that have had a word of it today."""
        return self._words(_CLOSING_WORDS, now_ms)

    def pre_open_words(self, now_ms: int) -> dict[str, Said]:
        """How far the pre-open is, of segments that have had a word of it today."""
        return self._words(_PRE_OPEN_WORDS, now_ms)

    def _words(self, tables: Mapping[str, Mapping[str, str]], now_ms: int) -> dict[str, Said]:
        if self.always_open:
            return {}
        found = {segment: self._said(table, now_ms) for segment, table in tables.items()}
        return {segment: said for segment, said in found.items() if said is not None}

    def _said(self, table: Mapping[str, str], now_ms: int) -> Said | None:
        """The newest word of the day so far; None where there is none yet, and at weekends."""
        if not is_weekday(now_ms):
            return None
        midnight_ms = day_number(now_ms) * DAY_MS - IST_MS
        found = None
        for begins_ms, spread, word in _day(_valid(table, now_ms)):
            since_ms = midnight_ms + begins_ms
            if spread:
                since_ms += _delay_ms(self.seed, since_ms, spread)
            if since_ms <= now_ms:
                found = Said(word, since_ms)
        return found


@functools.lru_cache(maxsize=1024)
def _delay_ms(seed: int, begins_ms: int, spread: int) -> int:
    return 1000 * random.Random(f"{seed} {begins_ms}").randrange(1, spread)


def _valid(table: Mapping[str, str], now_ms: int) -> str:
    """The hours of that date, from a table of dates since when they hold."""
    today = date_of(now_ms).isoformat()
    return next((hours for since, hours in reversed(list(table.items())) if since <= today), "")


@functools.cache
def _day(hours: str) -> Sequence[tuple[int, int, str]]:
    """Begin (ms since midnight), spread (s) and word of each part of a day."""
    found = []
    for part in filter(None, hours.split(", ")):
        time, word = part.split()
        clock, _, spread = time.partition("+")
        found.append(((int(clock[:2]) * 60 + int(clock[3:])) * 60_000, int(spread or 0), word))
    return found


def intensity(now_ms: int) -> float:
    """How much is traded just now against the day's mean: a U from open to close, half of it elsewhere."""
    place = (minute_of_day(now_ms) - OPENS) / (CLOSES - OPENS)
    return 0.55 + 1.35 * (2 * place - 1) ** 2 if 0 <= place <= 1 else 0.5


def traded_share(now_ms: int) -> float:
    """The share of the day's volume that is traded by now: the integral of `intensity`."""
    place = min(max((minute_of_day(now_ms) - OPENS) / (CLOSES - OPENS), 0.0), 1.0)
    return 0.55 * place + 1.35 * ((2 * place - 1) ** 3 + 1) / 6
