"""Somebody works on the database: an alarm, and not one tick less, or one that nobody hears of."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time

import psycopg
import pytest
from bench._judge import Run, judge
from bench._market import market, wait_for
from bench._program import DATA, program, wall_ms
from bench._shelf import PostgresShelf, SqliteShelf

pytestmark = pytest.mark.any_day

TICKS_PER_SECOND = 2_000
FAULT_SECONDS = 1.0
INSTRUMENTS = 300
DETACHED = """
SELECT relname, pg_get_expr(relpartbound, pg_class.oid)
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'ticks'::regclass"""


def detach(database):
    """Detach every partition; the statements that undo it."""
    found = database.execute(DETACHED).fetchall()
    with database.transaction():
        for name, _ in found:
            database.execute(f"ALTER TABLE ticks DETACH PARTITION {name}")
    return [f"ALTER TABLE ticks ATTACH PARTITION {name} {bound}" for name, bound in found]


def want_filled(database):
    """Add a column that must be filled; the statements that undo it."""
    database.execute("ALTER TABLE ticks ADD COLUMN desk text DEFAULT ''")
    database.execute("ALTER TABLE ticks ALTER COLUMN desk SET NOT NULL, ALTER COLUMN desk DROP DEFAULT")
    return ["ALTER TABLE ticks DROP COLUMN desk"]


def wait_for_all(source, daemon, before=0):
    """Wait until the journal has all updates that were sent since the first ``before``."""

    def come():
        source.sent.read()
        return daemon.counters("journal_writer")["appended"] == source.sent.updates() - before

    wait_for(come, "all that was sent is in the journal")


@pytest.mark.parametrize(("fault", "carrier"), [(detach, "process"), (want_filled, "thread")])
def test_a_table_at_fault_costs_no_tick(tmp_path, postgres, fault, carrier):
    shelf = PostgresShelf(postgres.dsn)
    with market(tmp_path, TICKS_PER_SECOND, INSTRUMENTS) as source:
        sections = {"store": {**shelf.settings, "batch_age": "200ms", "carrier": carrier}}
        with program(tmp_path, source.configuration(tmp_path, **sections)) as daemon:
            daemon.wait_until_up()
            wait_for(shelf.count, "ticks are stored")
            with psycopg.connect(postgres.dsn, autocommit=True) as database:
                undo = fault(database)
                wait_for(lambda: "a table refuses good rows" in daemon.alarms().get("store", ""), "the alarm")
                time.sleep(FAULT_SECONDS)
                with (
                    database.transaction()
                ):  # or rows for one partition come into another that is there first
                    for statement in undo:
                        database.execute(statement)
                wait_for(lambda: "store" not in daemon.alarms(), "the alarm goes away")
            source.silence()
            wait_for_all(source, daemon)
            daemon.stop()
            run = Run(daemon.started_ms, wall_ms(), clean=True)
    source.sent.read()
    assert judge(source.sent, [run], shelf.rows()).findings == []
    assert shelf.complaints() == 0


def test_after_a_careless_restore_what_is_missing_is_said_by_alarm_log_and_command(tmp_path):
    shelf = SqliteShelf(tmp_path)
    configuration = tmp_path / "config.json"
    with market(tmp_path, TICKS_PER_SECOND, INSTRUMENTS) as source:
        sections = {"store": {**shelf.settings, "batch_age": "200ms"}, "journal": {"segment_bytes": 1 << 18}}
        said = source.configuration(tmp_path, **sections)
        configuration.write_text(json.dumps(said))
        with program(tmp_path, said) as daemon:
            daemon.wait_until_up()
            wait_for(lambda: shelf.count() > 2 * TICKS_PER_SECOND, "ticks are stored")
            source.silence()
            wait_for_all(source, daemon)
            daemon.stop()
        stored = shelf.count()
        sent = source.sent.updates()
        source.speak()
        for file in (tmp_path / DATA).glob("ticks.db*"):
            file.unlink()
        with program(tmp_path, said) as daemon:
            daemon.wait_until_up()
            wait_for(lambda: "store-missing" in daemon.alarms(), "the alarm")
            text = daemon.alarms()["store-missing"]
            wait_for(lambda: daemon.counters("journal_writer")["appended"] >= INSTRUMENTS, "the snapshots")
            source.silence()
            wait_for_all(source, daemon, sent)
            daemon.stop()
    missing = int("".join(itertools.takewhile(str.isdigit, text)))
    assert (
        f"alarm store-missing: {missing} ticks of the journal are not known to be stored"
        in daemon.log.read_text()
    )
    command = [sys.executable, "-m", "mdactors", "missing", "list", "--config", str(configuration)]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert listed.returncode == 1
    assert listed.stdout.startswith(f"{missing:,} ticks of journal ")
    source.sent.read()
    assert 0 < missing <= stored
    assert shelf.count() + missing == source.sent.updates()
