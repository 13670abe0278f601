"""What the parameters of a JDBC address are to libpq: translated, nothing to us, or not to be had."""

from __future__ import annotations

import msgspec

from mdactors.errors import StoreError

_RENAMED = {
    "ApplicationName": "application_name",
    "channelBinding": "channel_binding",
    "connectTimeout": "connect_timeout",
    "kerberosServerName": "krbsrvname",
    "loginTimeout": "connect_timeout",
    "requireAuth": "require_auth",
    "sslNegotiation": "sslnegotiation",
}
"""libpq has the same under another name."""
_REWORDED: dict[str, tuple[str, dict[str, str]]] = {
    "gssEncMode": ("gssencmode", {"disable": "disable", "prefer": "prefer", "require": "require"}),
    "loadBalanceHosts": ("load_balance_hosts", {"true": "random", "false": "disable"}),
    # A certificate that is checked in full is what the driver means by ssl=true.
    "ssl": ("sslmode", {"true": "verify-full", "": "verify-full", "false": "prefer"}),
    "sslfactory": (
        "sslmode",
        {
            "org.postgresql.ssl.NonValidatingFactory": "require",
            # The driver's own.
            "org.postgresql.ssl.LibPQFactory": "", "org.postgresql.ssl.jdbc4.LibPQFactory": "",
        },
    ),
    "targetServerType": (
        "target_session_attrs",
        {
            "any": "any", "primary": "read-write", "master": "read-write", "secondary": "standby",
            "slave": "standby", "preferSecondary": "prefer-standby", "preferSlave": "prefer-standby",
        },
    ),
    "tcpKeepAlive": ("keepalives", {"true": "1", "false": "0"}),
}  # fmt: skip
"""libpq has the same in other words."""
_HARMLESS = frozenset(
    {
        # How the driver asks and what it keeps at hand.
        "adaptiveFetch", "adaptiveFetchMaximum", "adaptiveFetchMinimum", "autosave", "binaryTransfer",
        "binaryTransferDisable", "binaryTransferEnable", "cleanupSavepoints", "databaseMetadataCacheFields",
        "databaseMetadataCacheFieldsMiB", "defaultRowFetchSize", "disableColumnSanitiser",
        "escapeSyntaxCallMode", "groupStartupParameters", "maxResultBuffer", "maxSendBufferSize",
        "preferQueryMode", "prepareThreshold", "preparedStatementCacheQueries",
        "preparedStatementCacheSizeMiB", "quoteReturningIdentifiers", "raiseExceptionOnSilentRollback",
        "reWriteBatchedInserts", "readOnlyMode", "receiveBufferSize", "sendBufferSize", "stringtype",
        "tcpNoDelay", "unknownLength", "xmlFactoryFactory",
        # What it says in logs and in lists of tables.
        "hideUnprivilegedObjects", "logServerErrorDetail", "logUnclosedConnections", "loggerFile",
        "loggerLevel",
        # How long it waits: every wait of ours ends.
        "cancelSignalTimeout", "gssResponseTimeout", "hostRecheckSeconds", "socketTimeout",
        "sslResponseTimeout",
        # What it takes for granted: we ask the server, and never change its encoding.
        "allowEncodingChanges", "assumeMinServerVersion",
    }
)  # fmt: skip
"""They change how a driver works, not what a database is or is asked."""
NAMES = frozenset({*_RENAMED, *_REWORDED, *_HARMLESS, "currentSchema", "readOnly"})
"""Those that are translated or passed over."""
_NO_LIMIT = "0"


class Meaning(msgspec.Struct):
    """What some JDBC parameters say."""

    parameters: dict[str, str] = {}
    """By libpq's names."""
    schema: str = ""
    """The search path; empty where none is said."""
    read_only: bool = False
    harmless: list[str] = []
    """The names of those that say nothing to us."""


def meaning(said: dict[str, str]) -> Meaning:
    """What these parameters say; each is one of `NAMES`.

    Raises:
        StoreError: libpq has no such choice.
    """
    found = Meaning()
    # Who says ssl=true and a factory that checks nothing means the latter.
    for name in sorted(said, key="ssl".__eq__):
        value = said[name]
        if name == "currentSchema":
            found.schema = value
        elif name == "readOnly":
            found.read_only = value.lower() == "true"
        elif name in _RENAMED:
            if not (_RENAMED[name] == "connect_timeout" and value == _NO_LIMIT):
                found.parameters[_RENAMED[name]] = value
        elif name in _REWORDED:
            ours, words = _REWORDED[name]
            if translated := _translated(name, value, words):
                found.parameters.setdefault(ours, translated)
        else:
            found.harmless.append(name)
    return found


def _translated(name: str, value: str, words: dict[str, str]) -> str:
    for word, ours in words.items():
        if word.lower() == value.lower():
            return ours
    known = ", ".join(filter(None, words))
    raise StoreError(f"{name}={value} has no counterpart in libpq; there is {known}")
