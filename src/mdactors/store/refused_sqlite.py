"""The table refused_ticks in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store.refusal import Table, insert_taken
from mdactors.store.refused import Reason, RefusedTick, RefusedTicks, packed, unpacked
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import NS_PER_MS

_PUT = "INSERT INTO refused_ticks VALUES (?, ?, ?, ?, ?, ?)"
_REASONS = (
    "SELECT reason, count(*), min(at), max(at) FROM refused_ticks GROUP BY reason ORDER BY min(at), reason"
)
_PAGE = "SELECT rowid, tick FROM refused_ticks WHERE rowid > ? ORDER BY rowid LIMIT ?"
_TAKE = "DELETE FROM refused_ticks WHERE rowid = ?"


class SqliteRefused(RefusedTicks):
    """What is set aside in a database that others close; ``table`` inserts ticks into it."""

    def __init__(self, database: SqliteDatabase, table: Callable[[sqlite3.Connection], Table[Tick]]) -> None:
        self._database = database
        self._table = table

    def reasons(self) -> list[Reason]:
        """Every reason with its ticks, by the receipt of the first."""
        with self._database.reading() as connection:
            return [Reason(*row) for row in connection.execute(_REASONS)]

    def page(self, limit: int, after: str = "") -> list[RefusedTick]:
        """The first so many, or those after a ``place``."""
        with self._database.reading() as connection:
            rows = connection.execute(_PAGE, (int(after or 0), limit)).fetchall()
        return [RefusedTick(str(place), unpacked(tick)) for place, tick in rows]

    def retry(self, page: Sequence[RefusedTick]) -> int:
        """Store these again: in one transaction those that are taken now move, all others stay."""
        ticks = [each.tick for each in page if each.tick is not None]
        with self._database.transaction() as connection:
            refused = set(map(id, insert_taken(ticks, self._table(connection))))
            taken = [each.place for each in page if each.tick is not None and id(each.tick) not in refused]
            deleted = connection.executemany(_TAKE, [(int(place),) for place in taken]).rowcount
            if taken and deleted != len(taken):
                raise StoreError(f"{self._database.path}: refused ticks have changed meanwhile: try again")
        return len(taken)


def put(connection: sqlite3.Connection, refused: Sequence[tuple[Tick, str]], upto: Position) -> None:
    """Set ticks aside in the transaction that stores the others."""
    place = (upto.journal, upto.segment, upto.offset)
    connection.executemany(
        _PUT, [(*place, why, tick.received_ns // NS_PER_MS, packed(tick)) for tick, why in refused]
    )
