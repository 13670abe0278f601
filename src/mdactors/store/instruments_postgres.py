"""The tables of instruments and sectors in PostgreSQL, for other programs to read."""

from __future__ import annotations

from collections.abc import Iterable

from mdactors.config import StoreSettings
from mdactors.market.instrument import InstrumentRow
from mdactors.market.sectors import Sector
from mdactors.store.postgres import PostgresDatabase

_COLUMNS = (
    "instrument_key", "symbol", "exchange", "segment", "sector", "industry", "tradable", "index_instrument",
    "underlying", "instrument_token", "type", "name", "isin", "series", "etf", "lot_size", "tick_size",
    "expiry", "strike", "option_type", "mtf", "mis",
)  # fmt: skip


def write(settings: StoreSettings, rows: Iterable[InstrumentRow], sectors: Iterable[Sector] = ()) -> None:
    """Replace all rows of both tables in one transaction: who reads meanwhile sees those before.

    Raises:
        StoreError: the database is away or refused; the tables are as before.
    """
    database = PostgresDatabase(
        settings.url, username=settings.username, password=settings.password, schema=settings.schema
    )
    try:
        with database.transaction() as connection:
            # Several daemons may share these tables and load at the same time of day: each waits its turn.
            connection.execute("SET LOCAL lock_timeout = 0")
            connection.execute("SELECT pg_advisory_xact_lock('instruments'::regclass::oid::bigint)")
            # Not TRUNCATE, which would hide the rows before from who reads and wait for them.
            connection.execute("DELETE FROM instruments")
            connection.execute("DELETE FROM sectors")
            columns = ", ".join(_COLUMNS)
            with connection.cursor().copy(f"COPY instruments ({columns}) FROM STDIN") as copy:  # fmt: skip
                for row in rows:
                    copy.write_row(_values(row))
            with connection.cursor().copy("COPY sectors (code, name, description) FROM STDIN") as copy:
                for sector in sectors:
                    copy.write_row((sector.code, sector.name, sector.description))
    finally:
        database.close()


def _values(row: InstrumentRow) -> tuple[object, ...]:
    option = row.type == "OPTION"
    return (
        row.key, row.symbol, row.exchange, row.segment, row.sector or None, row.industry or None,
        row.tradable, row.type == "INDEX", row.underlying or None, row.token, row.type, row.name or None,
        row.isin or None, row.series or None, row.etf, row.lot_size, row.tick_size, row.expiry or None,
        row.strike if option else None, row.option_type or None, row.mtf, row.mis,
    )  # fmt: skip
