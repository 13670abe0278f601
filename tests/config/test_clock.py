"""Clocks as they are written on the command line."""

from __future__ import annotations

import re

import pytest

from mdactors.config.clock import read_clock, write_clock
from mdactors.market import ist
from mdactors.market.moment import read_moment
from mdactors.runtime import MACHINE, HeldClock, SetClock, Timeline

START_NS = read_moment("2026-10-01T09:10+05:30")


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T09:10",
        "2026-10-01 09:10:00",
        "2026-10-01T09:10:00+05:30",
        "2026-10-01T03:40Z",
        "1790826000000",
    ],
)
def test_the_start_is_shown_now_and_is_indias_time_unless_it_says_another(text: str) -> None:
    timeline = read_clock(text).timeline()
    assert (timeline.start_ns, timeline.speed) == (START_NS, 1.0)
    assert 0 <= MACHINE.monotonic() - timeline.began < 20


def test_a_date_alone_begins_at_indias_midnight() -> None:
    assert (
        ist.iso(read_clock("2026-10-01").timeline().start_ns // 1_000_000) == "2026-10-01T00:00:00.000+05:30"
    )


@pytest.mark.parametrize(("text", "speed"), [("60", 60.0), ("0.5", 0.5), ("1", 1.0), ("86400", 86_400.0)])
def test_behind_it_stands_the_speed(text: str, speed: float) -> None:
    assert read_clock(f"2026-10-01T09:10@{text}").speed == speed


@pytest.mark.parametrize(
    "timeline",
    [
        Timeline(START_NS, 123.456789012, 60.0),
        Timeline(START_NS + 250_000, 1e6 / 3, 0.1),
        Timeline(1000, 0.0),
    ],
)
def test_as_it_is_written_it_is_the_same_clock_in_another_process(timeline: Timeline) -> None:
    assert read_clock(write_clock(timeline)).timeline() == timeline


def test_what_was_started_now_can_be_written_too() -> None:
    clock = read_clock("2027-01-26T10:00@60")
    again = read_clock(write_clock(clock.timeline()))
    assert isinstance(again, SetClock)
    before = clock.time_ns()
    assert before <= again.time_ns() <= clock.time_ns()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no time: write"),
        ("tomorrow", "'tomorrow' is no time: write 2026-11-20"),
        ("@60", "'' is no time"),
        ("2026-13-01T09:10", "'2026-13-01T09:10' is no time"),
        ("1969-12-31", "'1969-12-31' is too far away: write a time between 1970 and 2116"),
        ("2300-01-01", "'2300-01-01' is too far away"),
        ("2026-10-01@", "'' is no speed: write a number above 0, at most 86400"),
        ("2026-10-01@fast", "'fast' is no speed"),
        ("2026-10-01@0", "'0' is no speed"),
        ("2026-10-01@-1", "'-1' is no speed"),
        ("2026-10-01@nan", "'nan' is no speed"),
        ("2026-10-01@inf", "'inf' is no speed"),
        ("2026-10-01@86401", "'86401' is no speed"),
        ("2026-10-01@1@soon", "'soon' is no second of the machine's monotonic clock"),
        ("2026-10-01@1@inf", "'inf' is no second"),
        ("2026-10-01@1@2@3", "'2026-10-01@1@2@3' is no clock: write START, START@SPEED or START@SPEED@SINCE"),
    ],
)
def test_what_is_none_is_told_what_is_understood(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_clock(text)


def test_a_held_clock_is_written_by_the_file_that_holds_it(tmp_path) -> None:
    path = tmp_path / "held@home.clock"
    path.touch()
    clock = HeldClock(START_NS, 60.0, str(path))
    words = write_clock(clock.timeline())
    assert words == f"2026-10-01T09:10:00+05:30@60.0@{path}"
    other = read_clock(words)
    assert other.time_ns() == START_NS
    clock.let_go()
    assert other.timeline() == clock.timeline() == read_clock(write_clock(clock.timeline())).timeline()
    path.unlink()
    with pytest.raises(ValueError, match="is not there: who held the clock has ended"):
        read_clock(words)
