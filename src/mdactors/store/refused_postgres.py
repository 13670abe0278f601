"""The table refused_ticks in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mdactors.errors import StoreError
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_connection import Connection
from mdactors.store.refusal import Table, insert_taken
from mdactors.store.refused import Reason, RefusedTick, RefusedTicks, packed, unpacked
from mdactors.store.ticks import NS_PER_MS

LAST_MS = 253_402_300_799_999
"""The end of the year 9999: a time beyond what PostgreSQL knows may be why a tick is refused."""
_PUT = "INSERT INTO refused_ticks VALUES (%s, %s, %s, %s, to_timestamp(%s / 1000.0), %s)"
_REASONS = (
    "SELECT reason, count(*), min(at), max(at) FROM refused_ticks GROUP BY reason ORDER BY min(at), reason"
)
_PAGE = "SELECT ctid::text, tick FROM refused_ticks WHERE ctid > %s::tid ORDER BY ctid LIMIT %s"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('mdactors refused'), hashtext(current_schema()))"
_FIRST = "(0,0)"  # before all: a row's number begins at 1
_TAKE = "DELETE FROM refused_ticks WHERE ctid = ANY (%s::tid[])"


class PostgresRefused(RefusedTicks):
    """What is set aside in a database that others close; ``table`` inserts ticks into it."""

    def __init__(self, database: PostgresDatabase, table: Callable[[Connection], Table[Tick]]) -> None:
        self._database = database
        self._table = table

    def reasons(self) -> list[Reason]:
        """Every reason with its ticks, by the receipt of the first."""
        with self._database.reading() as connection:
            rows = connection.execute(_REASONS, binary=True).fetchall()
        return [Reason(*row) for row in rows]

    def page(self, limit: int, after: str = "") -> list[RefusedTick]:
        """The first so many, or those after a ``place``."""
        with self._database.reading() as connection:
            rows = connection.execute(_PAGE, (after or _FIRST, limit)).fetchall()
        return [RefusedTick(place, unpacked(tick)) for place, tick in rows]

    def retry(self, page: Sequence[RefusedTick]) -> int:
        """Store these again: in one transaction those that are taken now move, all others stay."""
        ticks = [each.tick for each in page if each.tick is not None]
        with self._database.transaction() as connection:
            connection.execute(_ONE_AT_A_TIME)
            refused = set(map(id, insert_taken(ticks, self._table(connection))))
            taken = [each.place for each in page if each.tick is not None and id(each.tick) not in refused]
            if connection.execute(_TAKE, (taken,)).rowcount != len(taken):
                raise StoreError(f"{self._database.where}: refused ticks have changed meanwhile: try again")
        return len(taken)


def put(connection: Connection, refused: Sequence[tuple[Tick, str]], upto: Position) -> None:
    """Set ticks aside in the transaction that stores the others."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _PUT,
            [
                (upto.journal, upto.segment, upto.offset, reason.replace("\0", "\\0"),
                 min(tick.received_ns // NS_PER_MS, LAST_MS), packed(tick))
                for tick, reason in refused
            ],
        )  # fmt: skip
