"""A broker's list by its parts, and which of them a newer list has lost on its way.

A part is all of an exchange, a segment and a type, or all contracts on an underlying that expire on a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from mdactors.market.instrument import InstrumentRow
from mdactors.market.quote import BrokerToken

LEAST_SHARE = 0.5
"""A part with fewer of its rows than that was cut off: so much does not end in one day."""
LEAST_LOST = 3
"""But fewer rows than these may end at once, in a part of a few: two shares of three are delisted. A part of
which nothing is left is one that was lost, however small, but for the only contract of an expiry."""

_WHOLE = "all "
"""How the names of the larger parts begin."""

Rows: TypeAlias = Sequence[tuple[InstrumentRow, BrokerToken]]
"""A broker's list: each instrument with the broker's token for it."""


class Count(msgspec.Struct, frozen=True, array_like=True):
    """How many rows of a list are alike in all this."""

    exchange: str
    segment: str
    type: str
    underlying: str
    expiry: str
    rows: int


def counted(rows: Rows) -> list[Count]:
    """A list, counted as finely as parts go."""
    counts = Counter((row.exchange, row.segment, row.type, row.underlying, row.expiry) for row, _ in rows)
    return [Count(*alike, count) for alike, count in counts.items()]


def living(rows: Rows, today: str) -> Rows:
    """Without the contracts that expired before today."""
    return [each for each in rows if not each[0].expiry or each[0].expiry >= today]


def short(before: Iterable[Count], now: Iterable[Count], today: str) -> list[str]:
    """The parts that have too few rows now, the largest first; what expired before today is not counted."""
    had, left = _sums(before, today), _sums(now, today)
    return [part for part, count in had.items() if _is_short(part, count, left[part])]


def lost(before: Rows, now: Rows, today: str) -> dict[str, Rows]:
    """The rows that the newer list has not, of each part that has lost too many.

    What is there under another day, underlying, number or symbol is not lost: an expiry is moved when a
    holiday becomes known.
    """
    living_before = living(before, today)
    parts = short(counted(living_before), counted(now), today)
    tokens = {row.token for row, _ in now}
    keys = {token for _, token in now}
    had: Counter[str] = Counter()
    gone: dict[str, list[tuple[InstrumentRow, BrokerToken]]] = {part: [] for part in parts}
    for row, key in living_before:
        for part in _parts(row.exchange, row.segment, row.type, row.underlying, row.expiry):
            if part in gone:
                had[part] += 1
                if row.token not in tokens and key not in keys:
                    gone[part].append((row, key))
    return {part: rows for part, rows in gone.items() if _is_short(part, had[part], had[part] - len(rows))}


def outermost(parts: Iterable[str]) -> list[str]:
    """Those that are not within a segment of which a whole type is among them."""
    found = list(parts)
    segments = {part.split()[1] for part in found if part.startswith(_WHOLE)}
    return [part for part in found if part.startswith(_WHOLE) or part.split()[0] not in segments]


def _is_short(part: str, before: int, left: int) -> bool:
    if left == 0:
        return before > 1 or (before == 1 and part.startswith(_WHOLE))
    return left < LEAST_SHARE * before and before - left >= LEAST_LOST


def _sums(counts: Iterable[Count], today: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    for each in counts:
        if not each.expiry or each.expiry >= today:
            for part in _parts(each.exchange, each.segment, each.type, each.underlying, each.expiry):
                sums[part] += each.rows
    return Counter(dict(sums.most_common()))


def _parts(exchange: str, segment: str, kind: str, underlying: str, expiry: str) -> Iterator[str]:
    yield f"{_WHOLE}{segment} {kind} of {exchange}"
    if expiry:
        yield f"{segment} {underlying} {expiry}"
