"""Read the address of a PostgreSQL, in libpq's form or JDBC's, into libpq's connection parameters."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote, unquote_plus

import msgspec
import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store import jdbc

CONNECT_SECONDS = 5
_JDBC = "jdbc:"
_PORT = "5432"
_DEFAULTS = {
    "application_name": "mdactors",
    "client_encoding": "UTF8",
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
    "must look like postgresql://user@host:5432/database?sslmode=verify-full; "
    "in a password @ / ? # % & are written %40 %2F %3F %23 %25 %26"
)
_KNOWN = frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())
_NAME = re.compile(r"[A-Za-z_]{2,40}")
_OPTION = re.compile(r"(?:^|\s)(?:-c\s*|--)([\w.-]+)\s*=")
"""A setting among those that ``options`` hands to the server."""
_OURS = {
    "search_path": "store.schema says it",
    "statement_timeout": "it is ours to set",
    "lock_timeout": "it is ours to set",
    "idle_in_transaction_session_timeout": "it is ours to set",
    "synchronous_commit": "it is ours to set",
    "default_transaction_read_only": "ticks are written",
    "transaction_read_only": "ticks are written",
}
"""What each of our transactions sets, or cannot do with."""
_NUMBERS = (
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "tcp_user_timeout",
)  # fmt: skip
_NOWHERE = "/dev/null"
"""Not a folder: a connection to a socket in it fails at once."""
_NO_WRITING = {"read-only", "standby", "prefer-standby"}

_logger = logging.getLogger(__name__)
_Pairs = list[tuple[str, str]]


class Address(msgspec.Struct, frozen=True):
    """Where a PostgreSQL is, and how to log in there."""

    parameters: dict[str, str]
    """The connection's, by libpq's names, with our time-outs where the address has none."""
    schema: str = ""
    """The search path that the address says; empty where it says none."""

    def __str__(self) -> str:
        """Where that is, for a person: without user and password."""
        said = self.parameters
        hosts = (said.get("host") or said.get("hostaddr") or "localhost").split(",")
        ports = said.get("port", "").split(",")
        if len(ports) == 1:
            ports *= len(hosts)
        places = (f"{host}:{port or _PORT}" for host, port in zip(hosts, ports, strict=False))
        return f"PostgreSQL {','.join(places)}/{said.get('dbname', '')}"


def read_address(
    url: Secret, username: str, password: Secret, *, setting: str = "store.url", writes: bool = True
) -> Address:
    """Read an address in libpq's form or JDBC's; each may hold parameters of the other.

    ``username`` and ``password`` take precedence where they are given. ``writes``: ticks are to be
    written there, so that of several servers the one is meant that takes them.

    Raises:
        StoreError: it is no address of a PostgreSQL, or says what cannot be done; names ``setting``.
    """
    try:
        said, meant = _read(url.reveal())
        said = meant.parameters | said
        if username:
            said["user"] = username
        if password:
            said["password"] = password.reveal()
        _check(said, meant, writes=writes)
        _check_values(_DEFAULTS | said)
    except StoreError as error:
        raise StoreError(f"{setting}: {error}") from None
    if meant.harmless:
        names = ", ".join(meant.harmless)
        _logger.info("%s: what only a JDBC driver needs says nothing here: %s", setting, names)
    if writes:
        # One name may stand for several servers, too.
        said.setdefault("target_session_attrs", "read-write")
    return Address(_DEFAULTS | said, meant.schema)


def _read(text: str) -> tuple[dict[str, str], jdbc.Meaning]:
    """What an address says in libpq's words, and what in JDBC's."""
    is_jdbc = text.startswith(_JDBC)
    base, _, query = text.removeprefix(_JDBC).partition("?")
    if not base.startswith(("postgresql://", "postgres://")):
        raise StoreError(_SHAPE)
    if not is_jdbc:
        query = re.sub(r"(^|&)ssl=true(?=&|$)", r"\1sslmode=require", query)  # as libpq does
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]
    ours, theirs = _sorted(pairs, query)
    decode = unquote_plus if is_jdbc else unquote
    try:
        if is_jdbc:
            said = _plain(base) | {name: decode(value) for name, value in ours}
        else:
            said = _plain(base + "?" + "&".join("=".join(pair) for pair in ours))
    except (psycopg.ProgrammingError, ValueError):
        # Their texts may quote the password.
        raise StoreError(_SHAPE) from None
    if any("@" in said.get(part, "") for part in ("host", "port", "dbname")):
        raise StoreError(_SHAPE)  # a part of the password was taken for something else
    return said, jdbc.meaning({name: decode(value) for name, value in theirs})


def _sorted(pairs: _Pairs, query: str) -> tuple[_Pairs, _Pairs]:
    """Those that libpq knows, and those that a JDBC driver does."""
    ours: _Pairs = []
    theirs: _Pairs = []
    for place, (name, value) in enumerate(pairs, 1):
        if name in _KNOWN:
            ours.append((name, value))
        elif name in jdbc.NAMES:
            theirs.append((name, value))
        else:
            secret = "@" in query or any(before.endswith("password") for before, _ in pairs[:place])
            if secret or not value or not _NAME.fullmatch(name):
                # It may be a part of a password.
                raise StoreError(f"its parameter {place} is not understood; it {_SHAPE}")
            raise StoreError(f"{name} is not understood, and what it means would be lost: leave it out")
    return ours, theirs


def _plain(text: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(text).items()}


def _check(said: dict[str, str], meant: jdbc.Meaning, *, writes: bool) -> None:
    """Refuse what would be overridden, or breaks what is done there."""
    encoding = said.get("client_encoding", "utf8")
    if encoding.lower().replace("-", "") not in {"utf8", "unicode"}:
        raise StoreError(f"client_encoding={encoding} cannot be: texts travel as UTF8")
    if said.get("replication", "false").lower() not in {"false", "off", "no", "0"}:
        raise StoreError("replication cannot be: such a connection takes no rows")
    if not writes:
        return
    if meant.read_only:
        raise StoreError("readOnly=true cannot be: ticks are written there")
    if (target := said.get("target_session_attrs", "")) in _NO_WRITING:
        raise StoreError(f"{target} servers (target_session_attrs, targetServerType) take no ticks")
    for option in _OPTION.findall(said.get("options", "")):
        name = option.replace("-", "_").lower()
        if name in _OURS:
            raise StoreError(f"options: {name} cannot be set there: {_OURS[name]}")


def _check_values(said: dict[str, str]) -> None:
    """Refuse values that libpq would refuse at every connection; it is asked by one to nowhere."""
    for name in _NUMBERS:
        if not re.fullmatch(r"-?[0-9]+", said.get(name, "0")):
            raise StoreError(f"{name} must be a whole number")
    hosts = (said.get("host") or said.get("hostaddr") or "").split(",")
    tried = said | {"hostaddr": "", "password": "", "host": ",".join(_NOWHERE for _ in hosts)}
    tried.pop("service", None)  # its file may be another user's
    connection = pq.PGconn.connect_start(make_conninfo("", **tried).encode())
    reason = connection.get_error_message().partition("\n")[0]
    connection.finish()
    if reason and _NOWHERE not in reason:
        raise StoreError(reason)
