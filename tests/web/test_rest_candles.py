"""REST of bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.today import NOW_MS

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import pages
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
OPEN = 1_763_610_300_000
"""2025-11-20T09:15:00+05:30, a day that is over."""
MINUTE = 60_000
PATH = "/api/candles/RELIANCE"
DAY = f"{PATH}?from=2025-11-20&to=2025-11-20"


def minute(n: int, begin: int = OPEN) -> Bar:
    """The n-th minute: opens at 100 + n, closes half a rupee higher, trades n + 1 pieces."""
    return Bar(RELIANCE, "1m", begin + n * MINUTE, 100.0 + n, 101.0 + n, 99.0 + n, 100.5 + n, n + 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteBars]:
    database = SqliteDatabase(tmp_path / "bars.db")
    yield SqliteBars(database, ["1s", "1m"])
    database.close()


@pytest.fixture
def serve(stage: Any, store: SqliteBars) -> Callable[..., Any]:
    """``serve(bars)``: a server whose store holds these."""

    def start(bars: list[Bar]) -> Any:
        store.write(bars)
        stage.bars = store
        return stage.start()

    return start


def test_minutes_are_the_default_oldest_first(serve):
    stage = serve([minute(1), minute(0), minute(2)])
    assert stage.get(DAY) == (200, [
        {"time": f"2025-11-20T09:{15 + n}:00.000+05:30", "open": 100.0 + n, "high": 101.0 + n,
         "low": 99.0 + n, "close": 100.5 + n, "volume": n + 1, "source": "ticks"} for n in range(3)
    ])  # fmt: skip


def test_each_bar_says_who_made_it_a_wider_one_the_least_of_its_minutes_sources(serve):
    sources = ["broker", "broker", "backfill", "broker", "ticks", "broker", "backfill"]
    stage = serve([replace(minute(n), source=source) for n, source in enumerate(sources)])
    assert [bar["source"] for bar in stage.get(DAY)[1]] == sources
    assert [bar["source"] for bar in stage.get(f"{DAY}&interval=3m")[1]] == ["broker", "ticks", "backfill"]


def test_a_bar_of_an_auction_says_of_which_part_of_the_day_it_is(serve):
    stage = serve([replace(minute(-6), phase="pre_open"), minute(0)])
    assert [bar.get("phase") for bar in stage.get(DAY)[1]] == ["pre_open", None]


def test_bars_that_were_stored_under_the_symbol_are_found(serve):
    by_symbol = replace(RELIANCE, key="NSE_EQ|RELIANCE")
    stage = serve([replace(minute(n), instrument=by_symbol) for n in range(2)] + [minute(1), minute(2)])
    assert [bar["volume"] for bar in stage.get(DAY)[1]] == [1, 2, 3]
    assert [bar["volume"] for bar in stage.get(f"{DAY}&interval=5m")[1]] == [6]


def test_seconds_are_bars_of_their_own(serve):
    second = Bar(RELIANCE, "1s", OPEN, 1.0, 2.0, 0.5, 1.5, 7)
    stage = serve([second, minute(0)])
    (found,) = stage.get(f"{DAY}&interval=1s")[1]
    assert (found["open"], found["volume"]) == (1.0, 7)


@pytest.mark.parametrize(
    ("interval", "count", "last"),
    [("3m", 125, "15:27"), ("5m", 75, "15:25"), ("15m", 25, "15:15"), ("30m", 13, "15:15"),
     ("1h", 7, "15:15"), ("1d", 1, "09:15")],
)  # fmt: skip
def test_wider_bars_are_made_of_the_days_minutes(serve, interval, count, last):
    stage = serve([minute(n) for n in range(375)])
    status, bars = stage.get(f"{DAY}&interval={interval}")
    assert (status, len(bars)) == (200, count)
    assert bars[0]["time"] == "2025-11-20T09:15:00.000+05:30"
    assert bars[-1]["time"] == f"2025-11-20T{last}:00.000+05:30"
    assert bars[-1]["close"] == 100.5 + 374
    assert sum(bar["volume"] for bar in bars) == 375 * 376 // 2
    assert (bars[0]["open"], bars[0]["low"]) == (100.0, 99.0)


def test_a_range_within_a_wider_bar_never_cuts_it(serve):
    stage = serve([minute(n) for n in range(60)])
    whole = stage.get(f"{DAY}&interval=15m")[1]
    inner = stage.get(f"{PATH}?interval=15m&from=2025-11-20T09:20&to=2025-11-20T09:47")[1]
    assert inner == whole[1:3]
    assert stage.get(f"{PATH}?interval=15m&from=2025-11-20T09:30&to=2025-11-20T09:30")[1] == whole[1:2]


def test_days_are_not_mixed_and_pages_are_no_seam(serve, monkeypatch):
    monkeypatch.setattr(pages, "FIRST_PAGE", 7)
    monkeypatch.setattr(pages, "PAGE", 100)
    stage = serve([minute(n, OPEN + day * 86_400_000) for day in range(2) for n in range(375)])
    bars = stage.get(f"{PATH}?interval=1d&from=2025-11-19&to=2025-11-30")[1]
    assert [(bar["time"][:10], bar["volume"]) for bar in bars] == [
        ("2025-11-20", 70_500),
        ("2025-11-21", 70_500),
    ]
    assert len(stage.get(f"{PATH}?from=2025-11-19&to=2025-11-30")[1]) == 750


def test_a_day_is_by_the_figures_of_its_newest_tick_where_that_is_kept(serve, stage, tmp_path):
    database = SqliteDatabase(tmp_path / "ticks.db")
    stage.history = ticks = SqliteTicks(database)
    at = OPEN + 24_300_000
    said = Quote("R", "full", 104.5, volume=9_700, open=98.0, high=110.0, low=97.5, last_trade_time=at)
    evening = Tick(RELIANCE, said, "kite", 7, 1, at * 1_000_000)
    ticks.write([evening], None, Position("journal", 1, 100, 1))
    stage = serve([minute(n, OPEN + day * 86_400_000) for day in range(2) for n in range(3)])
    bars = stage.get(f"{PATH}?interval=1d&from=2025-11-19&to=2025-11-30")[1]
    assert [(bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]) for bar in bars] == [
        (98.0, 110.0, 97.5, 104.5, 9_700),
        (100.0, 103.0, 99.0, 102.5, 6),
    ]
    database.close()


def test_a_limit_is_the_newest_so_many(serve):
    stage = serve([minute(n) for n in range(60)])
    assert stage.get(f"{DAY}&limit=2")[1] == stage.get(DAY)[1][-2:]
    assert stage.get(f"{DAY}&interval=15m&limit=1")[1] == stage.get(f"{DAY}&interval=15m")[1][-1:]
    assert len(stage.get(f"{DAY}&limit=1000")[1]) == 60


def test_without_a_range_it_is_today_and_the_bar_that_is_still_open_is_left_out(serve, stage):
    stage.calendar = Calendar(always_open=True)
    midnight = NOW_MS - ist.second_of_day(NOW_MS * 1_000_000) * 1000
    stage = serve([minute(0, midnight - MINUTE), minute(0, midnight)])
    assert [bar["time"] for bar in stage.get(PATH)[1]] == [ist.iso(midnight)]
    assert stage.get(f"{PATH}?interval=1d") == (200, []), "the day is not over"


def test_nothing_is_an_empty_array(serve):
    assert serve([]).get(DAY) == (200, [])


@pytest.mark.parametrize(
    ("asked", "field"),
    [("interval=2m", "interval"), ("from=soon", "from"), ("from=2025-11-21&to=2025-11-20", "from"),
     ("from=2099-01-01", "from"), ("limit=0", "limit")],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_400_and_names_the_parameter(serve, asked, field):
    status, body = serve([]).get(f"{PATH}?{asked}")
    assert (status, body["error"]["code"], body["error"]["field"]) == (400, "invalid_parameter", field)


def test_bars_that_are_not_stored_are_said_to_be_so(serve, stage):
    stage.intervals = list[Interval](["1m"])
    status, body = serve([]).get(f"{PATH}?interval=1s")
    assert (status, body["error"]["field"]) == (400, "interval")
    assert "store.bars" in body["error"]["message"]
    assert stage.get(f"{DAY}&interval=1h") == (200, [])


def test_an_unknown_symbol_is_404(serve):
    status, body = serve([]).get("/api/candles/RELIANSE")
    assert (status, body["error"]["suggestions"]) == (404, ["RELIANCE"])


def test_without_a_store_and_with_one_that_is_away_it_is_503(stage, tmp_path):
    stage.start()
    assert stage.get(DAY)[0] == 503
    database = SqliteDatabase(tmp_path / "away.db")
    database.close()
    other = type(stage)()
    try:
        other.bars = SqliteBars(database, ["1m"])
        other.start()
        status, body = other.get(DAY)
        assert (status, body["error"]["code"]) == (503, "unavailable")
    finally:
        other.close()
