"""The parameters of a JDBC address: translated, passed over or refused, never dropped."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store import jdbc
from mdactors.store.postgres import PostgresDatabase
from mdactors.store.postgres_url import Address, read_address

FORMS = ["jdbc:postgresql", "postgresql"]


def read(query: str, form: str = "jdbc:postgresql", *, writes: bool = True) -> Address:
    return read_address(Secret(f"{form}://host/db?{query}"), "", Secret(), writes=writes)


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("ApplicationName=desk+7", "application_name", "desk 7"),
        ("connectTimeout=3", "connect_timeout", "3"),
        ("loginTimeout=4", "connect_timeout", "4"),
        ("connectTimeout=0", "connect_timeout", "5"),
        ("targetServerType=primary", "target_session_attrs", "read-write"),
        ("targetServerType=master", "target_session_attrs", "read-write"),
        ("targetServerType=any", "target_session_attrs", "any"),
        ("loadBalanceHosts=true", "load_balance_hosts", "random"),
        ("loadBalanceHosts=FALSE", "load_balance_hosts", "disable"),
        ("tcpKeepAlive=false", "keepalives", "0"),
        ("ssl=true", "sslmode", "verify-full"),
        ("ssl", "sslmode", "verify-full"),
        ("ssl=false", "sslmode", "prefer"),
        ("ssl=true&sslmode=require", "sslmode", "require"),
        ("sslmode=require&ssl=true", "sslmode", "require"),
        ("ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory", "sslmode", "require"),
        ("ssl=true&sslfactory=org.postgresql.ssl.LibPQFactory", "sslmode", "verify-full"),
        ("sslmode=verify-ca&sslrootcert=/etc/ca.pem", "sslrootcert", "/etc/ca.pem"),
        ("kerberosServerName=pg", "krbsrvname", "pg"),
        ("gssEncMode=prefer", "gssencmode", "prefer"),
        ("options=-c%20work_mem=64MB", "options", "-c work_mem=64MB"),
        ("user=me%40there&password=a%26b", "password", "a&b"),
        ("user=me@there&password=a@b", "user", "me@there"),
    ],
)
def test_it_is_translated_into_libpqs_words(query: str, name: str, value: str) -> None:
    assert read(query).parameters[name] == value


@pytest.mark.parametrize("form", FORMS)
def test_a_list_of_servers_and_the_one_to_take_mean_the_same_in_both_forms(form: str) -> None:
    found = read_address(
        Secret(f"{form}://s:15433,p:15432/md?user=md&targetServerType=primary"), "", Secret()
    )
    said = found.parameters
    assert (said["host"], said["port"], said["user"]) == ("s,p", "15433,15432", "md")
    assert said["target_session_attrs"] == "read-write"
    assert str(found) == "PostgreSQL s:15433,p:15432/md"


@pytest.mark.parametrize("form", FORMS)
def test_what_only_a_driver_needs_is_one_line(form: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = read(
            "prepareThreshold=0&reWriteBatchedInserts=true&socketTimeout=30&stringtype=unspecified", form
        )
    assert not {"prepareThreshold", "socketTimeout"} & set(found.parameters)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "store.url: what only a JDBC driver needs says nothing here: "
        "prepareThreshold, reWriteBatchedInserts, socketTimeout, stringtype"
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("targetServerType=secondary", "standby servers (target_session_attrs, targetServerType)"),
        ("targetServerType=preferSecondary", "prefer-standby servers"),
        ("targetServerType=preferPrimary", "targetServerType=preferPrimary has no counterpart"),
        ("targetServerType=leader", "targetServerType=leader has no counterpart in libpq; there is any"),
        ("sslfactory=org.example.Mine", "sslfactory=org.example.Mine has no counterpart"),
        ("readOnly=true", "readOnly=true cannot be"),
        ("replication=database", "replication cannot be"),
        ("socketFactory=com.example.Tunnel", "socketFactory is not understood"),
        ("localSocketAddress=10.0.0.1", "localSocketAddress is not understood"),
        ("sslhostnameverifier=org.example.Lax", "sslhostnameverifier is not understood"),
        ("authenticationPluginClassName=x", "authenticationPluginClassName is not understood"),
        ("somethingNew=1", "somethingNew is not understood"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_refused_by_name(query: str, said: str, form: str) -> None:
    with pytest.raises(StoreError) as caught:
        read(query, form)
    assert str(caught.value).startswith("store.url: ")
    assert said in str(caught.value)


def test_a_schema_in_the_address_must_be_the_stores() -> None:
    url = Secret("jdbc:postgresql://host/db?currentSchema=ticks")
    with pytest.raises(
        StoreError, match=r"store.url: currentSchema=ticks is for store.schema to say \(public\)"
    ):
        PostgresDatabase(url)
    PostgresDatabase(url, schema="ticks").close()


def test_who_only_reads_has_a_schema_and_may_say_read_only() -> None:
    assert read("currentSchema=theirs&readOnly=true", writes=False).schema == "theirs"
    assert read("targetServerType=preferSecondary", writes=False).parameters["target_session_attrs"] == (
        "prefer-standby"
    )


def test_the_document_has_every_word() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "postgres.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)(?:=[^`]*)?`", text))
    assert {name for name in jdbc.NAMES if name not in named} == set()
