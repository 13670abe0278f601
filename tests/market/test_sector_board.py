"""Sectors, kept up to date as their members tick."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.sector_board import SectorBoard
from mdactors.market.tick import Tick

DAY_MS = 86_400_000
TEN_MS = 1_790_658_000_000
CODES = {1: "BANKING", 2: "BANKING", 3: "BANKING", 4: "IT", 5: "IT"}


def tick(token: int, last: float | None, *, volume: int = 10, traded: int = TEN_MS) -> Tick:
    instrument = Instrument(token, f"S{token}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|S{token}", series="EQ")
    quote = Quote(token, "full", last, last_trade_time=traded, volume=volume, previous_close=100.0)
    return Tick(instrument, quote, "test", 1, 1, max(traded, TEN_MS) * 1_000_000)


def board(*ticks: Tick) -> SectorBoard:
    made = SectorBoard(CODES)
    for each in ticks:
        made.update(each)
    return made


def shown(made: SectorBoard, *codes: str) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in made.standings(codes)]


def test_a_sector_has_the_mean_change_and_counts_who_rose_and_fell() -> None:
    made = board(tick(1, 103.0), tick(2, 99.0, volume=20), tick(3, 100.0), tick(4, 50.0))
    assert shown(made, "BANKING") == [
        {"code": "BANKING", "members": 3, "priced": 3, "advances": 1, "declines": 1, "unchanged": 1,
         "value": 4010, "changePercent": 0.67},
    ]  # fmt: skip


def test_a_sector_without_prices_has_no_change_and_what_is_no_sector_is_left_out() -> None:
    made = board(tick(99, 200.0))
    assert [each["code"] for each in shown(made)] == ["BANKING", "IT"]
    assert shown(made, "IT", "NONE") == [
        {"code": "IT", "members": 2, "priced": 0, "advances": 0, "declines": 0, "unchanged": 0, "value": 0}
    ]


def test_a_member_that_ticks_again_counts_once() -> None:
    assert shown(board(tick(4, 90.0), tick(4, 110.0))) == shown(board(tick(4, 110.0)))


def test_a_new_day_begins_with_nobody() -> None:
    made = board(tick(1, 103.0), tick(2, 99.0), tick(2, 101.0, traded=TEN_MS + DAY_MS), tick(1, 103.0))
    (banking,) = shown(made, "BANKING")
    assert (banking["members"], banking["priced"], banking["changePercent"]) == (3, 1, 1.0)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 6), st.one_of(st.none(), st.floats(1, 300)), st.integers(0, 10**9)
        ),
        max_size=60,
    )
)  # fmt: skip
def test_after_any_ticks_the_board_is_what_the_newest_alone_make(
    updates: list[tuple[int, float | None, int]],
) -> None:
    ticks = [tick(token, last, volume=volume) for token, last, volume in updates]
    newest = {each.instrument.token: each for each in ticks}
    assert shown(board(*ticks)) == shown(board(*newest.values()))
