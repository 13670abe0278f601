"""The days of classes by a timetable: phases, dates, holidays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market import ist
from mdactors.market.calendar import Calendar, Part, Session
from mdactors.market.moment import read_moment
from mdactors.market.phase import Phase
from mdactors.market.timetable import (
    ALWAYS,
    EVENING,
    MORNING,
    ORDINARY,
    WHOLE_DAY,
    Holiday,
    Hours,
    Span,
    Timetable,
)
from mdactors.market.trading_class import AUCTION_SHARES, CLASSES, COMMODITIES, FUTURES, SHARES, WORLD


def hours(*phases: tuple[Phase, str], orders: Sequence[str] = ()) -> Hours:
    return Hours(tuple((phase, Span.read(span)) for phase, span in phases), tuple(map(Span.read, orders)))


DAY = hours(
    ("pre_open", "09:00-09:15"), ("open", "09:15-15:30"), ("post_close", "15:40-16:00"),
    orders=["09:00-09:07"],
)  # fmt: skip
AUCTIONED = hours(
    ("pre_open", "09:00-09:15"), ("open", "09:15-15:15"), ("closing_orders", "15:15-15:30"),
    ("closing_match", "15:30-15:35"), ("post_close", "15:50-16:00"), orders=["09:00-09:07"],
)  # fmt: skip
LONGER = hours(("open", "09:15-15:40"))
TWICE = hours(("open", "09:15-10:00"), ("pre_open", "11:15-11:30"), ("open", "11:30-12:30"))
TIMETABLE = Timetable(
    groups={SHARES: SHARES, AUCTION_SHARES: SHARES, FUTURES: "derivatives", COMMODITIES: COMMODITIES},
    hours={
        SHARES: [(ALWAYS, DAY)],
        AUCTION_SHARES: [(ALWAYS, DAY), (dt.date(2026, 8, 3), AUCTIONED)],
        FUTURES: [(dt.date(2010, 1, 1), hours(("open", "09:15-15:30"))), (dt.date(2026, 8, 3), LONGER)],
        COMMODITIES: [(ALWAYS, hours(("open", "09:00-23:30")))],
    },
    holidays={
        dt.date(2026, 9, 14): Holiday(
            "a holiday", frozenset({SHARES, "derivatives"}), {COMMODITIES: EVENING}
        ),
        dt.date(2026, 9, 16): Holiday("a holiday of one", frozenset({"derivatives"})),
        dt.date(2026, 9, 19): Holiday("two sessions on a Saturday", special={SHARES: TWICE}),
        dt.date(2026, 9, 27): Holiday("a Sunday", kept={SHARES: WHOLE_DAY, COMMODITIES: MORNING}),
        dt.date(2027, 3, 1): Holiday("known before the list is whole", frozenset({SHARES})),
    },
    years=frozenset({2026}),
    yearly={(1, 26): Holiday("every January", frozenset({SHARES}))},
)
CALENDAR = Calendar(TIMETABLE)
KNOWN = (*TIMETABLE.groups, "what no file names")


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ist.IST).timestamp()) * ist.SECOND_NS


@pytest.mark.parametrize(
    ("time", "share", "auctioned"),
    [
        ("08:59:59", "closed", "closed"),
        ("09:00:00", "pre_open", "pre_open"),
        ("09:14:59", "pre_open", "pre_open"),
        ("09:15:00", "open", "open"),
        ("15:14:59", "open", "open"),
        ("15:15:00", "open", "closing_orders"),
        ("15:29:59", "open", "closing_orders"),
        ("15:30:00", "closed", "closing_match"),
        ("15:35:00", "closed", "closed"),
        ("15:40:00", "post_close", "closed"),
        ("15:50:00", "post_close", "post_close"),
        ("16:00:00", "closed", "closed"),
    ],
)
def test_each_class_has_its_own_phases_and_a_feed_is_expected_until_the_last_match(
    time: str, share: Phase, auctioned: Phase
) -> None:
    for trading_class, phase in ((SHARES, share), (AUCTION_SHARES, auctioned)):
        now = at(f"2026-09-29T{time}")
        assert CALENDAR.phase(trading_class, now) == phase
        assert CALENDAR.is_open(trading_class, now) is (phase not in ("post_close", "closed"))


@pytest.mark.parametrize(
    ("time", "share", "auctioned"),
    [
        ("08:59:59", False, False),
        ("09:00:00", True, True),
        ("09:06:59", True, True),
        ("09:07:00", False, False),
        ("09:14:59", False, False),
        ("09:15:00", True, True),
        ("15:14:59", True, True),
        ("15:15:00", True, False),
        ("15:29:59", True, False),
        ("15:30:00", False, False),
        ("15:45:00", False, False),
    ],
)
def test_prices_move_in_the_session_and_while_orders_come_in(time: str, share: bool, auctioned: bool) -> None:
    now = at(f"2026-09-29T{time}")
    assert CALENDAR.moves(SHARES, now) is share
    assert CALENDAR.moves(AUCTION_SHARES, now) is auctioned


def test_nothing_moves_on_a_holiday_and_always_something_where_it_is_always_open() -> None:
    assert not CALENDAR.moves(SHARES, at("2026-09-14T10:00:00"))
    assert Calendar(TIMETABLE, always_open=True).moves(AUCTION_SHARES, at("2026-09-13T03:00:00"))


def test_a_part_says_where_it_begins_and_ends_the_closed_ones_too() -> None:
    day = "2026-09-29T"
    for time, part in [
        ("00:00:00", ("closed", "00:00:00", "09:00:00")),
        ("08:00:00", ("closed", "00:00:00", "09:00:00")),
        ("09:07:30", ("pre_open", "09:00:00", "09:15:00")),
        ("15:15:00", ("closing_orders", "15:15:00", "15:30:00")),
        ("15:42:00", ("closed", "15:35:00", "15:50:00")),
    ]:
        phase, begin, end = part
        assert CALENDAR.part(AUCTION_SHARES, at(day + time)) == Part(phase, at(day + begin), at(day + end))
    last = CALENDAR.part(AUCTION_SHARES, at(day + "23:00:00"))
    assert last == Part("closed", at(day + "16:00:00"), at("2026-09-30T00:00:00"))


def test_the_parts_of_a_date_are_those_that_are_not_closed() -> None:
    parts = CALENDAR.parts(AUCTION_SHARES, at("2026-09-29T00:00:00"))
    assert [part.phase for part in parts] == [phase for phase, _ in AUCTIONED.phases]
    assert CALENDAR.parts(AUCTION_SHARES, at("2026-09-14T12:00:00")) == ()


def test_a_day_may_have_two_sessions() -> None:
    day = "2026-09-19T"
    times = ["09:30:00", "10:00:00", "11:15:00", "11:30:00", "12:30:00"]
    phases = [CALENDAR.phase(SHARES, at(day + time)) for time in times]
    assert phases == ["open", "closed", "pre_open", "open", "closed"]
    assert CALENDAR.part(SHARES, at(day + "12:00:00")).begin_ns == at(day + "11:30:00")
    assert CALENDAR.session(SHARES, at(day + "12:00:00")) == Session(
        at(day + "09:15:00"), at(day + "12:30:00")
    )
    assert not CALENDAR.moves(SHARES, at(day + "10:30:00"))


@pytest.mark.parametrize("time", ["00:00:00", "12:00:00", "23:59:59"])
def test_any_time_of_a_date_leads_to_its_session(time: str) -> None:
    session = CALENDAR.session(SHARES, at(f"2026-09-29T{time}"))
    assert session == Session(at("2026-09-29T09:15:00"), at("2026-09-29T15:30:00"))


def test_hours_are_valid_from_their_date_on() -> None:
    for end in (at("2026-07-31T15:30:00"), at("2026-08-03T15:40:00")):
        session = CALENDAR.session(FUTURES, end)
        assert session is not None
        assert session.close_ns == end
    assert CALENDAR.session(FUTURES, at("2009-12-31T12:00:00")) is None


def test_a_holiday_closes_the_classes_of_the_groups_that_it_names() -> None:
    for trading_class in (SHARES, AUCTION_SHARES, FUTURES):
        assert not CALENDAR.parts(trading_class, at("2026-09-14T12:00:00"))
    assert not CALENDAR.trades(FUTURES, dt.date(2026, 9, 16))
    assert CALENDAR.trades(SHARES, dt.date(2026, 9, 16))


def test_a_half_day_is_a_part_of_the_ordinary_one_also_on_a_weekend() -> None:
    assert CALENDAR.session(COMMODITIES, at("2026-09-14T12:00:00")) == Session(
        at("2026-09-14T17:00:00"), at("2026-09-14T23:30:00")
    )
    assert CALENDAR.session(COMMODITIES, at("2026-09-27T12:00:00")) == Session(
        at("2026-09-27T09:00:00"), at("2026-09-27T17:00:00")
    )
    assert CALENDAR.phase(AUCTION_SHARES, at("2026-09-27T15:20:00")) == "closing_orders"
    assert not CALENDAR.trades(FUTURES, dt.date(2026, 9, 27))


def test_a_special_session_opens_a_weekend_for_the_classes_that_it_names() -> None:
    assert CALENDAR.is_trading_day(dt.date(2026, 9, 19))
    assert not CALENDAR.trades(AUCTION_SHARES, dt.date(2026, 9, 19))
    assert not CALENDAR.is_trading_day(dt.date(2026, 9, 20))


def test_days_of_every_year_count_in_years_whose_list_is_not_whole() -> None:
    days = [dt.date(year, 1, 26) for year in (2026, 2027, 2028)]
    assert [CALENDAR.trades(SHARES, day) for day in days] == [True, False, False]
    assert not CALENDAR.trades(SHARES, dt.date(2027, 3, 1)), "what is known already"
    assert [each.name for _, each in CALENDAR.holidays(2027)] == [
        "every January",
        "known before the list is whole",
    ]
    assert (CALENDAR.knows(2026), CALENDAR.knows(2027)) == (True, False)


@pytest.mark.parametrize(
    ("now", "date"),
    [
        ("2026-09-29T00:00:00", "2026-09-29"),
        ("2026-09-29T08:00:00", "2026-09-29"),
        ("2026-09-29T23:59:59", "2026-09-29"),
        ("2026-09-13T23:59:59", "2026-09-11"),  # a Sunday, and a Monday that is a holiday
        ("2026-09-14T10:00:00", "2026-09-11"),
        ("2026-09-15T00:00:00", "2026-09-15"),
        ("2026-09-19T03:00:00", "2026-09-19"),  # a Saturday with a session
        ("2026-09-20T12:00:00", "2026-09-19"),
    ],
)
def test_the_trading_date_rolls_at_midnight_of_the_next_date_with_a_session(now: str, date: str) -> None:
    assert str(CALENDAR.trading_date(SHARES, at(now))) == date


def test_trading_dates_are_those_of_the_class() -> None:
    assert str(CALENDAR.trading_date(COMMODITIES, at("2026-09-14T08:00:00"))) == "2026-09-14"
    assert str(CALENDAR.trading_date(FUTURES, at("2026-09-16T12:00:00"))) == "2026-09-15"
    assert str(CALENDAR.trading_date(FUTURES, at("2005-06-01T12:00:00"))) == "2005-06-01", "before any hours"


def test_a_class_that_no_file_names_keeps_the_hours_of_shares() -> None:
    noon = at("2026-09-29T12:00:00")
    assert CALENDAR.parts("unheard of", noon) == CALENDAR.parts(SHARES, noon)
    assert not CALENDAR.parts("unheard of", at("2026-09-14T12:00:00"))


def test_the_worlds_indices_trade_half_the_night_and_are_never_expected_to_move() -> None:
    calendar = Calendar(ORDINARY)
    times = {"00:30": "open", "02:45": "closed", "06:30": "open", "12:00": "open", "23:59": "open"}
    for time, phase in times.items():
        at_ns = read_moment(f"2026-11-20T{time}")
        assert (calendar.phase(WORLD, at_ns), calendar.moves(WORLD, at_ns)) == (phase, False)
    assert not calendar.trades(WORLD, dt.date(2026, 11, 21)), "a Saturday"


@given(st.integers(-(10**20), 10**20), st.sampled_from(KNOWN))
def test_whatever_the_time_its_part_holds_it_and_parts_follow_one_another(at_ns: int, name: str) -> None:
    """Also where a broker's nonsense leads beyond all calendars."""
    part = CALENDAR.part(name, at_ns)
    assert part.begin_ns <= at_ns < part.end_ns
    assert ist.day_number(part.begin_ns) == ist.day_number(at_ns) == ist.day_number(part.end_ns - 1)
    assert (part in CALENDAR.parts(name, at_ns)) is (part.phase != "closed")
    assert CALENDAR.part(name, part.end_ns).begin_ns == part.end_ns
    assert CALENDAR.trading_date(name, at_ns)


def test_always_open_makes_every_day_one_open_part() -> None:
    calendar = Calendar(TIMETABLE, always_open=True)
    for day in ("2026-09-14", "2026-10-04", "2026-09-29"):
        (part,) = calendar.parts(AUCTION_SHARES, at(f"{day}T15:20:00"))
        assert part == Part("open", at(f"{day}T00:00:00"), at(f"{day}T00:00:00") + 86_400 * ist.SECOND_NS)
        assert calendar.is_trading_day(dt.date.fromisoformat(day))
        assert calendar.is_open(FUTURES, part.end_ns - 1)
        assert str(calendar.trading_date(SHARES, part.begin_ns)) == day
    assert calendar.knows(1999)


def test_without_a_timetable_it_knows_the_ordinary_week() -> None:
    assert Calendar().session(SHARES, at("2026-10-02T12:00:00")) is not None
    assert set(CLASSES) == ORDINARY.hours.keys() == ORDINARY.groups.keys()


def test_days_kept_for_reuse_are_bounded() -> None:
    calendar = Calendar(TIMETABLE)
    for day in range(10_000):
        calendar.session(SHARES, day * 86_400 * ist.SECOND_NS)
    assert len(calendar._days) <= 4096


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:00-24:00", Span(0, 86_400)),
        ("09:15-15:30", Span(33_300, 55_800)),
        ("23:58-23:59", Span(86_280, 86_340)),
    ],
)
def test_a_span_is_read_and_written(text: str, span: Span) -> None:
    assert (Span.read(text), str(span)) == (span, text)


@pytest.mark.parametrize(
    "text", ["", "9:15-15:30", "09:15", "09:60-10:00", "24:00-24:00", "09:15-25:00", "10:00-10:00"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"span of time|ends before it begins"):
        Span.read(text)
