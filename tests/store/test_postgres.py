"""A PostgreSQL's schema and its failures."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from bench._servers import Postgres

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import postgres as postgres_module
from mdactors.store import postgres_connection
from mdactors.store.carrier_process import ANSWER_SECONDS
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_connection import WAIT_SECONDS
from mdactors.store.postgres_schema import NEWEST
from mdactors.store.ticks_postgres import PostgresTicks

Query = Callable[[str], list[tuple[Any, ...]]]
RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NOON_NS = 1_790_663_400_000_000_000


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote("R", "full", 1421.05, raw=b"raw"), "kite", 7, seq, NOON_NS)


def answers(database: PostgresDatabase) -> bool:
    with database.reading() as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def refused(database: PostgresDatabase) -> str:
    with pytest.raises(StoreError) as caught:
        answers(database)
    return str(caught.value)


# --- The schema


def test_a_fresh_schema_is_made_and_brought_up_to_date_once(
    postgres_server: Postgres, postgres_database: PostgresDatabase, query: Query
):
    assert answers(postgres_database)
    applied = query("SELECT version, applied_at FROM schema_migrations ORDER BY version")
    assert [version for version, _ in applied] == list(range(1, NEWEST + 1))
    again = PostgresDatabase(Secret(postgres_server.dsn), schema=postgres_database.schema)
    assert answers(again)
    assert query("SELECT version, applied_at FROM schema_migrations ORDER BY version") == applied
    again.close()


def test_many_at_once_bring_the_same_schema_up_to_date(postgres_server: Postgres, query: Query):
    databases = [PostgresDatabase(Secret(postgres_server.dsn), schema="crowd") for _ in range(6)]
    failures: list[Exception] = []

    def start(database: PostgresDatabase) -> None:
        try:
            answers(database)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()
    assert failures == []
    assert query("SELECT count(*) FROM crowd.schema_migrations") == [(NEWEST,)]


@pytest.mark.parametrize("relation", ["ticks", "market_ohlc", "live_prices", "journal_positions"])
def test_a_foreign_relation_of_our_name_is_named_and_left_alone(
    relation: str, postgres_database: PostgresDatabase, query: Query
):
    query(f"CREATE SCHEMA {postgres_database.schema}")
    query(f"CREATE TABLE {relation} (theirs integer)")
    query(f"INSERT INTO {relation} VALUES (42)")
    message = refused(postgres_database)
    assert f'"{relation}"' in message
    assert f"schema {postgres_database.schema}" in message
    assert "store.schema" in message
    assert query(f"SELECT * FROM {relation}") == [(42,)]
    assert query("SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace") == [
        (1,)
    ]


def test_a_foreign_table_of_migrations_is_named(postgres_database: PostgresDatabase, query: Query):
    query(f"CREATE SCHEMA {postgres_database.schema}")
    query("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)")
    assert "schema_migrations that is not ours" in refused(postgres_database)


def test_a_newer_schema_is_left_alone(
    postgres_server: Postgres, postgres_database: PostgresDatabase, query: Query
):
    answers(postgres_database)
    query(f"INSERT INTO schema_migrations VALUES ({NEWEST + 1}, 'from the future', 'plain')")
    older = PostgresDatabase(Secret(postgres_server.dsn), schema=postgres_database.schema)
    assert f"version {NEWEST + 1}, made by a newer mdactors" in refused(older)
    older.close()


def test_what_reads_cannot_write(postgres_database: PostgresDatabase):
    with pytest.raises(StoreError, match="read-only"), postgres_database.reading() as connection:
        connection.execute("DELETE FROM ticks")


# --- Failures


def test_a_server_that_comes_late_is_used_when_it_is_there(own_postgres: Postgres):
    own_postgres.stop()
    database = PostgresDatabase(Secret(own_postgres.dsn))
    assert "cannot be read" in refused(database)
    own_postgres.start()
    assert answers(database)
    database.close()


def test_a_server_that_was_started_anew_is_not_noticed(own_postgres: Postgres):
    database = PostgresDatabase(Secret(own_postgres.dsn))
    assert answers(database)
    own_postgres.stop()
    own_postgres.start()
    assert answers(database)
    database.close()


def test_a_lost_connection_is_a_store_error_and_the_next_call_connects_anew(
    postgres_database: PostgresDatabase, query: Query
):
    def lose() -> None:
        with postgres_database.transaction() as connection:
            connection.execute("INSERT INTO journal_positions VALUES ('j', 1, 2, 3)")
            query(f"SELECT pg_terminate_backend({connection.info.backend_pid})")

    with pytest.raises(StoreError, match="cannot be written"):
        lose()
    with postgres_database.transaction() as connection:
        connection.execute("INSERT INTO journal_positions VALUES ('k', 1, 2, 3)")
    assert query("SELECT journal FROM journal_positions") == [("k",)]


def test_a_hung_server_costs_bounded_time(own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_module, "SECONDS", 0.5)
    database = PostgresDatabase(Secret(own_postgres.dsn + "?connect_timeout=2"))
    store = PostgresTicks(database)
    first = Position("j", 1, 10, 1)
    assert store.write([tick(1)], None, first) == 0
    own_postgres.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(StoreError, match="does not answer in time"):
            store.write([tick(2)] * 50_000, first, Position("j", 1, 20, 2))
        with pytest.raises(StoreError):  # a fresh connection: the kernel takes it, the server says nothing
            store.position("j")
        assert time.monotonic() - began < 6.0
    finally:
        own_postgres.send(signal.SIGCONT)
    monkeypatch.setattr(postgres_module, "SECONDS", 30.0)
    assert store.position("j") == first
    assert store.write([tick(2)], first, Position("j", 1, 20, 2)) == 0
    assert store.count() == 2
    store.close()


def test_the_defaults_end_every_wait_below_a_minute():
    assert WAIT_SECONDS + postgres_module.SECONDS < 60
    assert WAIT_SECONDS + postgres_module.SECONDS < ANSWER_SECONDS


def test_a_port_where_nobody_answers_costs_bounded_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_connection, "WAIT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/market?connect_timeout=60"
        database = PostgresDatabase(Secret(url))
        began = time.monotonic()
        assert "none comes about" in refused(database)
        database.close()
        assert time.monotonic() - began < 5.0


def test_who_waits_hears_at_once_why_the_server_refuses(own_postgres: Postgres):
    database = PostgresDatabase(Secret(own_postgres.dsn.removesuffix("postgres") + "nowhere"))
    began = time.monotonic()
    for _ in range(2):
        assert 'database "nowhere" does not exist' in refused(database)
    assert time.monotonic() - began < WAIT_SECONDS / 2
    database.close()


def test_who_reads_does_not_take_the_connections_of_who_writes(postgres_database: PostgresDatabase):
    with contextlib.ExitStack() as readers:
        for _ in range(postgres_module.READERS):
            readers.enter_context(postgres_database.reading())
        with postgres_database.transaction() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_closed_database_says_so(postgres_database: PostgresDatabase):
    answers(postgres_database)
    postgres_database.close()
    assert "closed" in refused(postgres_database)


def test_bringing_up_to_date_is_one_log_line(
    postgres_database: PostgresDatabase, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO):
        answers(postgres_database)
        answers(postgres_database)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("mdactors")]
    assert lines == [f"schema {postgres_database.schema}: brought from version 0 to {NEWEST} (plain)"]
