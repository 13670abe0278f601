"""The roles of least privilege, as docs/postgres.md has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from bench._servers import Postgres

from mdactors.adapter import Secret
from mdactors.config import StoreSettings
from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument, InstrumentRow
from mdactors.market.position import BarPosition, Position
from mdactors.market.quote import Quote
from mdactors.market.sectors import Sector
from mdactors.market.tick import Tick
from mdactors.store import instruments_postgres
from mdactors.store.bars_postgres import PostgresBars
from mdactors.store.gaps import Gap
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.ticks_postgres import PostgresTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
ROW = InstrumentRow(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", sector="ENERGY")
NOON_NS = 1_790_663_400_000_000_000


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote("R", "full", 1421.05, raw=b"raw"), "kite", 7, seq, NOON_NS)


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "postgres.md"


def answers(database: PostgresDatabase) -> bool:
    with database.reading() as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def refused(database: PostgresDatabase) -> str:
    with pytest.raises(StoreError) as caught:
        answers(database)
    return str(caught.value)


@pytest.fixture
def shared_database(postgres_server: Postgres) -> Iterator[str]:
    """The DSN of a database that others use, too, with our schema in public and the documented roles."""
    dsn = postgres_server.dsn.removesuffix("/postgres") + "/roles"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE roles")
    owner = PostgresDatabase(Secret(dsn))
    assert answers(owner)
    owner.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE salaries AS SELECT 1 AS x")
        for block in re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
            if "CREATE ROLE" in block:
                connection.execute(block)
    yield dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP OWNED BY mdactors_writer, mdactors_reader")
        connection.execute("DROP ROLE mdactors_writer, mdactors_reader")
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE roles WITH (FORCE)")


def test_the_writer_can_do_all_that_the_daemon_does_and_nothing_else(shared_database: str):
    database = PostgresDatabase(Secret(shared_database), username="mdactors_writer")
    store = PostgresTicks(database, retention_days=3)
    bars = PostgresBars(database, ["1m"])
    assert store.maintain(NOON_NS) == []
    first = Position("j", 1, 10, 1)
    poisoned = Tick(RELIANCE, Quote("R", "full", float("nan")), "kite", 7, 2, NOON_NS)
    assert store.write([tick(1), poisoned], None, first) == 1
    assert store.write([tick(3)], first, Position("j", 1, 20, 2)) == 0
    assert [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 10)] == [1, 3]
    assert bars.read(RELIANCE.key, "1m", 0, 2**42, 10) == []
    bars.write([], "j", BarPosition(1, 2, 3))
    assert bars.position("j") == BarPosition(1, 2, 3)
    assert [reason.ticks for reason in store.refused.reasons()] == [1]
    assert (
        store.write([tick(5)], Position("j", 1, 20, 2), Position("j", 1, 30, 5), [Gap("j", 2, None, None)])
        == 0
    )
    assert [gap.ticks for gap in store.gaps.all()] == [2]
    store.close()
    denied = [
        "SELECT * FROM salaries", "SELECT * FROM instruments", "DELETE FROM ticks",
        "UPDATE ticks SET seq = 0", "TRUNCATE ticks", "DROP TABLE ticks", "DELETE FROM journal_positions",
        "DELETE FROM bar_positions", "DELETE FROM refused_ticks", "DELETE FROM journal_gaps",
        "CREATE TABLE mine (x integer)", "DROP VIEW live_prices",
    ]  # fmt: skip
    assert_denied(shared_database, "mdactors_writer", denied)


def test_the_reader_sees_instruments_and_nothing_else(shared_database: str):
    as_writer = StoreSettings(kind="postgres", url=Secret(shared_database), username="mdactors_writer")
    for _ in range(2):
        instruments_postgres.write(as_writer, [ROW], [Sector("ENERGY", "Energy")])
    with psycopg.connect(shared_database, user="mdactors_reader") as connection:
        seen = connection.execute(
            "SELECT symbol, sectors.name FROM instruments JOIN sectors ON sector = code"
        )
        assert seen.fetchall() == [("RELIANCE", "Energy")]
    denied = [
        "SELECT * FROM ticks", "SELECT * FROM live_prices", "SELECT * FROM salaries",
        "DELETE FROM instruments", "SELECT ticks_forget(now(), 1)",
        "SELECT ticks_make_room(current_date, 7)",
    ]  # fmt: skip
    assert_denied(shared_database, "mdactors_reader", denied)


def assert_denied(dsn: str, role: str, statements: list[str]) -> None:
    with psycopg.connect(dsn, user=role, autocommit=True) as connection:
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_role_without_rights_on_a_missing_schema_is_told(postgres_server: Postgres):
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody_special LOGIN")
    database = PostgresDatabase(Secret(postgres_server.dsn), username="nobody_special", schema="not_there")
    assert "permission denied" in refused(database)
    database.close()
