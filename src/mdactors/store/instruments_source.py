"""A broker's list of instruments that another program keeps in a table."""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
from decimal import Decimal

import psycopg
from psycopg import sql

from mdactors.config.settings import SqlSourceSettings
from mdactors.errors import BrokerUnavailable, StoreError
from mdactors.store.postgres_connection import Connection
from mdactors.store.postgres_url import Address, read_address

SECONDS = 60.0
"""For the whole table."""


def fetch(settings: SqlSourceSettings) -> bytes:
    """Read the table as CSV with a header, the form of a broker's own file. Blocking.

    Nothing but reading is asked for. Columns that the broker's file has not are in it all the same.

    Raises:
        BrokerUnavailable: the database is away or refused, or there is no such table.
    """
    try:
        found = source_address(settings)
        with Connection.connect(**found.parameters) as connection:  # type: ignore[arg-type] # all are texts
            connection.deadline = time.monotonic() + SECONDS
            connection.read_only = True
            with connection.transaction():
                if found.schema:
                    connection.execute("SELECT set_config('search_path', %s, true)", (found.schema,))
                cursor = connection.execute(_query(settings))
                assert cursor.description is not None, "a query has columns"
                return _as_csv([column.name for column in cursor.description], cursor.fetchall())
    except psycopg.Error as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BrokerUnavailable(f"instruments.sql: cannot be read: {reason}") from None
    except StoreError as error:
        raise BrokerUnavailable(str(error)) from None


def source_address(settings: SqlSourceSettings) -> Address:
    """Read the address of the database with that table.

    Raises:
        StoreError: its address says what cannot be.
    """
    return read_address(
        settings.url, settings.username, settings.password, setting="instruments.sql.url", writes=False
    )


def _query(settings: SqlSourceSettings) -> bytes | sql.Composed:
    if settings.query:
        return settings.query.encode()
    return sql.SQL("SELECT * FROM {}").format(sql.Identifier(*settings.table.split(".")))


def _as_csv(columns: list[str], rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_text, row) for row in rows)
    return text.getvalue().encode()


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case dt.datetime():
            return value.date().isoformat()
        case Decimal():
            return f"{value:f}"
    # A row is one line.
    return " ".join(str(value).split())
