"""The bar of a day is the day's own figures."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mdactors.market.candle import Bar
from mdactors.market.day_bar import by_figures
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INDEX = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
OPEN_MS = 1_790_653_500_000
"""09:15 on a trading day."""
MADE = Bar(SHARE, "1d", OPEN_MS, 101.0, 109.0, 98.0, 105.0, 9_000, source="broker")
EVENING = Quote(
    1, "full", 104.5, volume=9_700, open=100.0, high=110.0, low=97.5, last_trade_time=OPEN_MS + 24_300_000
)
FIGURES = replace(MADE, open=100.0, high=110.0, low=97.5, close=104.5, volume=9_700)


def test_what_no_minute_has_is_in_the_days_figures() -> None:
    assert by_figures(MADE, EVENING) == FIGURES


def test_an_index_has_no_volume_in_its_day_either() -> None:
    index = replace(MADE, instrument=INDEX, volume=0)
    assert by_figures(index, replace(EVENING, volume=None)) == replace(FIGURES, instrument=INDEX, volume=0)


@pytest.mark.parametrize(
    "lacks",
    [
        {"open": None}, {"high": 0.0}, {"low": None}, {"last_price": 0.0}, {"volume": None},
        {"last_trade_time": OPEN_MS - 64_000_000},
    ],
)  # fmt: skip
def test_figures_that_are_no_whole_or_of_another_day_count_nothing(lacks: dict[str, float | None]) -> None:
    assert by_figures(MADE, replace(EVENING, **lacks)) == MADE


def test_minutes_that_go_on_behind_the_newest_tick_count_as_well() -> None:
    noon = replace(EVENING, last_price=99.0, high=104.0, low=97.5, volume=5_000)
    assert by_figures(MADE, noon) == replace(MADE, open=100.0, low=97.5)
