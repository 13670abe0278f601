"""Wider bars are made of minute bars, aligned to the session."""

from __future__ import annotations

import datetime as dt

import pytest
from msgspec.structs import replace

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, BarSource, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.interval import combine

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
OPEN_MS = int(dt.datetime(2026, 9, 29, 9, 15, tzinfo=ist.IST).timestamp()) * 1000
MINUTE_MS = 60_000


def minute(number: int, start: int = OPEN_MS) -> Bar:
    price = 100.0 + number
    return Bar(SHARE, "1m", start + number * MINUTE_MS, price, price + 2, price - 3, price + 1, number)


DAY = [minute(number) for number in range(375)]


def clock(bar: Bar) -> str:
    return ist.iso(bar.start)[11:16]


@pytest.mark.parametrize(
    ("interval", "count", "begins", "last"),
    [
        ("1m", 375, ["09:15", "09:16"], "15:29"),
        ("3m", 125, ["09:15", "09:18"], "15:27"),
        ("5m", 75, ["09:15", "09:20"], "15:25"),
        ("15m", 25, ["09:15", "09:30"], "15:15"),
        ("30m", 13, ["09:15", "09:45"], "15:15"),
        ("1h", 7, ["09:15", "10:15"], "15:15"),
        ("1d", 1, ["09:15"], "09:15"),
    ],
)
def test_bars_of_a_day_begin_where_the_session_opens_not_at_full_hours(
    interval: Interval, count: int, begins: list[str], last: str
) -> None:
    bars = list(combine(DAY, interval, Calendar()))
    assert len(bars) == count
    assert [clock(bar) for bar in bars[:2]] == begins
    assert clock(bars[-1]) == last
    assert sum(bar.volume for bar in bars) == sum(bar.volume for bar in DAY)


def test_a_wider_bar_opens_with_the_first_minute_and_closes_with_the_last() -> None:
    first, second, *_ = combine(DAY, "5m", Calendar())
    assert first == Bar(SHARE, "5m", OPEN_MS, 100.0, 106.0, 97.0, 105.0, 0 + 1 + 2 + 3 + 4)
    assert (second.open, second.close) == (105.0, 110.0)


def test_the_last_bar_of_a_session_is_as_short_as_what_is_left() -> None:
    *_, last = combine(DAY, "1h", Calendar())
    assert (last.open, last.close, last.volume) == (DAY[360].open, DAY[374].close, sum(range(360, 375)))


def test_minutes_without_trades_leave_no_wider_bar() -> None:
    bars = combine([minute(0), minute(12)], "5m", Calendar())
    assert [clock(bar) for bar in bars] == ["09:15", "09:25"]


def test_each_day_begins_anew() -> None:
    next_day = [minute(number, OPEN_MS + 24 * 60 * MINUTE_MS) for number in range(375)]
    hours = list(combine([*DAY, *next_day], "1h", Calendar()))
    assert [clock(bar) for bar in hours[6:9]] == ["15:15", "09:15", "10:15"]
    assert len(list(combine([*DAY, *next_day], "1d", Calendar()))) == 2


def test_a_session_round_the_clock_begins_at_midnight_as_does_a_day_without_one() -> None:
    saturday = OPEN_MS + 4 * 24 * 60 * MINUTE_MS
    for calendar in (Calendar(), Calendar(always_open=True)):
        hours = combine([minute(0, saturday), minute(50, saturday)], "1h", calendar)
        assert [clock(bar) for bar in hours] == ["09:00", "10:00"]
        assert [clock(bar) for bar in combine([minute(0, saturday)], "1d", calendar)] == ["00:00"]


def test_a_wider_bar_is_of_no_better_source_than_its_least_minute() -> None:
    sources: list[BarSource] = ["broker", "backfill", "broker", "broker", "ticks", "backfill", "backfill"]
    minutes = [replace(minute(number), source=source) for number, source in enumerate(sources)]
    assert [bar.source for bar in combine(minutes, "3m", Calendar())] == ["broker", "ticks", "backfill"]


def test_nothing_becomes_nothing() -> None:
    assert list(combine([], "5m", Calendar())) == []
