"""What a start would lack although the configuration is right: a token, a key, a password, a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdactors.adapter import BrokerAdapter, Secret
    from mdactors.config import Settings

_LIBPQ = {"PGUSER": "user", "PGPASSWORD": "password", "PGSERVICE": "service", "PGSSLCERT": "sslcert"}


def lacking(settings: Settings, adapters: Mapping[str, BrokerAdapter]) -> Iterator[str]:
    """Each lack by the path of its setting, for a person; nothing is connected to."""
    from mdactors.config import SQL_SOURCE

    yield from _of_brokers(settings, adapters)
    yield from _of_folder(Path(settings.data_dir))
    if settings.store.kind == "postgres":
        store = settings.store
        yield from _of_login("store", store.url, store.username, store.password)
    if SQL_SOURCE in settings.instruments.sources:
        sql = settings.instruments.sql
        yield from _of_login("instruments.sql", sql.url, sql.username, sql.password)
    redis = settings.cache.redis
    if settings.cache.kind == "redis" and redis.tls and redis.ca_file and not Path(redis.ca_file).is_file():
        yield f"cache.redis.ca_file: {redis.ca_file} is not there"


def _of_brokers(settings: Settings, adapters: Mapping[str, BrokerAdapter]) -> Iterator[str]:
    if not settings.brokers:
        yield "brokers: none is configured: there is nothing to stream"
    for name in settings.brokers:
        yield from (f"brokers.{name}.{setting}: {what}" for setting, what in adapters[name].lacks().items())


def _of_folder(folder: Path) -> Iterator[str]:
    """The folder is made at the start, in the nearest one that is there."""
    there = next((each for each in (folder.absolute(), *folder.absolute().parents) if each.exists()), folder)
    if not there.is_dir():
        yield f"data_dir: {there} is no folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        yield f"data_dir: {there} cannot be written to by who runs this command"


def _of_login(section: str, url: Secret, username: str, password: Secret) -> Iterator[str]:
    """A database may well ask for neither; then this is no trouble."""
    from mdactors.store.postgres_url import read_address

    found = read_address(url, username, password, setting=f"{section}.url", writes=section == "store")
    said = set(found.parameters)
    # libpq looks at these by itself.
    said |= {name for variable, name in _LIBPQ.items() if variable in os.environ}
    if Path(os.environ.get("PGPASSFILE", "~/.pgpass")).expanduser().is_file():
        said.add("passfile")
    if not said & {"user", "service"}:
        yield f"{section}.username: is empty: the database is told the name of who runs the daemon"
    if not said & {"password", "passfile", "service", "sslcert"}:
        yield f"{section}.password: is empty, and {section}.url has none: the database must not ask for one"
