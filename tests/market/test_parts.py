"""Which parts of a list a newer one has lost, and which of its changes are real."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
import pytest

from mdactors.market.instrument import InstrumentRow
from mdactors.market.parts import Rows, counted, lost, outermost, short

TODAY = "2026-11-23"
SHARES = "all NSE_EQ STOCK of NSE"


def shares(count: int, first: int = 1, segment: str = "NSE_EQ") -> list[tuple[InstrumentRow, int]]:
    exchange, code = segment[:3], 1 if segment == "NSE_EQ" else 4
    return [
        (InstrumentRow(n << 8 | code, f"S{n}", exchange, segment, "STOCK", f"{segment}|S{n}"), n << 8 | code)
        for n in range(first, first + count)
    ]


def options(
    count: int, expiry: str = "2026-12-01", underlying: str = "NIFTY"
) -> list[tuple[InstrumentRow, int]]:
    rows = []
    for strike in range(count):
        token = (zlib.crc32(f"{expiry}{underlying}".encode()) % 100_000 * 1000 + strike) << 8 | 2
        symbol = f"{underlying}{expiry}{strike}"
        row = InstrumentRow(
            token, symbol, "NSE", "NSE_FO", "OPTION", f"NSE_FO|{token >> 8}", expiry=expiry,
            strike=strike + 1.0, option_type="CE", underlying=underlying,
        )  # fmt: skip
        rows.append((row, token))
    return rows


def missed(before: Rows, now: Rows, today: str = TODAY) -> dict[str, int]:
    quickly = short(counted(before), counted(now), today)
    found = {part: len(rows) for part, rows in lost(before, now, today).items()}
    assert set(found) <= set(quickly), "what the counts alone do not show is never looked for"
    return found


@pytest.mark.parametrize(
    ("before", "now", "rows"),
    [
        (1, 0, 1),
        (3, 0, 3),
        (3, 1, 0),  # two shares of three may be delisted at once
        (4, 2, 0),
        (5, 2, 3),
        (4, 1, 3),
        (2000, 1000, 0),
        (2000, 999, 1001),
        (2000, 1990, 0),
        (2000, 2100, 0),
    ],
)
def test_a_part_that_is_gone_or_under_half_has_lost_its_rows(before: int, now: int, rows: int):
    rest = options(3000)
    assert missed([*shares(before), *rest], [*shares(now), *rest]) == ({SHARES: rows} if rows else {})


def test_each_exchange_is_a_part_of_its_own():
    before = [*shares(10), *shares(10, segment="BSE_EQ")]
    assert missed(before, shares(10)) == {"all BSE_EQ STOCK of BSE": 10}


def test_an_expiry_of_an_underlying_is_a_part_and_one_that_is_over_is_none():
    before = [*options(40), *options(40, "2026-12-08"), *options(40, underlying="BANKNIFTY")]
    assert missed(before, [*options(40), *options(40, underlying="BANKNIFTY")]) == {
        "NSE_FO NIFTY 2026-12-08": 40
    }
    assert missed([*before, *options(99, TODAY)], before)[f"NSE_FO NIFTY {TODAY}"] == 99
    assert missed([*before, *options(99, TODAY)], before, today="2026-11-24") == {}


def moved(rows: Rows, **changes: str) -> Sequence[tuple[InstrumentRow, int]]:
    return [(msgspec.structs.replace(row, **changes), token) for row, token in rows]


def test_the_only_contract_of_an_expiry_may_end_but_not_the_only_one_of_its_type():
    before = [*options(5), *options(1, "2026-12-29"), *shares(5)]
    assert missed(before, [*options(5), *shares(5)]) == {}
    assert missed([*options(1), *shares(5)], shares(5)) == {"all NSE_FO OPTION of NSE": 1}


@pytest.mark.parametrize(
    "changes", [{"expiry": "2026-11-30"}, {"underlying": "NIFTY 50"}, {"symbol": "OTHER"}]
)
def test_what_is_there_under_another_day_or_name_is_not_lost(changes: dict[str, str]):
    before = [*options(40), *shares(5)]
    assert missed(before, [*moved(options(40), **changes), *shares(5)]) == {}


def test_of_a_segment_that_is_gone_its_expiries_are_not_named_one_by_one():
    parts = ["all NSE_FO OPTION of NSE", "NSE_FO NIFTY 2026-12-01", "BSE_FO SENSEX 2026-12-03"]
    assert outermost(parts) == ["all NSE_FO OPTION of NSE", "BSE_FO SENSEX 2026-12-03"]
