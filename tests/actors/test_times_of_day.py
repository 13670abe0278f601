from __future__ import annotations

import pytest

from mdactors.actors.times_of_day import CHECK_SECONDS, TimesOfDay
from mdactors.market.moment import read_moment
from mdactors.runtime import FakeClock, SetClock

HOUR = 3600.0


def at(time: str) -> int:
    return read_moment(f"2026-10-01T{time}")


def test_a_time_of_day_comes_once_a_day() -> None:
    clock = FakeClock(at("15:00"))
    times = TimesOfDay(["16:00"], clock)
    assert times.come() is None
    clock.advance(HOUR)
    assert times.come() == at("16:00")
    assert times.come() is None
    clock.advance(24 * HOUR)
    assert times.come() == read_moment("2026-10-02T16:00")


def test_of_several_the_next_comes_first() -> None:
    clock = FakeClock(at("09:00"))
    times = TimesOfDay(["18:00", "08:00", "12:30"], clock)
    came = []
    for _ in range(24):
        clock.advance(HOUR)
        came.append(times.come())
    assert [each for each in came if each] == [at("12:30"), at("18:00"), read_moment("2026-10-02T08:00")]


def test_whoever_waits_looks_again_in_time_and_never_late() -> None:
    clock = FakeClock(at("15:00"))
    times = TimesOfDay(["16:00"], clock)
    assert times.seconds() == CHECK_SECONDS, "the clock may be set meanwhile"
    clock.advance(HOUR - 90)
    assert times.seconds() == 90
    clock.advance(100)
    assert times.seconds() == 0


@pytest.mark.parametrize("speed", [0.5, 1, 60, 3600])
def test_the_wait_is_real_however_fast_the_clock_goes(speed: float) -> None:
    times = TimesOfDay(["15:01"], SetClock.starting(at("15:00"), speed))
    assert 60 / speed - 1 < times.seconds() <= 60 / speed
