"""A pooler in front of the database, and several servers of which one takes writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from bench._servers import Pgbouncer, Postgres, free_port, pgbouncer, pgbouncer_binary, postgres, standby
from tests.store.conftest import open_folder

from mdactors.adapter import Secret
from mdactors.config import StoreSettings
from mdactors.config.settings import SqlSourceSettings
from mdactors.errors import StoreError
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument, InstrumentRow
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import instruments_postgres
from mdactors.store.bars_postgres import PostgresBars
from mdactors.store.instruments_source import fetch
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.ticks_postgres import PostgresTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
ROW = InstrumentRow(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", sector="ENERGY")
NOON_NS = 1_790_663_400_000_000_000
SETTINGS = (
    "search_path", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
    "synchronous_commit", "default_transaction_read_only", "application_name", "client_encoding",
)  # fmt: skip


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote("R", "full", 1421.05, raw=b"raw"), "kite", 7, seq, NOON_NS)


@pytest.fixture
def own_role(postgres_server: Postgres) -> Iterator[str]:
    """A role whose tables are in a schema of their own, and that may make one for the ticks."""
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE md LOGIN")
        connection.execute("CREATE SCHEMA other CREATE TABLE orders (t text)")
        connection.execute("GRANT ALL ON SCHEMA other TO md")
        connection.execute("GRANT ALL ON other.orders TO md")
        connection.execute("GRANT CREATE ON DATABASE postgres TO md")
        connection.execute("ALTER ROLE md SET search_path = other")
        connection.execute("ALTER ROLE md SET statement_timeout = '77s'")
    yield "md"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("DROP OWNED BY md CASCADE")
        connection.execute("DROP SCHEMA other CASCADE")
        connection.execute("DROP ROLE md")


@pytest.fixture
def pooled(
    request: pytest.FixtureRequest, postgres_server: Postgres, own_folder: Path, own_role: str
) -> Iterator[Pgbouncer]:
    """A pooler in the mode that is asked for."""
    if pgbouncer_binary() is None:
        pytest.skip("no pgbouncer on this machine")
    with pgbouncer(own_folder, postgres_server, request.param, [own_role]) as pooler:
        yield pooler


def another_program(pooler: Pgbouncer, statement: str = "SELECT 1") -> dict[str, str]:
    """What another program of the same role finds set, after it ran a statement of its own."""
    others = {"user": "md", "application_name": "other"}
    with psycopg.connect(pooler.dsn, autocommit=True, prepare_threshold=None, **others) as connection:
        connection.execute(statement.encode())
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS]
    return {name: value[0] for name, value in zip(SETTINGS, shown, strict=True) if value is not None}


def everything(store: PostgresTicks, bars: PostgresBars, begin: Position | None = None) -> Position:
    """All that a daemon does with its database."""
    at = store.position("j")
    assert at == begin
    store.maintain(NOON_NS)
    count = at.ticks if at else 0
    upto = Position("j", 1, count + 3, count + 3)
    poisoned = Tick(RELIANCE, Quote("R", "full", float("nan")), "kite", 7, 2, NOON_NS)
    assert store.write([tick(1), poisoned, tick(3)], at, upto) == 1
    assert [row.seq for row in store.read(RELIANCE.token, 0, 2**62, 2)] == [1, 1 if at else 3]
    assert store.received(0, 2**62, 1)
    assert store.newest(0)
    bars.write([Bar(RELIANCE, "1m", 60_000, 1.0, 1.0, 1.0, 1.0, 5)])
    assert bars.read(RELIANCE.key, "1m", 0, 2**42, 10)
    return upto


@pytest.mark.pgbouncer
@pytest.mark.parametrize("pooled", ["transaction", "session"], indirect=True)
def test_behind_a_pooler_all_works_and_others_find_their_session_as_they_left_it(pooled: Pgbouncer) -> None:
    before = another_program(pooled)
    assert (before["search_path"], before["statement_timeout"]) == ("other", "77s")
    database = PostgresDatabase(Secret(pooled.dsn), username="md", schema="ticks")
    store, bars = PostgresTicks(database, retention_days=3), PostgresBars(database, ["1s", "1m"])
    at: Position | None = None
    for _ in range(10):  # psycopg would give a name to a statement that it sees more than five times
        at = everything(store, bars, at)
        assert another_program(pooled, "INSERT INTO orders VALUES ('x')") == before
    assert store.count() == 20
    with pytest.raises(StoreError, match="read-only"), database.reading() as connection:
        connection.execute("DELETE FROM ticks")
    assert another_program(pooled) == before
    settings = StoreSettings(kind="postgres", url=Secret(pooled.dsn), username="md", schema="ticks")
    instruments_postgres.write(settings, [ROW])
    source = SqlSourceSettings(
        url=Secret(pooled.dsn), username="md", table="ticks.instruments", adapter="kite"
    )
    assert b"RELIANCE" in fetch(source)
    assert another_program(pooled) == before
    store.close()


@pytest.mark.pgbouncer
@pytest.mark.parametrize("pooled", ["statement"], indirect=True)
def test_a_pooler_that_knows_no_transactions_is_refused_and_nothing_is_left_behind(
    pooled: Pgbouncer, postgres_server: Postgres
) -> None:
    before = another_program(pooled)
    database = PostgresDatabase(Secret(pooled.dsn), username="md", schema="ticks")
    with pytest.raises(StoreError, match="the pooler there must be in transaction or session mode"):
        PostgresTicks(database).position("j")
    database.close()
    assert another_program(pooled) == before
    with psycopg.connect(postgres_server.dsn) as connection:
        assert connection.execute("SELECT to_regnamespace('ticks')").fetchone() == (None,)


# --- Several servers


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Postgres, Postgres]]:
    """A standby and its primary."""
    with (
        open_folder() as first,
        open_folder() as second,
        postgres(first) as primary,
        standby(second, primary) as follower,
    ):
        yield follower, primary


@pytest.mark.parametrize("query", ["targetServerType=primary", ""])
def test_of_a_standby_and_its_primary_the_one_that_takes_ticks_is_found(
    pair: tuple[Postgres, Postgres], query: str
) -> None:
    follower, primary = pair
    schema = "said" if query else "unsaid"
    servers = f"127.0.0.1:{follower.port},127.0.0.1:{primary.port}"
    url = f"jdbc:postgresql://{servers}/postgres?user=postgres&{query}"
    database = PostgresDatabase(Secret(url), schema=schema)
    store = PostgresTicks(database)
    assert store.write([tick(1)], None, Position("j", 1, 1, 1)) == 0
    assert store.count() == 1
    assert database.where == f"PostgreSQL {servers}/postgres"
    store.close()


def test_a_standby_alone_is_named_and_stores_nothing(pair: tuple[Postgres, Postgres]) -> None:
    follower, _ = pair
    url = f"postgresql://127.0.0.1:{follower.port},127.0.0.1:{free_port()}/postgres?user=postgres"
    database = PostgresDatabase(Secret(url), schema="nobody")
    with pytest.raises(StoreError, match=f"127.0.0.1:{follower.port},127.0.0.1:.*"):
        PostgresTicks(database).position("j")
    database.close()
