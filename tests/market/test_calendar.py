"""Sessions by a timetable: phases, dates, holidays."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market import ist
from mdactors.market.calendar import (
    ALWAYS,
    CASH,
    ORDINARY,
    Calendar,
    Holiday,
    Hours,
    Phase,
    Session,
    Span,
    Timetable,
    TradingClass,
)

HOURS = Hours(Span.read("09:15-15:30"), Span.read("09:00-09:15"), Span.read("15:40-16:00"))
LONGER = Hours(Span.read("09:15-15:40"))
EVENING = Hours(Span.read("18:00-19:00"))
TIMETABLE = Timetable(
    segments={"NSE_EQ": CASH, "NSE_FO": "derivatives"},
    hours={
        CASH: [(ALWAYS, HOURS)],
        "derivatives": [(dt.date(2010, 1, 1), HOURS), (dt.date(2026, 8, 3), LONGER)],
    },
    holidays={
        dt.date(2026, 9, 14): Holiday("a holiday", frozenset({CASH, "derivatives"})),
        dt.date(2026, 9, 16): Holiday("a holiday of one", frozenset({"derivatives"})),
        dt.date(2026, 11, 8): Holiday("a Sunday evening", special={CASH: EVENING}),
    },
)
CALENDAR = Calendar(TIMETABLE)
SEGMENTS = ("NSE_EQ", "NSE_FO", "GLOBAL_INDEX")


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ist.IST).timestamp()) * ist.SECOND_NS


@pytest.mark.parametrize(
    ("time", "phase"),
    [
        ("08:59:59", "closed"),
        ("09:00:00", "pre_open"),
        ("09:14:59", "pre_open"),
        ("09:15:00", "open"),
        ("15:29:59", "open"),
        ("15:30:00", "closed"),
        ("15:40:00", "post_close"),
        ("16:00:00", "closed"),
    ],
)
def test_a_day_has_phases_and_a_feed_is_expected_in_the_first_two(time: str, phase: Phase) -> None:
    assert CALENDAR.phase("NSE_EQ", at(f"2026-09-29T{time}")) == phase
    assert CALENDAR.is_open("NSE_EQ", at(f"2026-09-29T{time}")) is (phase in ("pre_open", "open"))


AUCTIONED = TradingClass("NSE_EQ", has_derivatives=True)
DAY = Hours(
    Span.read("09:15-15:30"),
    Span.read("09:00-09:15"),
    orders=Span.read("09:00-09:08"),
    auction=Span.read("15:15-15:30"),
)


@pytest.mark.parametrize(
    ("time", "share", "auctioned"),
    [
        ("08:59:59", False, False),
        ("09:00:00", True, True),
        ("09:07:59", True, True),
        ("09:08:00", False, False),
        ("09:14:59", False, False),
        ("09:15:00", True, True),
        ("15:14:59", True, True),
        ("15:15:00", True, False),
        ("15:29:59", True, False),
        ("15:30:00", False, False),
    ],
)
def test_prices_move_in_the_session_and_while_orders_come_in(time: str, share: bool, auctioned: bool) -> None:
    calendar = Calendar(Timetable(segments={}, hours={CASH: [(ALWAYS, DAY)]}))
    now = at(f"2026-09-29T{time}")
    assert calendar.moves(TradingClass("NSE_EQ"), now) is share
    assert calendar.moves(AUCTIONED, now) is auctioned


def test_a_pre_open_session_of_which_no_more_is_known_moves_nothing() -> None:
    assert not CALENDAR.moves(TradingClass("NSE_EQ"), at("2026-09-29T09:05:00"))
    assert not CALENDAR.moves(TradingClass("NSE_EQ"), at("2026-09-14T10:00:00")), "a holiday"
    assert CALENDAR.moves(TradingClass("NSE_EQ"), at("2026-11-08T18:30:00"))
    assert Calendar(TIMETABLE, always_open=True).moves(AUCTIONED, at("2026-09-13T03:00:00"))


@pytest.mark.parametrize("time", ["00:00:00", "12:00:00", "23:59:59"])
def test_any_time_of_a_date_leads_to_its_session(time: str) -> None:
    session = CALENDAR.session("NSE_EQ", at(f"2026-09-29T{time}"))
    assert session == Session(at("2026-09-29T09:15:00"), at("2026-09-29T15:30:00"))


def test_hours_are_valid_from_their_date_on() -> None:
    ends = [at("2026-07-31T15:30:00"), at("2026-08-03T15:40:00")]
    for end in ends:
        session = CALENDAR.session("NSE_FO", end)
        assert session is not None
        assert session.close_ns == end
    assert CALENDAR.session("NSE_FO", at("2009-12-31T12:00:00")) is None


def test_a_holiday_closes_the_groups_that_it_names() -> None:
    assert CALENDAR.session("NSE_EQ", at("2026-09-14T12:00:00")) is None
    assert CALENDAR.session("NSE_FO", at("2026-09-16T12:00:00")) is None
    assert CALENDAR.session("NSE_EQ", at("2026-09-16T12:00:00")) is not None


def test_a_special_session_opens_a_weekend_for_the_groups_that_it_names() -> None:
    evening = Session(at("2026-11-08T18:00:00"), at("2026-11-08T19:00:00"))
    assert CALENDAR.session("NSE_EQ", at("2026-11-08T09:00:00")) == evening
    assert not CALENDAR.is_open("NSE_EQ", at("2026-11-08T10:00:00"))
    assert CALENDAR.is_open("NSE_EQ", at("2026-11-08T18:30:00"))
    assert CALENDAR.session("NSE_FO", at("2026-11-08T18:30:00")) is None
    assert CALENDAR.is_trading_day(dt.date(2026, 11, 8))
    assert not CALENDAR.is_trading_day(dt.date(2026, 11, 1))


def test_a_segment_that_no_group_names_keeps_the_hours_of_cash() -> None:
    noon = at("2026-09-29T12:00:00")
    assert CALENDAR.session("GLOBAL_INDEX", noon) == CALENDAR.session("NSE_EQ", noon)
    assert CALENDAR.session("GLOBAL_INDEX", at("2026-09-14T12:00:00")) is None


@given(st.integers(-(10**20), 10**20), st.sampled_from(SEGMENTS))
def test_whatever_the_time_a_session_is_of_its_date_and_open_within(at_ns: int, segment: str) -> None:
    """Also where a broker's nonsense leads beyond all calendars."""
    session = CALENDAR.session(segment, at_ns)
    if session is None:
        assert CALENDAR.phase(segment, at_ns) == "closed"
    else:
        assert ist.day_number(session.open_ns) == ist.day_number(at_ns)
        assert ist.day_number(session.close_ns - 1) == ist.day_number(at_ns)
        within = session.open_ns <= at_ns < session.close_ns
        assert (CALENDAR.phase(segment, at_ns) == "open") is within


def test_always_open_makes_every_session_the_whole_day_of_every_day() -> None:
    calendar = Calendar(TIMETABLE, always_open=True)
    for day in ("2026-09-14", "2026-10-04", "2026-09-29"):
        session = calendar.session("NSE_EQ", at(f"{day}T15:00:00"))
        assert session is not None
        assert session.open_ns == at(f"{day}T00:00:00")
        assert session.close_ns - session.open_ns == 86_400 * ist.SECOND_NS
        assert calendar.is_trading_day(dt.date.fromisoformat(day))
        assert calendar.is_open("NSE_FO", session.close_ns - 1)


def test_without_a_timetable_it_knows_the_ordinary_week() -> None:
    assert Calendar().session("NSE_EQ", at("2026-10-02T12:00:00")) is not None
    assert set(ORDINARY.segments.values()) <= ORDINARY.hours.keys()


def test_days_kept_for_reuse_are_bounded() -> None:
    calendar = Calendar(TIMETABLE)
    for day in range(10_000):
        calendar.session("NSE_EQ", day * 86_400 * ist.SECOND_NS)
    assert len(calendar._days) <= 4096


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:00-24:00", Span(0, 86_400)),
        ("09:15-15:30", Span(33_300, 55_800)),
        ("23:58-23:59", Span(86_280, 86_340)),
    ],
)
def test_a_span_is_read(text: str, span: Span) -> None:
    assert Span.read(text) == span


@pytest.mark.parametrize(
    "text", ["", "9:15-15:30", "09:15", "09:60-10:00", "24:00-24:00", "09:15-25:00", "10:00-10:00"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"span of time|ends before it begins"):
        Span.read(text)
