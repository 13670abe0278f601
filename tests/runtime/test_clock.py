from __future__ import annotations

import subprocess
import sys
import threading
import time

import msgspec
import pytest

from mdactors.runtime import MACHINE, FakeClock, HeldClock, SetClock, SystemClock, Timeline, clock_of

DAY_NS = 86_400_000_000_000


@pytest.mark.any_day
def test_the_system_clock_tells_the_machines_time():
    clock = SystemClock()
    said = subprocess.run(["date", "+%s"], capture_output=True, check=True).stdout
    assert abs(clock.time_ns() / 1e9 - int(said)) < 20
    assert abs(clock.monotonic() - time.monotonic()) < 1


def test_a_fake_clock_stands_still_until_it_is_advanced():
    clock = FakeClock(start_ns=1_000)
    assert (clock.monotonic(), clock.time_ns()) == (0.0, 1_000)
    clock.advance(1.5)
    assert (clock.monotonic(), clock.time_ns()) == (1.5, 1_500_001_000)


def test_a_wait_on_a_fake_clock_ends_when_the_clock_reaches_its_end(wait_until):
    clock = FakeClock()
    condition = threading.Condition()
    seen = []

    def wait():
        with condition:
            while clock.monotonic() < 10:
                clock.wait_until(condition, 10)
            seen.append(clock.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    clock.advance(9)
    assert not seen
    clock.advance(1)
    thread.join(5)
    assert seen == [10]


def test_a_wait_on_the_system_clock_ends_in_real_time():
    clock = SystemClock()
    condition = threading.Condition()
    due = clock.monotonic() + 0.02
    with condition:
        clock.wait_until(condition, due)
    assert clock.monotonic() >= due


def test_a_clock_that_was_set_shows_that_time_and_runs_on_with_the_monotonic_seconds():
    clock = SetClock(Timeline(start_ns=5 * DAY_NS, began=MACHINE.monotonic() - 100))
    assert 100 <= (clock.time_ns() - 5 * DAY_NS) / 1e9 < 120


@pytest.mark.parametrize("speed", [0.5, 1, 60])
def test_its_seconds_pass_at_its_speed_while_waits_stay_real(speed):
    clock = SetClock.starting(5 * DAY_NS, speed)
    begun_ns, began = clock.time_ns(), clock.monotonic()
    condition = threading.Condition()
    with condition:
        clock.wait_until(condition, began + 0.05)
    waited, ended_ns = clock.monotonic() - began, clock.time_ns()
    assert waited >= 0.05
    assert (ended_ns - begun_ns) / 1e9 >= 0.999 * waited * speed
    assert waited < 5, "in real seconds"


@pytest.mark.parametrize("speed", [0.5, 1, 60])
def test_seconds_until_a_time_of_day_are_real(speed):
    clock = SetClock.starting(5 * DAY_NS, speed)
    assert 3600 / speed - 1 < clock.seconds_until(5 * DAY_NS + 3600 * 10**9) <= 3600 / speed
    assert clock.seconds_until(5 * DAY_NS - 10**9) < 0


def test_it_shows_the_same_in_whatever_process_is_told_of_it():
    clock = SetClock.starting(5 * DAY_NS, 60)
    told = msgspec.msgpack.encode(clock.timeline())
    code = (
        "import sys, msgspec; from mdactors.runtime import Timeline, clock_of; "
        "clock = clock_of(msgspec.msgpack.decode(bytes.fromhex(sys.argv[1]), type=Timeline)); "
        "print(clock.time_ns())"
    )
    before = clock.time_ns()
    run = subprocess.run([sys.executable, "-c", code, told.hex()], capture_output=True, text=True, check=True)
    assert before < int(run.stdout) < clock.time_ns()


def test_the_machines_clock_is_the_machines_in_another_process_as_well():
    assert SystemClock().timeline() is None
    assert clock_of(None) is MACHINE


def test_a_fake_clock_runs_on_in_another_process():
    clock = FakeClock(start_ns=5 * DAY_NS)
    clock.advance(7)
    assert 7 <= (clock_of(clock.timeline()).time_ns() - 5 * DAY_NS) / 1e9 < 27


@pytest.fixture
def held(tmp_path):
    """A clock that is held, and the file that says when it was let go."""
    path = tmp_path / "clock"
    path.touch()
    return HeldClock(5 * DAY_NS, 60.0, str(path)), path


def test_a_held_clock_shows_its_start_until_it_is_let_go(held):
    clock, _ = held
    time.sleep(0.01)
    assert clock.time_ns() == 5 * DAY_NS
    clock.let_go()
    before = clock.monotonic()
    assert 0 <= clock.time_ns() - 5 * DAY_NS < 60 * 10**9
    assert clock.timeline() == SetClock(clock.timeline()).timeline()
    assert clock.timeline().began <= before


def test_every_process_that_has_a_held_clock_shows_the_same_time(held):
    clock, _ = held
    before, here = clock_of(clock.timeline()), clock_of(clock.timeline())
    assert before.time_ns() == here.time_ns() == 5 * DAY_NS
    clock.let_go()
    later = clock_of(clock.timeline())
    shown = clock.time_ns()
    assert shown <= before.time_ns() <= here.time_ns() <= later.time_ns()
    assert before.timeline() == later.timeline() == clock.timeline()


def test_a_clock_is_let_go_once(held):
    clock, path = held
    clock.let_go()
    began = clock.timeline().began
    clock.let_go()
    assert clock.timeline().began == began == float(path.read_text())


def test_a_clock_whose_holder_has_gone_stands(held):
    clock, path = held
    other = clock_of(clock.timeline())
    path.unlink()
    assert other.time_ns() == 5 * DAY_NS
