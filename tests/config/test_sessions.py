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
from mdactors.market.trading_class import CLASSES, SEGMENT_CLASSES, class_of_segment

REPOSITORY = Path(__file__).resolve().parents[2]
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SMALL = """
groups:
  day: [shares, auction_shares, indices, near_futures, futures, options, currencies]
  night: [commodities, commodities_to_21, commodities_to_17]
weekend: [sunday]
hours:
  shares: [{open: 09:15-15:30}]
  commodities: [{open: 09:00-23:55}, {from: 2026-03-09, open: 09:00-23:30}]
REST
holidays:
  "2026-01-26": {name: Republic Day, closed: [day], evening: [night]}
""".replace(
    "REST",
    "\n".join(
        f"  {each}: [{{open: 09:00-17:00}}]" for each in CLASSES if each not in ("shares", "commodities")
    ),
)
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


def hours(calendar: Calendar, trading_class: str, day: str) -> str:
    """Continuous trading of a date."""
    phases = calendar.hours(trading_class, dt.date.fromisoformat(day)).phases
    return " ".join(str(span) for phase, span in phases if phase == "open") or "closed"


def session_of(calendar: Calendar, segment: str, at_ns: int) -> Session | None:
    """Of what stands for a segment."""
    return calendar.session(class_of_segment(segment), at_ns)


@pytest.fixture(scope="module")
def shipped() -> Calendar:
    return load_calendar(CalendarSettings())


def test_the_file_beside_the_other_configurations_is_the_one_that_is_shipped() -> None:
    assert (REPOSITORY / "config" / "sessions.yaml").samefile(SHIPPED)


@pytest.mark.parametrize("day", ["2016-09-30", "2024-02-27", "2025-12-15", "2026-06-08", "2026-09-24"])
def test_shares_trade_for_375_minutes_on_ordinary_days_old_and_new(shipped: Calendar, day: str) -> None:
    for segment in ("NSE_EQ", "NSE_INDEX", "BSE_EQ", "BSE_INDEX", "UNHEARD_OF"):
        session = session_of(shipped, segment, at(f"{day}T03:00:00"))
        assert session == Session(at(f"{day}T09:15:00"), at(f"{day}T15:30:00"))


@pytest.mark.parametrize(
    ("trading_class", "day", "expected"),
    [
        ("options", "2025-10-08", "09:15-15:30"),
        ("options", "2026-07-31", "09:15-15:30"),
        ("options", "2026-08-03", "09:15-15:40"),
        ("futures", "2026-09-24", "09:15-15:40"),
        ("currencies", "2026-09-24", "09:00-17:00"),
        ("commodities", "2026-03-06", "09:00-23:55"),
        ("commodities", "2026-03-09", "09:00-23:30"),
        ("commodities", "2026-11-02", "09:00-23:55"),
        ("shares", "2026-02-01", "09:15-15:30"),
        ("currencies", "2026-02-01", "closed"),
        ("shares", "2026-02-08", "closed"),
        ("shares", "2026-11-08", "18:00-19:00"),
        ("options", "2026-11-08", "18:00-19:10"),
        ("shares", "2026-01-26", "closed"),
        ("commodities", "2026-05-01", "17:00-23:30"),
        ("shares", "2026-08-26", "09:15-15:30"),
        ("options", "2026-08-26", "09:15-15:40"),
        ("currencies", "2026-08-26", "closed"),
        ("indices", "2026-10-02", "closed"),
        ("auction_shares", "2026-07-31", "09:15-15:30"),
        ("auction_shares", "2026-08-03", "09:15-15:15"),
        ("commodities_to_21", "2026-09-24", "09:00-21:00"),
        ("commodities_to_17", "2026-09-24", "09:00-17:00"),
        ("commodities_to_21", "2026-05-01", "17:00-21:00"),
        ("commodities_to_17", "2026-05-01", "closed"),
    ],
)
def test_the_shipped_hours_of_days_that_differ(
    shipped: Calendar, trading_class: str, day: str, expected: str
) -> None:
    assert hours(shipped, trading_class, day) == expected


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
    assert shipped.phase("shares", at("2025-12-15T15:35:00")) == "closed"
    assert shipped.phase("shares", at("2025-12-15T15:43:00")) == "post_close"
    assert not shipped.is_open("shares", at("2025-12-15T15:43:00"))


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
            assert session_of(shipped, segment, noon) == session, (day["date"], segment)
        for segment in closed:
            assert session_of(shipped, segment, noon) is None, (day["date"], segment)
    first = dt.date(2026, 1, 1)
    for day in (first + dt.timedelta(days=n) for n in range(365)):
        if day.isoformat() not in special:
            assert shipped.is_trading_day(day) is (day.weekday() < 5), day


@pytest.mark.realdata
@pytest.mark.parametrize("day", ["2026-09-24", "2026-11-08"])
def test_it_agrees_with_a_brokers_timings(shipped: Calendar, shared_data: Path, day: str) -> None:
    entries = json.loads((shared_data / "upstox_rest" / f"timings_{day}.json").read_text())["data"]
    said = spans(entries)
    assert said == {segment: session_of(shipped, segment, at(f"{day}T12:00:00")) for segment in said}
    assert len(said) == sum(map(len, SEGMENTS.values()))


# --- past years, and one to come --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trading_class", "day", "expected"),
    [
        ("shares", "2024-01-20", "09:15-15:30"),  # a Saturday like any other day
        ("commodities", "2024-01-20", "closed"),
        ("auction_shares", "2024-01-22", "closed"),
        ("commodities", "2024-01-22", "17:00-23:55"),
        ("shares", "2024-03-02", "09:15-10:00 11:30-12:30"),
        ("options", "2024-03-02", "09:15-10:00 11:30-12:30"),
        ("currencies", "2024-03-02", "closed"),
        ("indices", "2024-05-18", "09:15-10:00 11:45-12:40"),
        ("shares", "2024-05-20", "closed"),
        ("currencies", "2024-09-16", "09:00-17:00"),
        ("currencies", "2024-09-18", "closed"),
        ("shares", "2024-11-01", "18:00-19:00"),
        ("commodities_to_17", "2024-11-01", "18:00-19:00"),
        ("options", "2024-11-20", "closed"),
        ("commodities_to_21", "2024-11-20", "17:00-21:00"),
        ("commodities", "2025-01-01", "09:00-17:00"),
        ("shares", "2025-01-01", "09:15-15:30"),
        ("near_futures", "2025-02-01", "09:15-15:30"),
        ("commodities", "2025-02-01", "09:00-17:00"),
        ("currencies", "2025-02-19", "closed"),
        ("commodities", "2025-04-18", "closed"),
        ("shares", "2025-10-21", "13:45-14:45"),
        ("commodities", "2025-10-22", "17:00-23:30"),
        ("commodities", "2026-01-01", "09:00-17:00"),
        ("commodities_to_21", "2026-01-01", "09:00-17:00"),
        ("shares", "2026-01-01", "09:15-15:30"),
        ("shares", "2027-01-26", "closed"),  # of a year whose list is not known yet
        ("commodities", "2027-01-01", "09:00-17:00"),
        ("commodities_to_21", "2028-05-01", "17:00-21:00"),
    ],
)
def test_special_days_of_past_years_and_fixed_ones_of_years_to_come(
    shipped: Calendar, trading_class: str, day: str, expected: str
) -> None:
    assert hours(shipped, trading_class, day) == expected


def test_between_two_sessions_of_a_day_nothing_trades(shipped: Calendar) -> None:
    phases = [shipped.phase("shares", at(f"2024-03-02T{time}:00")) for time in ("09:05", "10:30", "11:20")]
    assert phases == ["pre_open", "closed", "pre_open"]
    assert not shipped.moves("options", at("2024-03-02T10:30:00"))
    assert shipped.moves("options", at("2024-03-02T12:29:59"))


def test_every_day_of_the_whole_years_says_where_it_is_from(shipped: Calendar) -> None:
    for year in (2024, 2025, 2026):
        assert shipped.knows(year)
        days = shipped.holidays(year)
        assert len(days) >= 20
        assert all(each.name and each.source for _, each in days), year
    assert not shipped.knows(2027)


# --- another file ----------------------------------------------------------------------------------------


def test_another_file_is_used_instead(tmp_path: Path) -> None:
    calendar = load_calendar(written(tmp_path, SMALL))
    assert hours(calendar, "shares", "2026-01-24") == "09:15-15:30"  # a Saturday
    assert hours(calendar, "shares", "2026-01-26") == "closed"
    assert hours(calendar, "commodities", "2026-01-26") == "17:00-23:55"
    assert hours(calendar, "commodities", "2026-03-09") == "09:00-23:30"


def test_always_open_goes_before_every_file(tmp_path: Path) -> None:
    settings = CalendarSettings(always_open=True, sessions=written(tmp_path, SMALL).sessions)
    assert load_calendar(settings).is_open("shares", at("2026-01-26T03:00:00"))


def test_before_the_first_hours_a_segment_is_closed(tmp_path: Path) -> None:
    text = SMALL.replace("{open: 09:15-15:30}", "{from: 2020-01-01, open: 09:15-15:30}")
    calendar = load_calendar(written(tmp_path, text))
    assert hours(calendar, "shares", "2019-12-31") == "closed"
    assert hours(calendar, "shares", "2020-01-01") == "09:15-15:30"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "open: 09:15-15:30",
            "open: 9.15",
            "hours.shares[0].open: expected a span of time like 09:15-15:30, got 9.15",
        ),
        (
            "open: 09:15-15:30",
            "open: 9:15-15:30",
            "hours.shares[0].open: expected a span of time like 09:15-15:30, got 9:15-15:30",
        ),
        ("open: 09:15-15:30", "open: 15:30-09:15", "hours.shares[0].open: 15:30-09:15 ends before it begins"),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, pre_open: 09:00-09:20",
            "hours.shares[0]: open 09:15-15:30 begins before pre_open 09:00-09:20 ends",
        ),
        (
            "open: 09:15-15:30",
            "open: [09:15-12:00, 11:00-15:30]",
            "hours.shares[0]: open 11:00-15:30 begins before open 09:15-12:00 ends",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, closing_orders: 15:15-15:30",
            "hours.shares[0]: closing_orders 15:15-15:30 begins before open 09:15-15:30 ends",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, pre_open: 09:00-09:15, orders: 09:00-09:20",
            "hours.shares[0].orders: 09:00-09:20 must be a part of pre_open or closing_orders",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, orders: 09:20-09:30",
            "hours.shares[0].orders: 09:20-09:30 must be a part of pre_open or closing_orders",
        ),
        (
            "open: 09:15-15:30",
            'open: ""',
            "hours.shares[0].open: is required",
        ),
        (
            "open: 09:15-15:30",
            "open: 09:15-15:30, opens: 09:15-15:30",
            "hours.shares[0].opens: unknown setting (did you mean open?)",
        ),
        (
            "from: 2026-03-09, ",
            "",
            "hours.commodities[1].from: must be later than that of the hours before",
        ),
        ("[{open: 09:15-15:30}]", "[]", "hours.shares: holds no hours"),
        ("weekend: [sunday]", "weekend: [sonntag]", f"weekend[0]: expected one of {', '.join(WEEK)}"),
        (
            "night: [commodities,",
            "night: [comodities, commodities,",
            f"groups.night: there is no class comodities; there are: {', '.join(CLASSES)}",
        ),
        ("night: [commodities,", "night: [shares, commodities,", "groups.night: shares is in day already"),
        (", commodities_to_17]", "]", "groups: commodities_to_17 is in none"),
        ("  options: [{open: 09:00-17:00}]", "", "hours: none are given for options"),
        (
            "closed: [day]",
            "closed: [days]",
            "holidays.2026-01-26.closed: there is no group days; there are: day, night",
        ),
        (
            "closed: [day]",
            "closed: [day, night]",
            "holidays.2026-01-26: night cannot be both closed and evening",
        ),
        (
            "closed: [day]",
            "closed: [day], special: {day: {open: 09:15-10:00}}",
            "holidays.2026-01-26: day cannot be closed and trade at special hours",
        ),
        (
            "holidays:",
            'yearly: {"02-30": {name: none}}\nholidays:',
            'yearly.02-30: expected a day of every year like "01-26"',
        ),
        ("2026-01-26", "26 January", 'holidays.26 January: expected a date like "2026-01-26"'),
        ("name: Republic Day, ", "", "holidays.2026-01-26.name: is required"),
        (
            "evening: [night]",
            "special: {night: {open: 17-24}}",
            "holidays.2026-01-26.special.night.open: expected a span of time like 09:15-15:30, got 17-24",
        ),
    ],
)
def test_a_mistake_is_named_by_its_path(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert problems(tmp_path, (before, after)) == [problem]


def test_what_is_said_of_a_class_goes_before_what_is_said_of_its_group(tmp_path: Path) -> None:
    special = "closed: [], special: {day: {open: [09:15-10:00, 11:30-12:30]}, options: {open: 10:00-11:00}}"
    calendar = load_calendar(written(tmp_path, SMALL.replace("closed: [day]", special)))
    assert hours(calendar, "shares", "2026-01-26") == "09:15-10:00 11:30-12:30"
    assert hours(calendar, "options", "2026-01-26") == "10:00-11:00"


def test_a_file_in_the_format_of_before_is_told_what_to_do_in_one_line(tmp_path: Path) -> None:
    old = "segments: {cash: [NSE_EQ]}\nweekend: [sunday]\nhours: {cash: [{open: 09:15-15:30}]}\n"
    settings = written(tmp_path, old)
    with pytest.raises(ConfigError) as caught:
        load_calendar(settings)
    (problem,) = caught.value.problems
    assert problem.startswith(f"calendar.sessions: {settings.sessions}: is a file of sessions of an earlier")
    assert "copy the file that comes along once more" in problem


def test_every_segment_has_classes_that_there_are() -> None:
    assert {each for classes in SEGMENT_CLASSES.values() for each in classes} == set(CLASSES)


def test_a_date_needs_no_quotes(tmp_path: Path) -> None:
    calendar = load_calendar(written(tmp_path, SMALL.replace('"2026-01-26"', "2026-01-26")))
    assert hours(calendar, "shares", "2026-01-26") == "closed"


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, ("09:15-15:30", "early"), ("closed: [day]", "closed: [none]"))
    assert [problem.partition(": ")[0] for problem in found] == [
        "hours.shares[0].open",
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
    assert capsys.readouterr().out.startswith(
        f"calendar.sessions: {sessions}: hours.shares[0].open: expected"
    )
