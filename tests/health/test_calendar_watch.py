"""A year without a list of holidays is an alarm before it begins."""

from __future__ import annotations

import datetime as dt

import pytest

from mdactors.actors.alarms import AlarmBoard
from mdactors.config import CalendarSettings, load_calendar
from mdactors.health.calendar_watch import CalendarWatch
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.runtime import FakeClock


def alarms(moment: str, calendar: Calendar) -> list[str]:
    at = dt.datetime.fromisoformat(moment).replace(tzinfo=ist.IST)
    clock = FakeClock(int(at.timestamp()) * ist.SECOND_NS)
    board = AlarmBoard(clock, lambda _change: None)
    CalendarWatch(calendar, clock, board).look()
    assert all(alarm.id == "calendar" for alarm in board.active())
    return [text for alarm in board.active() for text in alarm.text.split("; the")]


@pytest.mark.parametrize(
    ("moment", "years"),
    [
        ("2026-06-01T10:00:00", []),
        ("2026-11-30T23:59:59", []),
        ("2026-12-01T00:00:00", ["2027"]),
        ("2026-12-31T12:00:00", ["2027"]),
        ("2027-03-01T12:00:00", ["2027"]),
        ("2027-12-01T12:00:00", ["2027", "2028"]),
        ("2023-12-05T12:00:00", ["2023"]),
    ],
)
def test_it_is_asked_for_from_december_on(moment: str, years: list[str]) -> None:
    told = alarms(moment, load_calendar(CalendarSettings()))
    assert len(told) == len(years)
    assert all(f"holidays of {year}" in text for year, text in zip(years, told, strict=True))


def test_where_everything_is_always_open_no_list_is_missed() -> None:
    assert alarms("2027-12-31T12:00:00", Calendar(always_open=True)) == []


def test_the_alarm_is_over_once_there_is_a_list() -> None:
    clock = FakeClock(int(dt.datetime(2027, 1, 4, tzinfo=ist.IST).timestamp()) * ist.SECOND_NS)
    board = AlarmBoard(clock, lambda _change: None)
    CalendarWatch(load_calendar(CalendarSettings()), clock, board).look()
    assert [alarm.id for alarm in board.active()] == ["calendar"]
    CalendarWatch(Calendar(always_open=True), clock, board).look()
    assert board.active() == ()
