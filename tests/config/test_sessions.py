"""The file of sessions: what is shipped, and how the problems of another are named."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from mdactors.__main__ import main
from mdactors.config import CalendarSettings, load_calendar
from mdactors.config.sessions import SHIPPED
from mdactors.errors import ConfigError
from mdactors.market import ist
from mdactors.market.calendar import Calendar, Session

REPOSITORY = Path(__file__).resolve().parents[2]
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SMALL = """
segments: {cash: [NSE_EQ], night: [MCX_FO]}
weekend: [sunday]
hours:
  cash: [{open: 09:15-15:30}]
  night: [{open: 09:00-23:55}, {from: 2026-03-09, open: 09:00-23:30}]
holidays:
  "2026-01-26": {name: Republic Day, closed: [cash], special: {night: {open: 17:00-23:55}}}
"""
SEGMENTS = {
    "NSE": ("NSE_EQ", "NSE_INDEX"),
    "NFO": ("NSE_FO",),
    "BSE": ("BSE_EQ", "BSE_INDEX"),
    "BFO": ("BSE_FO",),
    "CDS": ("NCD_FO",),
    "BCD": ("BCD_FO",),
    "MCX": ("MCX_FO", "MCX_INDEX"),
    "NSCOM": ("NSE_COM",),
}
"""The broker's name for an exchange's part -> segments."""


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ist.IST).timestamp()) * ist.SECOND_NS


def written(tmp_path: Path, text: str) -> CalendarSettings:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return CalendarSettings(sessions=str(path))


def problems(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    """What is said of the small file with these changes, without the name of the setting and the file."""
    text = SMALL
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    settings = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_calendar(settings)
    prefix = f"calendar.sessions: {settings.sessions}: "
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


def hours(calendar: Calendar, segment: str, day: str) -> str:
    session = calendar.session(segment, at(f"{day}T12:00:00"))
    if session is None:
        return "closed"
    times = (ist.second_of_day(session.open_ns), ist.second_of_day(session.close_ns))
    return "-".join(f"{time // 3600:02d}:{time // 60 % 60:02d}" for time in times)


@pytest.fixture(scope="module")
def shipped() -> Calendar:
    return load_calendar(CalendarSettings())


def test_the_file_beside_the_other_configurations_is_the_one_that_is_shipped() -> None:
    assert (REPOSITORY / "config" / "sessions.yaml").samefile(SHIPPED)


@pytest.mark.parametrize("day", ["2016-09-30", "2024-02-27", "2025-12-15", "2026-06-08", "2026-09-24"])
def test_shares_trade_for_375_minutes_on_ordinary_days_old_and_new(shipped: Calendar, day: str) -> None:
    for segment in ("NSE_EQ", "NSE_INDEX", "BSE_EQ", "BSE_INDEX", "GLOBAL_INDEX"):
        session = shipped.session(segment, at(f"{day}T03:00:00"))
        assert session == Session(at(f"{day}T09:15:00"), at(f"{day}T15:30:00"))


@pytest.mark.parametrize(
    ("segment", "day", "expected"),
    [
        ("NSE_FO", "2025-10-08", "09:15-15:30"),
        ("NSE_FO", "2026-07-31", "09:15-15:30"),
        ("NSE_FO", "2026-08-03", "09:15-15:40"),
        ("BSE_FO", "2026-09-24", "09:15-15:40"),
        ("NCD_FO", "2026-09-24", "09:00-17:00"),
        ("MCX_FO", "2026-03-06", "09:00-23:55"),
        ("MCX_FO", "2026-03-09", "09:00-23:30"),
        ("MCX_INDEX", "2026-11-02", "09:00-23:55"),
        ("NSE_EQ", "2026-02-01", "09:15-15:30"),
        ("NCD_FO", "2026-02-01", "closed"),
        ("NSE_EQ", "2026-02-08", "closed"),
        ("NSE_EQ", "2026-11-08", "18:00-19:00"),
        ("NSE_FO", "2026-11-08", "18:00-19:10"),
        ("NSE_EQ", "2026-01-26", "closed"),
        ("MCX_FO", "2026-05-01", "17:00-23:30"),
        ("NSE_EQ", "2026-08-26", "09:15-15:30"),
        ("NSE_FO", "2026-08-26", "09:15-15:40"),
        ("NCD_FO", "2026-08-26", "closed"),
        ("UNHEARD_OF", "2026-10-02", "closed"),
    ],
)
def test_the_shipped_hours_of_days_that_differ(
    shipped: Calendar, segment: str, day: str, expected: str
) -> None:
    assert hours(shipped, segment, day) == expected


@pytest.mark.parametrize(
    ("day", "trades"),
    [
        (dt.date(2026, 2, 1), True),
        (dt.date(2026, 2, 2), True),
        (dt.date(2026, 2, 7), False),
        (dt.date(2026, 4, 1), True),
        (dt.date(2026, 10, 2), False),
        (dt.date(2026, 11, 8), True),
    ],
)
def test_a_trading_day_is_one_on_which_shares_trade_be_it_a_sunday(
    shipped: Calendar, day: dt.date, trades: bool
) -> None:
    assert shipped.is_trading_day(day) is trades


def test_the_closing_session_follows_the_continuous_one_and_no_feed_is_expected_in_it(
    shipped: Calendar,
) -> None:
    assert shipped.phase("NSE_EQ", at("2025-12-15T15:35:00")) == "closed"
    assert shipped.phase("NSE_EQ", at("2025-12-15T15:43:00")) == "post_close"
    assert not shipped.is_open("NSE_EQ", at("2025-12-15T15:43:00"))


# --- facts that a broker told ----------------------------------------------------------------------------


def spans(entries: list[dict[str, Any]]) -> dict[str, Session]:
    """Segment -> what the broker said of its session."""
    return {
        segment: Session(entry["start_time"] * 1_000_000, entry["end_time"] * 1_000_000)
        for entry in entries
        for segment in SEGMENTS[entry["exchange"]]
    }


@pytest.mark.realdata
def test_it_agrees_with_a_brokers_holidays_of_2026(shipped: Calendar, shared_data: Path) -> None:
    days = json.loads((shared_data / "upstox_rest" / "holidays_2026.json").read_text())["data"]
    assert len(days) == 22
    special = {day["date"] for day in days}
    for day in days:
        noon = at(f"{day['date']}T12:00:00")
        said = spans(day["open_exchanges"])
        closed = {segment for name in day["closed_exchanges"] for segment in SEGMENTS[name]}
        assert said.keys() | closed == {segment for each in SEGMENTS.values() for segment in each}
        for segment, session in said.items():
            assert shipped.session(segment, noon) == session, (day["date"], segment)
        for segment in closed:
            assert shipped.session(segment, noon) is None, (day["date"], segment)
    first = dt.date(2026, 1, 1)
    for day in (first + dt.timedelta(days=n) for n in range(365)):
        if day.isoformat() not in special:
            assert shipped.is_trading_day(day) is (day.weekday() < 5), day


@pytest.mark.realdata
@pytest.mark.parametrize("day", ["2026-09-24", "2026-11-08"])
def test_it_agrees_with_a_brokers_timings(shipped: Calendar, shared_data: Path, day: str) -> None:
    entries = json.loads((shared_data / "upstox_rest" / f"timings_{day}.json").read_text())["data"]
    said = spans(entries)
    assert said == {segment: shipped.session(segment, at(f"{day}T12:00:00")) for segment in said}
    assert len(said) == sum(map(len, SEGMENTS.values()))


# --- another file ----------------------------------------------------------------------------------------


def test_another_file_is_used_instead(tmp_path: Path) -> None:
    calendar = load_calendar(written(tmp_path, SMALL))
    assert hours(calendar, "NSE_EQ", "2026-01-24") == "09:15-15:30"  # a Saturday
    assert hours(calendar, "NSE_EQ", "2026-01-26") == "closed"
    assert hours(calendar, "MCX_FO", "2026-01-26") == "17:00-23:55"
    assert hours(calendar, "MCX_FO", "2026-03-09") == "09:00-23:30"


def test_always_open_goes_before_every_file(tmp_path: Path) -> None:
    settings = CalendarSettings(always_open=True, sessions=written(tmp_path, SMALL).sessions)
    assert load_calendar(settings).is_open("NSE_EQ", at("2026-01-26T03:00:00"))


def test_before_the_first_hours_a_segment_is_closed(tmp_path: Path) -> None:
    text = SMALL.replace("{open: 09:15-15:30}", "{from: 2020-01-01, open: 09:15-15:30}")
    calendar = load_calendar(written(tmp_path, text))
    assert hours(calendar, "NSE_EQ", "2019-12-31") == "closed"
    assert hours(calendar, "NSE_EQ", "2020-01-01") == "09:15-15:30"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "open: 09:15-15:30",
            "open: 9.15",
            "hours.cash[0].open: expected a span of time like 09:15-15:30, got 9.15",
        ),
        (
            "open: 09:15-15:30",
            "open: 9:15-15:30",
            "hours.cash[0].open: expected a span of time like 09:15-15:30, got 9:15-15:30",
        ),
        ("open: 09:15-15:30", "open: 15:30-09:15", "hours.cash[0].open: 15:30-09:15 ends before it begins"),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, pre_open: 09:00-09:20",
            "hours.cash[0].pre_open: must end before open begins",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, closing: 15:00-16:00",
            "hours.cash[0].closing: must begin after open ends",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, pre_open: 09:00-09:15, orders: 09:00-09:20",
            "hours.cash[0].orders: must be a part of pre_open",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, orders: 09:00-09:08",
            "hours.cash[0].orders: must be a part of pre_open",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, auction: 15:15-15:40",
            "hours.cash[0].auction: must be a part of open",
        ),
        (
            "open: 09:15-15:30",
            'open: ""',
            "hours.cash[0].open: expected a span of time like 09:15-15:30, got ",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, opens: 09:15-15:30",
            "hours.cash[0].opens: unknown setting (did you mean open?)",
        ),
        (
            "from: 2026-03-09, ",
            "",
            "hours.night[1].from: must be later than that of the hours before",
        ),
        ("[{open: 09:15-15:30}]", "[]", "hours.cash: holds no hours"),
        ("weekend: [sunday]", "weekend: [sonntag]", f"weekend[0]: expected one of {', '.join(WEEK)}"),
        (
            "night: [MCX_FO]",
            "nigth: [MCX_FO]",
            "segments.nigth: no hours are given for nigth; they are for: cash, night",
        ),
        ("night: [MCX_FO]", "night: [NSE_EQ]", "segments.night: NSE_EQ is in cash already"),
        (
            "closed: [cash]",
            "closed: [shares]",
            "holidays.2026-01-26.closed: no hours are given for shares; they are for: cash, night",
        ),
        (
            "closed: [cash]",
            "closed: [cash, night]",
            "holidays.2026-01-26: night cannot be closed and trade at special hours",
        ),
        ("2026-01-26", "26 January", 'holidays.26 January: expected a date like "2026-01-26"'),
        ("name: Republic Day, ", "", "holidays.2026-01-26.name: is required"),
        (
            "17:00-23:55",
            "17-24",
            "holidays.2026-01-26.special.night.open: expected a span of time like 09:15-15:30, got 17-24",
        ),
    ],
)
def test_a_mistake_is_named_by_its_path(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert problems(tmp_path, (before, after)) == [problem]


def test_a_date_needs_no_quotes(tmp_path: Path) -> None:
    calendar = load_calendar(written(tmp_path, SMALL.replace('"2026-01-26"', "2026-01-26")))
    assert hours(calendar, "NSE_EQ", "2026-01-26") == "closed"


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, ("09:15-15:30", "early"), ("closed: [cash]", "closed: [none]"))
    assert [problem.partition(": ")[0] for problem in found] == [
        "hours.cash[0].open",
        "holidays.2026-01-26.closed",
    ]
    assert problems(tmp_path, ("weekend:", "weekends:")) == [
        "weekends: unknown setting (did you mean weekend?)",
        "weekend: is required",
    ]


def test_a_file_that_cannot_be_read_is_named_with_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    with pytest.raises(ConfigError) as caught:
        load_calendar(CalendarSettings(sessions=str(path)))
    assert caught.value.problems == [f"calendar.sessions: {path}: cannot be read: No such file or directory"]


def test_check_config_names_the_mistakes_of_the_file_beside_those_of_the_adapters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = written(tmp_path, SMALL.replace("09:15-15:30", "early")).sessions
    path = tmp_path / "config.yaml"
    path.write_text(f"calendar: {{sessions: {sessions}}}\n")
    assert main(["check-config", str(path)]) == 1
    assert capsys.readouterr().out.startswith(f"calendar.sessions: {sessions}: hours.cash[0].open: expected")
