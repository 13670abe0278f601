"""The way to a PostgreSQL, its schema, its failures, its roles."""

from __future__ import annotations

import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from bench._servers import Postgres

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import postgres as postgres_module
from mdactors.store.bars_postgres import PostgresBars
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_connection import WAIT_SECONDS
from mdactors.store.postgres_schema import NEWEST
from mdactors.store.postgres_url import parameters
from mdactors.store.ticks_postgres import PostgresTicks

Query = Callable[..., list[tuple[object, ...]]]
RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NOON_NS = 1_790_663_400_000_000_000
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "postgres.md"


def tick(seq: int) -> Tick:
    return Tick(RELIANCE, Quote("R", "full", 1421.05, raw=b"raw"), "kite", 7, seq, NOON_NS)


def answers(database: PostgresDatabase) -> bool:
    with database.reading() as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def refused(database: PostgresDatabase) -> str:
    with pytest.raises(StoreError) as caught:
        answers(database)
    return str(caught.value)


# The URL


@pytest.mark.parametrize(
    ("url", "username", "password"),
    [
        ("postgresql://me:s%40crEt@db.example:6432/market?sslmode=require", "", ""),
        ("postgres://db.example:6432/market?user=me&password=s%40crEt&sslmode=require", "", ""),
        ("jdbc:postgresql://db.example:6432/market?user=me&password=s%40crEt&sslmode=require", "", ""),
        ("postgresql://other:wrong@db.example:6432/market?sslmode=require", "me", "s@crEt"),
        ("jdbc:postgresql://db.example:6432/market?sslmode=require", "me", "s@crEt"),
    ],
)
def test_url_and_separate_credentials_lead_to_the_same_connection(url: str, username: str, password: str):
    said = parameters(Secret(url), username, Secret(password))
    assert {name: said[name] for name in ("host", "port", "dbname", "user", "password", "sslmode")} == {
        "host": "db.example", "port": "6432", "dbname": "market", "user": "me", "password": "s@crEt",
        "sslmode": "require",
    }  # fmt: skip


def test_what_only_jdbc_knows_is_translated_or_named(caplog: pytest.LogCaptureFixture):
    url = "jdbc:postgresql://db/market?ssl=true&ApplicationName=desk&reWriteBatchedInserts=true&connectTimeout=3"
    said = parameters(Secret(url), "", Secret())
    assert (said["sslmode"], said["application_name"], said["connect_timeout"]) == (
        "verify-full",
        "desk",
        "3",
    )
    assert "reWriteBatchedInserts" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://me:s3cret@db/market",
        "postgresql://me:s3cret@db:port/market?what=ever",
        "postgresql://me:s3cret%zz@db/market",
        "jdbc:postgresql:market?password=s3cret",
    ],
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str):
    with pytest.raises(StoreError, match="must look like") as caught:
        PostgresDatabase(Secret(url))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_errors_name_the_place_and_hold_no_secret(unused_port: int):
    url = f"postgresql://me:s3cret@127.0.0.1:{unused_port}/market"
    database = PostgresDatabase(Secret(url))
    message = refused(database)
    assert message.startswith(f"PostgreSQL 127.0.0.1:{unused_port}/market: cannot be read: ")
    assert "s3cret" not in message
    assert "\n" not in message
    database.close()


@pytest.fixture
def unused_port() -> int:
    from bench._servers import free_port

    return free_port()


# The schema


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


# Failures


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
    said = parameters(Secret("postgresql://db/market"), "", Secret())
    assert float(said["connect_timeout"]) + postgres_module.SECONDS + WAIT_SECONDS < 60


def test_a_closed_database_says_so(postgres_database: PostgresDatabase):
    answers(postgres_database)
    postgres_database.close()
    assert "closed" in refused(postgres_database)


# The way there


@pytest.fixture
def certified(own_postgres: Postgres, own_folder: Path) -> tuple[Postgres, Path]:
    """A server that speaks TLS with a certificate for localhost, and its authority's file."""
    authority = issue(own_folder, "our authority")
    with psycopg.connect(own_postgres.dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
    return own_postgres, authority


def issue(folder: Path, signer: str) -> Path:
    """Certify a server in ``folder`` as localhost where it looks for that; the file of who signed it."""
    import datetime as dt
    import os

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(signer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        day = dt.timedelta(days=1)
        return builder.not_valid_before(now - day).not_valid_after(now + day)

    signing, serving = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate(signer, signing)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    leaf = certificate("localhost", serving)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = serialization.Encoding.PEM
    authority = folder / "authority.pem"
    authority.write_bytes(root.sign(signing, hashes.SHA256()).public_bytes(pem))

    data = folder / "data"
    owner = data.stat()
    key = serving.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, content in (
        (data / "server.crt", leaf.sign(signing, hashes.SHA256()).public_bytes(pem)),
        (data / "server.key", key),
    ):
        file.write_bytes(content)
        file.chmod(0o600)
        os.chown(file, owner.st_uid, owner.st_gid)
    return authority


def test_verify_full_connects_to_a_certified_server_only(certified: tuple[Postgres, Path]):
    server, authority = certified
    base = f"postgresql://postgres@localhost:{server.port}/postgres"
    database = PostgresDatabase(Secret(f"{base}?sslmode=verify-full&sslrootcert={authority}"))
    with database.reading() as connection:
        used = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert used == (True,)
    database.close()


def test_verify_full_refuses_another_name_and_another_authority(
    certified: tuple[Postgres, Path], tmp_path: Path
):
    server, authority = certified
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "data").mkdir(parents=True)
    stranger = issue(elsewhere, "a stranger")
    for host, file in (("127.0.0.1", authority), ("localhost", stranger)):
        url = f"postgresql://postgres@{host}:{server.port}/postgres?sslmode=verify-full&sslrootcert={file}"
        database = PostgresDatabase(Secret(url))
        assert "certificate" in refused(database)
        database.close()


# Roles, as the document has them


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
        connection.execute("CREATE TABLE instruments AS SELECT 1 AS x; CREATE TABLE sectors AS SELECT 1 AS x")
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
    store.close()
    denied = [
        "SELECT * FROM salaries", "SELECT * FROM instruments", "DELETE FROM ticks",
        "UPDATE ticks SET seq = 0", "TRUNCATE ticks", "DROP TABLE ticks", "DELETE FROM journal_positions",
        "SELECT * FROM refused_ticks", "CREATE TABLE mine (x integer)", "DROP VIEW live_prices",
    ]  # fmt: skip
    assert_denied(shared_database, "mdactors_writer", denied)


def test_the_reader_sees_instruments_and_nothing_else(shared_database: str):
    with psycopg.connect(shared_database, user="mdactors_reader") as connection:
        assert connection.execute("SELECT * FROM instruments, sectors").fetchall() == [(1, 1)]
    denied = [
        "SELECT * FROM ticks", "SELECT * FROM live_prices", "SELECT * FROM salaries",
        "INSERT INTO instruments VALUES (2)", "SELECT ticks_forget(now(), 1)",
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


def test_bringing_up_to_date_is_one_log_line(
    postgres_database: PostgresDatabase, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO):
        answers(postgres_database)
        answers(postgres_database)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("mdactors")]
    assert lines == [f"schema {postgres_database.schema}: brought from version 0 to {NEWEST} (plain)"]
