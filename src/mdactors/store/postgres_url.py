"""What ``store.url`` and its fellows say of the way to a PostgreSQL."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl, urlsplit

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from mdactors.adapter import Secret
from mdactors.errors import StoreError

CONNECT_SECONDS = 5
_JDBC = "jdbc:"
_JDBC_NAMES = {"ApplicationName": "application_name", "connectTimeout": "connect_timeout"}
_DEFAULTS = {
    "application_name": "mdactors",
    "connect_timeout": str(CONNECT_SECONDS),
    # Packets that nobody acknowledges: the network is gone. A server that hangs acknowledges them
    # all the same; that is what the deadline of a connection is for.
    "tcp_user_timeout": "15000",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    # libpq would ask for a Kerberos ticket before each connection.
    "gssencmode": "disable",
}
_SHAPE = (
    "store.url: must look like postgresql://user@host:5432/database?sslmode=verify-full; "
    "in a password @ / ? # % are written %40 %2F %3F %23 %25"
)

_logger = logging.getLogger(__name__)


def parameters(url: Secret, username: str, password: Secret) -> dict[str, str]:
    """The connection's parameters by libpq's names, with our time-outs where the URL has none.

    The URL may be a JDBC one with user and password among its parameters; ``username`` and ``password``
    take precedence where they are given.

    Raises:
        StoreError: it is no URL of a PostgreSQL.
    """
    text = url.reveal()
    jdbc = text.startswith(_JDBC)
    text = text.removeprefix(_JDBC)
    if not text.startswith(("postgresql://", "postgres://")):
        raise StoreError(_SHAPE)
    try:
        said = _jdbc(text) if jdbc else _plain(text)
    except (psycopg.ProgrammingError, ValueError):
        # Their texts may quote the password.
        raise StoreError(_SHAPE) from None
    if any("@" in said.get(part, "") for part in ("host", "port", "dbname")):
        raise StoreError(_SHAPE)  # a part of the password was taken for something else
    said.setdefault("client_encoding", "UTF8")
    if username:
        said["user"] = username
    if password:
        said["password"] = password.reveal()
    return _DEFAULTS | said


def place(said: dict[str, str]) -> str:
    """Where that is, for a person: without user and password."""
    host, port = said.get("host", "localhost"), said.get("port", "5432")
    return f"PostgreSQL {host}:{port}/{said.get('dbname', '')}"


def _plain(text: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(text).items()}


def _jdbc(text: str) -> dict[str, str]:
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    said = _plain(text.partition("?")[0])
    ignored = []
    for name, value in parse_qsl(urlsplit(text).query, keep_blank_values=True):
        ours = _JDBC_NAMES.get(name, name)
        if ours in known:
            said[ours] = value
        elif name == "ssl":
            # The JDBC driver's meaning of ssl=true.
            said.setdefault("sslmode", "disable" if value == "false" else "verify-full")
        else:
            ignored.append(name)
    if ignored:
        _logger.warning("store.url: ignored what only JDBC knows: %s", ", ".join(ignored))
    return said
