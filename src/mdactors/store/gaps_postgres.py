"""The table journal_gaps in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from mdactors.store.gaps import Gap, Gaps
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_connection import Connection

_ALL = "SELECT * FROM journal_gaps ORDER BY received_before, received_after"
# The newest tick that is stored by then came before the gap.
_PUT = """
INSERT INTO journal_gaps VALUES (%(journal)s, %(ticks)s, coalesce(
    to_timestamp(%(after)s / 1000.0),
    (SELECT max(received_at) FROM ticks WHERE received_at < to_timestamp(%(before)s / 1000.0))
), to_timestamp(%(before)s / 1000.0))"""


class PostgresGaps(Gaps):
    """The gaps in a database that others close."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def all(self) -> list[Gap]:
        """Every gap, by time."""
        with self._database.reading() as connection:
            return [Gap(*row) for row in connection.execute(_ALL, binary=True)]

    def forget(self) -> int:
        """Forget all of them; how many there were."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM journal_gaps").rowcount


def put(connection: Connection, gaps: Sequence[Gap]) -> None:
    """Note gaps in the transaction that stores what comes behind them."""
    for gap in gaps:
        said = {"journal": gap.journal, "ticks": gap.ticks, "after": gap.after_ms, "before": gap.before_ms}
        connection.execute(_PUT, said)
