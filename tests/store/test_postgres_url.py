"""The way to a PostgreSQL: URLs, credentials, certificates."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from bench._servers import Postgres, free_port
from tests.certificates import Authority

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_url import parameters


def answers(database: PostgresDatabase) -> bool:
    with database.reading() as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def refused(database: PostgresDatabase) -> str:
    with pytest.raises(StoreError) as caught:
        answers(database)
    return str(caught.value)


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


def test_errors_name_the_place_and_hold_no_secret():
    unused_port = free_port()
    url = f"postgresql://me:s3cret@127.0.0.1:{unused_port}/market"
    database = PostgresDatabase(Secret(url))
    message = refused(database)
    assert message.startswith(f"PostgreSQL 127.0.0.1:{unused_port}/market: cannot be read: ")
    assert "s3cret" not in message
    assert "\n" not in message
    database.close()


# --- An encrypted way


@pytest.fixture
def certified(own_postgres: Postgres, own_folder: Path) -> tuple[Postgres, Path]:
    """A server that speaks TLS with a certificate for localhost, and its authority's file."""
    authority = certify(own_folder, Authority())
    with psycopg.connect(own_postgres.dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
    return own_postgres, authority


def certify(folder: Path, authority: Authority) -> Path:
    """Certify a server in ``folder`` as localhost where it looks for that; the file of who signed it."""
    data = folder / "data"
    owner = data.stat()
    for name, content in zip(("server.crt", "server.key"), authority.issue("localhost"), strict=True):
        file = data / name
        file.write_bytes(content)
        file.chmod(0o600)
        os.chown(file, owner.st_uid, owner.st_gid)
    signed_by = folder / "authority.pem"
    signed_by.write_bytes(authority.pem)
    return signed_by


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
    stranger = certify(elsewhere, Authority("a stranger"))
    for host, file in (("127.0.0.1", authority), ("localhost", stranger)):
        url = f"postgresql://postgres@{host}:{server.port}/postgres?sslmode=verify-full&sslrootcert={file}"
        database = PostgresDatabase(Secret(url))
        assert "certificate" in refused(database)
        database.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pa/tiger@host/db",
        "postgresql://user:p@tiger@host/db",
        "jdbc:postgresql://user:p@tiger@host/db",
    ],
)
def test_a_password_that_should_have_been_escaped_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(StoreError, match="%40") as caught:
        parameters(Secret(url), "", Secret())
    assert "tiger" not in str(caught.value)
