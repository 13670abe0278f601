"""India's time and when its segments trade."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.trading_class import COMMODITIES, INDICES, OPTIONS, SHARES


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ist.IST).timestamp()) * ist.SECOND_NS


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2999, 1, 1)))
def test_iso_reads_back_as_the_same_moment(moment: dt.datetime):
    ms = int(moment.replace(tzinfo=dt.UTC).timestamp() * 1000)
    text = ist.iso(ms)
    assert text.endswith("+05:30")
    assert dt.datetime.fromisoformat(text) == dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(
        milliseconds=ms
    )


def test_seconds_kept_for_reuse_are_bounded():
    for second in range(10_000):
        ist.iso(second * 1000)
    assert len(ist._seconds) <= ist._KEPT_SECONDS


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2999, 1, 1)))
def test_date_and_second_of_day_agree_with_the_clock(moment: dt.datetime):
    moment = moment.replace(microsecond=0, tzinfo=ist.IST)
    ns = int(moment.timestamp()) * ist.SECOND_NS
    assert ist.date(ns) == moment.date()
    assert ist.second_of_day(ns) == moment.hour * 3600 + moment.minute * 60 + moment.second


@pytest.mark.parametrize(
    ("trading_class", "time", "trades"),
    [
        (SHARES, "2026-09-29T08:59:59", False),
        (SHARES, "2026-09-29T09:00:00", True),
        (SHARES, "2026-09-29T15:29:59", True),
        (SHARES, "2026-09-29T15:30:00", False),
        (INDICES, "2026-09-29T12:00:00", True),
        (OPTIONS, "2026-09-29T15:35:00", True),
        (OPTIONS, "2026-09-29T15:40:00", False),
        (COMMODITIES, "2026-09-29T23:54:59", True),
        (COMMODITIES, "2026-09-29T23:55:00", False),
        (SHARES, "2026-10-02T12:00:00", True),
        (SHARES, "2026-10-03T12:00:00", False),
        (COMMODITIES, "2026-10-04T12:00:00", False),
    ],
)
def test_a_class_trades_in_its_hours_of_a_weekday(trading_class: str, time: str, trades: bool):
    assert Calendar().is_open(trading_class, at(time)) is trades


def test_an_always_open_calendar_is_always_open():
    assert Calendar(always_open=True).is_open(SHARES, at("2026-10-04T03:00:00"))


def test_the_date_rolls_at_indias_midnight():
    assert ist.date(at("2026-09-29T23:59:59")) == dt.date(2026, 9, 29)
    assert ist.date(at("2026-09-30T00:00:00")) == dt.date(2026, 9, 30)
