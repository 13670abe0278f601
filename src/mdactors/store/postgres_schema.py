"""Our schema in a PostgreSQL, brought up to date step by step: the files of ``migrations``."""

from __future__ import annotations

import logging
from importlib import resources
from typing import Any, Literal

import msgspec
import psycopg
from psycopg import errors, sql

from mdactors.errors import StoreError
from mdactors.store import timescale
from mdactors.store.timescale import Begin

Kind = Literal["plain", "timescale"]
"""What the table of ticks is: partitions, or TimescaleDB's hypertable. A schema stays what it was made as."""
_OURS = ["version", "name", "kind", "applied_at"]
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('mdactors schema'), hashtext(%s))"
_TAKEN = (errors.DuplicateTable, errors.DuplicateObject, errors.DuplicateFunction)

_logger = logging.getLogger(__name__)


class Migration(msgspec.Struct, frozen=True):
    """One step forward; never changed once it was released."""

    version: int
    name: str
    statements: dict[Kind, str]
    """A kind that has nothing to do in this step is absent."""


def _load() -> list[Migration]:
    """The steps: ``0003_days.plain.sql`` is for one kind, ``0002_ticks.sql`` for both."""
    found: dict[int, Migration] = {}
    for file in resources.files("mdactors.store").joinpath("migrations").iterdir():
        stem, _, ending = file.name.partition(".")
        number, _, name = stem.partition("_")
        step = found.setdefault(int(number), Migration(int(number), name, {}))
        assert step.name == name, f"two migrations have the number {number}: {step.name} and {name}"
        kinds: dict[str, tuple[Kind, ...]] = {
            "sql": ("plain", "timescale"), "plain.sql": ("plain",), "timescale.sql": ("timescale",),
        }  # fmt: skip
        for kind in kinds[ending]:
            step.statements[kind] = file.read_text(encoding="utf-8")
    return [found[version] for version in sorted(found)]


MIGRATIONS = _load()
NEWEST = MIGRATIONS[-1].version


def migrate(begin: Begin, schema: str) -> Kind:
    """Bring our tables in ``schema`` up to date, and say of which kind they are.

    Without any right to change the schema where it is up to date; else in one transaction, which only one
    process at a time can be in. ``begin`` begins a transaction whose search path is the schema.

    Raises:
        StoreError: the schema is newer than this program, or holds something of our names that is not ours.
        psycopg.Error: the server failed or refused.
    """
    with begin() as connection:
        version, kind = _state(connection, schema)
    if version == NEWEST:
        return kind
    if version == 0 and timescale.install(begin):
        kind = "timescale"
    with begin() as connection:
        connection.execute(_LOCK, (schema,))
        version, made_as = _state(connection, schema)
        kind = made_as if version else kind
        if version < NEWEST:
            _apply(connection, schema, version, kind)
            _logger.info("schema %s: brought from version %d to %d (%s)", schema, version, NEWEST, kind)
    return kind


def _state(connection: psycopg.Connection[Any], schema: str) -> tuple[int, Kind]:
    """The version that the schema is at, 0 for none, and its kind."""
    columns = [
        name
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
            "JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE nspname = %s AND relname = 'schema_migrations' AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            (schema,),
        )
    ]
    if not columns:
        return 0, "plain"
    if columns != _OURS:
        raise StoreError(
            f"schema {schema} holds a table schema_migrations that is not ours: set store.schema"
        )
    row = connection.execute(
        sql.SQL("SELECT version, kind FROM {}.schema_migrations ORDER BY version DESC LIMIT 1").format(
            sql.Identifier(schema)
        )
    ).fetchone()
    if row is None:
        return 0, "plain"
    version, kind = row
    if version > NEWEST:
        raise StoreError(f"schema {schema} is of version {version}, made by a newer mdactors than this")
    return version, kind


def _apply(connection: psycopg.Connection[Any], schema: str, version: int, kind: Kind) -> None:
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
    if found is None:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    if kind == "timescale":
        timescale.add_to_path(connection)
    try:
        if version == 0:
            connection.execute(
                "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, "
                "kind text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        for step in MIGRATIONS[version:]:
            if kind in step.statements:
                connection.execute(step.statements[kind].encode())
            connection.execute(
                "INSERT INTO schema_migrations (version, name, kind) VALUES (%s, %s, %s)",
                (step.version, step.name, kind),
            )
    except _TAKEN as error:
        reason = str(error).partition("\n")[0]
        raise StoreError(f"schema {schema}: {reason} and is not ours: set store.schema to another") from None
