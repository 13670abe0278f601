"""The way to a PostgreSQL: URLs, credentials, certificates."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from bench._servers import Postgres, free_port
from tests.certificates import Authority

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_url import Address, read_address


def answers(database: PostgresDatabase) -> bool:
    with database.reading() as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def refused(database: PostgresDatabase) -> str:
    with pytest.raises(StoreError) as caught:
        answers(database)
    return str(caught.value)


def read(url: str, *, writes: bool = True) -> Address:
    return read_address(Secret(url), "", Secret(), writes=writes)


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
    said = read_address(Secret(url), username, Secret(password)).parameters
    assert {name: said[name] for name in ("host", "port", "dbname", "user", "password", "sslmode")} == {
        "host": "db.example", "port": "6432", "dbname": "market", "user": "me", "password": "s@crEt",
        "sslmode": "require",
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://me:s3cret@db/market",
        "postgresql://me:s3cret%zz@db/market",
        "jdbc:postgresql:market?password=s3cret",
    ],
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str):
    with pytest.raises(StoreError, match="must look like") as caught:
        PostgresDatabase(Secret(url))
    assert str(caught.value).startswith("store.url: ")
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
        "postgresql://user:p?tiger@host/db",
        "postgresql://user:p?tiger=1@host/db",
        "jdbc:postgresql://host/db?user=me&password=p&tiger",
        "jdbc:postgresql://host/db?user=me&password=p&tiger=1",
        "postgresql://host/db?password=p&tiger=1",
        "jdbc:postgresql://host/db?sslpassword=p&tiger=1",
    ],
)
def test_a_password_that_should_have_been_escaped_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(StoreError, match="%40") as caught:
        read(url)
    assert "tiger" not in str(caught.value)


# --- Several servers


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://a:1,b:2/md", "PostgreSQL a:1,b:2/md"),
        ("postgresql://a,b:2/md", "PostgreSQL a:5432,b:2/md"),
        ("jdbc:postgresql://a,b/md?user=me", "PostgreSQL a:5432,b:5432/md"),
        ("postgresql:///md?host=a,b&port=7", "PostgreSQL a:7,b:7/md"),
        ("postgresql:///md?hostaddr=127.0.0.1", "PostgreSQL 127.0.0.1:5432/md"),
        ("postgresql://[::1]:7/md", "PostgreSQL ::1:7/md"),
        ("postgresql:///md", "PostgreSQL localhost:5432/md"),
    ],
)
def test_the_place_is_every_server(url: str, place: str) -> None:
    assert str(read(url)) == place


def test_of_several_servers_the_one_is_meant_that_takes_ticks_unless_the_address_says_another() -> None:
    several = "postgresql://a,b/md"
    assert read(several).parameters["target_session_attrs"] == "read-write"
    assert read(several + "?target_session_attrs=any").parameters["target_session_attrs"] == "any"
    assert read("postgresql://a/md").parameters["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in read(several, writes=False).parameters


# --- What libpq knows and cannot be


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("options=-csearch_path%3Dticks", "options: search_path cannot be set there: store.schema says it"),
        ("options=-c%20geqo%3Doff%20--statement-timeout%3D5", "options: statement_timeout cannot be set"),
        ("options=-c%20default_transaction_read_only%3Don", "default_transaction_read_only cannot be set"),
        ("target_session_attrs=read-only", "read-only servers"),
        ("target_session_attrs=standby", "standby servers"),
        ("client_encoding=LATIN1", "client_encoding=LATIN1 cannot be"),
        ("replication=database", "replication cannot be"),
        ("sslmod=require", "sslmod is not understood"),
        ("target_session_attrs=readwrite", 'invalid target_session_attrs value: "readwrite"'),
        ("gssencmode=never", 'invalid gssencmode value: "never"'),
        ("ssl_min_protocol_version=1.2", 'invalid "ssl_min_protocol_version" value: "1.2"'),
        ("connect_timeout=2.5", "connect_timeout must be a whole number"),
        ("keepalives_idle=1m", "keepalives_idle must be a whole number"),
    ],
)
@pytest.mark.parametrize("form", ["postgresql", "jdbc:postgresql"])
def test_what_would_be_overridden_or_cannot_be_is_refused_by_name(
    parameter: str, said: str, form: str
) -> None:
    with pytest.raises(StoreError) as caught:
        read(f"{form}://host/db?sslmode=require&{parameter}")
    assert str(caught.value).startswith("store.url: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://host/db?sslmode=verify_full", 'invalid sslmode value: "verify_full"'),
        ("jdbc:postgresql://a,b/db?user=me&sslmode=on", 'invalid sslmode value: "on"'),
        ("postgresql://host:99999/db", 'invalid port number: "99999"'),
        ("postgresql://a,b/db?port=1,2,3", "could not match 3 port numbers to 2 hosts"),
    ],
)
def test_a_value_that_libpq_would_refuse_at_every_connection_is_refused_at_once(url: str, said: str) -> None:
    with pytest.raises(StoreError) as caught:
        read(url)
    assert str(caught.value) == f"store.url: {said}"


@pytest.mark.parametrize(
    "parameter",
    [
        "options=-c%20work_mem%3D64MB",
        "client_encoding=utf-8",
        "replication=false",
        "target_session_attrs=primary",
        "connect_timeout=-1",
        "service=theirs",
        "sslrootcert=/not/there.pem",
    ],
)
def test_what_does_no_harm_is_left_as_it_is(parameter: str) -> None:
    name, _, value = parameter.partition("=")
    assert read(f"postgresql://host/db?{parameter}").parameters[name] == unquote(value)


def test_who_only_reads_may_do_so_from_a_standby() -> None:
    url = "postgresql://host/db?target_session_attrs=standby&options=-csearch_path%3Dtheirs"
    assert read(url, writes=False).parameters["target_session_attrs"] == "standby"
    with pytest.raises(StoreError, match=r"^instruments\.sql\.url: client_encoding"):
        read_address(Secret(f"{url}&client_encoding=SQL_ASCII"), "", Secret(), setting="instruments.sql.url")
