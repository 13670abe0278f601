"""``mdactors watch``: the table on a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from mdactors.cli.watch import Board

TICK: dict[str, Any] = {
    "symbol": "NIFTY26NOV24100CE", "exchange": "NSE", "lastTradedPrice": 24385.67, "change": -1062.02,
    "changePercent": -10.08, "volume": 171926360, "timestamp": "2026-11-20T09:15:01.123+05:30",
    "ohlc": {"open": 24396.21, "high": 24397.5, "low": 24383.63, "close": 25447.69},
}  # fmt: skip


def drawn(width: int) -> str:
    """What a terminal of so many columns shows."""
    board = Board()
    board.take(TICK)
    console = Console(width=width)
    with console.capture() as shown:
        console.print(board.table(width))
    return shown.get()


@pytest.mark.parametrize("width", [80, 119, 120, 200])
def test_no_price_is_cut_off(width: int) -> None:
    words = drawn(width).split()
    for word in ("NIFTY26NOV24100CE", "24,385.67", "-1,062.02", "-10.08", "171,926,360", "09:15:01.123"):
        assert word in words


@pytest.mark.parametrize(("width", "shown"), [(80, False), (120, True)])
def test_a_wide_terminal_shows_the_days_prices_too(width: int, shown: bool) -> None:
    assert ("24,397.50" in drawn(width)) is shown
