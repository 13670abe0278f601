"""The disk under the journal is full for a while: who notices, and what is said of the ticks lost."""

from __future__ import annotations

import resource
import time

import pytest
from bench._crowd import crowd
from bench._disk import SmallDisk, namespaces_are_allowed
from bench._judge import Run, judge
from bench._market import market, wait_for
from bench._program import DATA, program, wall_ms
from bench._shelf import PostgresShelf, SqliteShelf

TICKS_PER_SECOND = 2_000
INSTRUMENTS = 300
FULL_SECONDS = 1.5


class FileLimit:
    """Where namespaces are not allowed: no file of the daemon may grow any more."""

    before = ()

    def fill(self, pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def empty(self, pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(params=["small disk", "file limit"])
def disk_and_shelf(request, tmp_path):
    journal = tmp_path / DATA / "journal"
    journal.mkdir(parents=True)
    if request.param == "file limit":
        # Else the limit would hit SQLite's file as well.
        return FileLimit(), PostgresShelf(request.getfixturevalue("postgres").dsn)
    if not namespaces_are_allowed(journal):
        pytest.skip("this machine allows no user namespaces")
    return SmallDisk(journal), SqliteShelf(tmp_path)


def test_a_full_disk_is_an_alarm_and_what_was_dropped_is_told_exactly(tmp_path, disk_and_shelf):
    disk, shelf = disk_and_shelf
    with market(tmp_path, TICKS_PER_SECOND, INSTRUMENTS) as source:
        sections = {"store": {**shelf.settings, "batch_age": "200ms"}, "journal": {"segment_bytes": 1 << 18}}
        configuration = source.configuration(tmp_path, **sections)
        with program(tmp_path, configuration, before=disk.before) as daemon:
            daemon.wait_until_up()
            wait_for(source.newest, "ticks flow")
            wait_for(shelf.count, "ticks are stored")
            with crowd(daemon.port, source.symbols) as clients:
                # What is stored meanwhile gives space back, which must be filled as well.
                fill_until(disk, daemon, lambda: "journal" in daemon.alarms())
                ends = time.monotonic() + FULL_SECONDS
                fill_until(disk, daemon, lambda: time.monotonic() > ends)
                assert "ticks are not being stored" in daemon.alarms()["journal"]
                stored = shelf.count()
                disk.empty(daemon.pid)
                wait_for(lambda: "journal" not in daemon.alarms(), "the alarm goes away")
                wait_for(lambda: shelf.count() > stored, "ticks are stored again")
                noticed = clients.leave()
            source.silence()
            wait_for(lambda: everything_has_come(source, daemon), "all that was sent is written or dropped")
            told = daemon.counters("journal_writer")
            daemon.stop()
            run = Run(daemon.started_ms, wall_ms(), clean=True)
    source.sent.read()
    verdict = judge(source.sent, [run], shelf.rows())
    assert told["dropped"] > TICKS_PER_SECOND * FULL_SECONDS / 2
    # Owed is what is missing of an instrument of which nothing came any more once there was space.
    assert verdict.gaps + verdict.owed == told["dropped"], verdict
    assert sum(part["count"] for part in told["dropped_ranges"]) == told["dropped"]
    assert (verdict.doubles, verdict.strangers) == (0, 0), verdict
    assert (noticed["disconnected"], noticed["missing"]) == (0, 0)
    assert noticed["longest_silence_s"] < 1.0


def everything_has_come(source, daemon):
    source.sent.read()
    told = daemon.counters("journal_writer")
    return told["appended"] + told["dropped"] == source.sent.updates()


def fill_until(disk, daemon, condition):
    def filled():
        disk.fill(daemon.pid)
        return condition()

    wait_for(filled, "the condition on a full disk")
