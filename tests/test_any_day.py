"""The means to run tests as if it were another day."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import any_day
from bench._servers import redis
from bench._wall_clock import At, ClockFixedError, movable_clock
from redis import Redis

MOMENT = dt.datetime(2027, 1, 26, 10, 0, tzinfo=dt.UTC)
CODE = """
import subprocess, threading, time
began = time.monotonic()
threading.Event().wait(0.2)
time.sleep(0.1)
print(time.monotonic() - began)
print(time.time(), flush=True)
subprocess.run(["date", "+%s"])
"""
SUITE = """
import datetime, os

def test_it_is_the_day():
    assert datetime.datetime.now().isoformat()[:13] == "2027-01-26T10"
    assert os.environ["TZ"] == "Asia/Kolkata"

def test_it_is_another_day():
    assert datetime.date.today().year == 2030
"""


@pytest.fixture
def at() -> Iterator[At]:
    try:
        with movable_clock() as made:
            yield made
    except ClockFixedError as error:
        pytest.skip(str(error))


def test_a_command_and_what_it_starts_have_another_time_and_true_waits(at: At) -> None:
    run = subprocess.run([sys.executable, "-c", CODE], env=at(MOMENT), capture_output=True, text=True)
    waited, *times = map(float, run.stdout.split())
    assert 0.3 <= waited < 20
    assert all(0 <= time - MOMENT.timestamp() + 1 < 60 for time in times)
    assert len(times) == 2


def test_a_server_keeps_the_machines_time(at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in at(MOMENT).items():
        monkeypatch.setenv(name, value)
    with redis(tmp_path) as server, Redis(port=server.port) as asking:
        seconds, _ = asking.time()
    (tmp_path / "now").touch()  # by the kernel
    assert abs(seconds - (tmp_path / "now").stat().st_mtime) < 60


def test_the_tests_are_counted_and_one_that_fails_fails_it(
    at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_day.py").write_text(SUITE)
    monkeypatch.setattr(any_day, "MOMENTS", [("2027-01-26 10:00:00", "Asia/Kolkata")])
    monkeypatch.setattr(sys, "argv", ["any_day", str(tmp_path)])
    assert any_day.main() == 1
    said = capfd.readouterr().out
    assert "2027-01-26 10:00:00 Asia/Kolkata: 1 passed, 1 failed, 0 skipped, " in said


def test_where_the_clock_cannot_be_moved_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert any_day.main() == 0
    assert "any-day is skipped: no C compiler on PATH" in capsys.readouterr().err
