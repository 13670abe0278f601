"""TimescaleDB, where a PostgreSQL has it: is it there, and how do its background jobs fare."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import psycopg

from mdactors.market import ist

_Connection = psycopg.Connection[Any]
Begin: TypeAlias = Callable[[], AbstractContextManager[_Connection]]
"""Begins a transaction."""
_AVAILABLE = "SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'timescaledb'"
_FAILED = """
SELECT job_id, proc_name, stats.last_run_started_at, stats.total_failures, stats.total_runs
FROM timescaledb_information.job_stats stats JOIN timescaledb_information.jobs USING (job_id)
WHERE stats.last_run_status = 'Failed'
    AND stats.hypertable_schema IN (current_schema(), '_timescaledb_internal')
ORDER BY job_id"""

_logger = logging.getLogger(__name__)


def install(begin: Begin) -> bool:
    """Whether this database has all of TimescaleDB; it is installed where the server offers it.

    An offer that cannot be taken up is one WARNING line, and our schema does without.
    """
    with begin() as connection:
        offered = connection.execute(_AVAILABLE).fetchone()
    if offered is None:
        return False
    (installed,) = offered
    return (installed or _create(begin)) and _complete(begin)


def _create(begin: Begin) -> bool:
    # A server that has not preloaded the library ends the connection.
    try:
        with begin() as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
    except psycopg.Error as error:
        reason = str(error).partition("\n")[0]
        _logger.warning(
            "TimescaleDB is there but cannot be installed, ticks go to plain partitions for good: %s",
            reason,
        )
        return False
    return True


def _complete(begin: Begin) -> bool:
    """Whether it is the edition with columnstore and continuous aggregates."""
    with begin() as connection:
        row = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    if row == ("timescale",):
        return True
    _logger.warning("TimescaleDB's licence setting is not 'timescale': ticks go to plain partitions for good")
    return False


def add_to_path(connection: _Connection) -> None:
    """Let the statements of this transaction call TimescaleDB's functions by their bare names."""
    connection.execute(
        "SELECT set_config('search_path', format('%I, %I, pg_temp', current_schema(), nspname), true) "
        "FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
        "WHERE extname = 'timescaledb'"
    )


def failed_jobs(connection: _Connection) -> list[str]:
    """The background jobs whose last run failed, one line each for a person.

    The connection is one of `store.postgres`, which reads times as epoch milliseconds.
    """
    return [
        f"TimescaleDB's job {job} ({name}) failed at its last run, {_moment(started)}; "
        f"{failures} of {runs} runs failed: see timescaledb_information.job_errors, or CALL run_job({job})"
        for job, name, started, failures, runs in connection.execute(_FAILED, binary=True)
    ]


def _moment(ms: int | None) -> str:
    return "time unknown" if ms is None else ist.iso(ms)
