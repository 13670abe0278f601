"""The table journal_gaps in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mdactors.store.gaps import Gap, Gaps
from mdactors.store.sqlite import SqliteDatabase

_ALL = "SELECT * FROM journal_gaps ORDER BY received_before, received_after"
# The newest tick that is stored by then came before the gap.
_PUT = """
INSERT INTO journal_gaps VALUES (
    ?1, ?2, coalesce(?3, (SELECT max(received_at) FROM ticks WHERE received_at < ?4)), ?4
)"""


class SqliteGaps(Gaps):
    """The gaps in a database that others close."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def all(self) -> list[Gap]:
        """Every gap, by time."""
        with self._database.reading() as connection:
            return [Gap(*row) for row in connection.execute(_ALL)]

    def forget(self) -> int:
        """Forget all of them; how many there were."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM journal_gaps").rowcount


def put(connection: sqlite3.Connection, gaps: Sequence[Gap]) -> None:
    """Note gaps in the transaction that stores what comes behind them."""
    connection.executemany(_PUT, [(gap.journal, gap.ticks, gap.after_ms, gap.before_ms) for gap in gaps])
