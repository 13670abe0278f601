"""Which store the settings mean, opened."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from mdactors.config import SQL_SOURCE, StoreSettings
from mdactors.config.settings import InstrumentSettings
from mdactors.errors import ConfigError, StoreError
from mdactors.market.candle import Interval
from mdactors.store.bars import BarStore
from mdactors.store.ticks import TickStore

_EMBEDDED: tuple[Interval, ...] = ("1m",)
"""One-second bars would double what a file of one machine holds: who wants them there says so."""
_SERVED: tuple[Interval, ...] = ("1s", "1m")


def open_stores(
    settings: StoreSettings, folder: pathlib.Path, *, create: bool = True
) -> tuple[TickStore, BarStore]:
    """Open the store of ticks and, in the same database, that of bars; to close the first closes both.

    A driver is imported only where its store is meant. ``folder`` is the daemon's ``data_dir``. Without
    ``create`` a file that is not there is an error.

    Raises:
        ConfigError: the settings name no database.
        StoreError: it cannot be opened, or is not ours.
    """
    file = folder / settings.path
    if settings.kind == "sqlite" and not create and not file.exists():
        raise StoreError(f"{file}: nothing is stored there yet; see data_dir and store.path")
    intervals = stored_intervals(settings)
    if settings.kind == "postgres":
        return _postgres(settings, intervals)
    return _sqlite(settings, file, intervals)


def check_source(settings: InstrumentSettings) -> None:
    """Check the address of the table that instruments are read from, if there is one; it is not tried.

    Raises:
        ConfigError: it says what cannot be.
    """
    if SQL_SOURCE not in settings.sources:
        return
    from mdactors.store.instruments_source import source_address

    try:
        source_address(settings.sql)
    except StoreError as error:
        raise ConfigError([str(error)]) from None


def stored_intervals(settings: StoreSettings) -> Sequence[Interval]:
    """Which bars are stored: those that are set, else what suits the kind of store."""
    if settings.bars is not None:
        return settings.bars
    return _SERVED if settings.kind == "postgres" else _EMBEDDED


def _sqlite(
    settings: StoreSettings, file: pathlib.Path, intervals: Sequence[Interval]
) -> tuple[TickStore, BarStore]:
    from mdactors.store.bars_sqlite import SqliteBars
    from mdactors.store.sqlite import SqliteDatabase
    from mdactors.store.ticks_sqlite import SqliteTicks

    database = SqliteDatabase(file)
    ticks = SqliteTicks(database, raw=settings.raw, retention_days=settings.retention_days)
    return ticks, SqliteBars(database, intervals)


def _postgres(settings: StoreSettings, intervals: Sequence[Interval]) -> tuple[TickStore, BarStore]:
    from mdactors.store.bars_postgres import PostgresBars
    from mdactors.store.postgres import PostgresDatabase
    from mdactors.store.ticks_postgres import PostgresTicks

    try:
        database = PostgresDatabase(
            settings.url, username=settings.username, password=settings.password, schema=settings.schema
        )
    except StoreError as error:  # nothing connects yet: the address is wrong
        raise ConfigError([str(error)]) from None
    ticks = PostgresTicks(database, raw=settings.raw, retention_days=settings.retention_days)
    return ticks, PostgresBars(database, intervals)
