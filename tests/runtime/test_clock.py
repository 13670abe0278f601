from __future__ import annotations

import threading
import time

from mdactors.runtime import FakeClock, SystemClock


def test_the_system_clock_tells_the_machines_time():
    clock = SystemClock()
    assert abs(clock.time_ns() - time.time_ns()) < 1_000_000_000
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
