"""The tables of our SQLite file, version by version."""

from __future__ import annotations

import logging
import sqlite3

import msgspec

from mdactors.errors import StoreError

logger = logging.getLogger(__name__)


class Migration(msgspec.Struct, frozen=True):
    """One step forward; it is never changed once it was released."""

    makes: tuple[str, ...]
    """The tables, indexes and views that are ours from then on."""
    statements: tuple[str, ...]


_TICKS = """
CREATE TABLE ticks (
    instrument_token INTEGER NOT NULL,
    tradingsymbol TEXT NOT NULL,
    exchange TEXT NOT NULL,
    tick_timestamp INTEGER NOT NULL,
    raw_tick_data BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    last_price REAL,
    volume INTEGER,
    open REAL,
    high REAL,
    low REAL,
    previous_close REAL,
    open_interest INTEGER,
    average_price REAL,
    last_quantity INTEGER,
    buy_quantity INTEGER,
    sell_quantity INTEGER,
    depth BLOB,
    greeks BLOB,
    iv REAL,
    last_trade_time INTEGER,
    source TEXT NOT NULL,
    flags INTEGER NOT NULL
)"""

_KITE_TICKS_DATA = """
CREATE VIEW kite_ticks_data AS
SELECT instrument_token, tradingsymbol, exchange, tick_timestamp, raw_tick_data FROM ticks"""

# From one token to the next and there to the newest entry of the index: a few steps for each
# instrument, where grouping would read every tick that was ever kept.
_LIVE_PRICES = """
CREATE VIEW live_prices AS
WITH RECURSIVE tokens(token) AS (
    SELECT min(instrument_token) FROM ticks
    UNION ALL
    SELECT (SELECT min(instrument_token) FROM ticks WHERE instrument_token > token)
    FROM tokens WHERE token IS NOT NULL
)
SELECT instrument_token, instrument_key, tradingsymbol, exchange, type, tick_timestamp, received_at,
    last_price, volume, open, high, low, previous_close, open_interest, source
FROM tokens JOIN ticks ON ticks.rowid = (
    SELECT rowid FROM ticks WHERE instrument_token = token
    ORDER BY tick_timestamp DESC, epoch DESC, seq DESC LIMIT 1
)"""

_BARS = """
CREATE TABLE {} (
    instrument_key TEXT NOT NULL,
    ts INTEGER NOT NULL,
    open REAL NOT NULL,
    high REAL NOT NULL,
    low REAL NOT NULL,
    close REAL NOT NULL,
    volume INTEGER NOT NULL,
    PRIMARY KEY (instrument_key, ts)
) WITHOUT ROWID"""

MIGRATIONS = (
    Migration(
        ("ticks", "ticks_by_token"),
        (_TICKS, "CREATE INDEX ticks_by_token ON ticks (instrument_token, tick_timestamp DESC)"),
    ),
    Migration(
        (
            "ticks_by_symbol", "ticks_by_exchange", "ticks_by_receipt", "kite_ticks_data", "live_prices",
            "journal_positions", "refused_ticks", "market_ohlc", "market_ohlc_1m",
        ),
        (
            "ALTER TABLE ticks ADD COLUMN instrument_key TEXT NOT NULL DEFAULT ''",
            "CREATE INDEX ticks_by_symbol ON ticks (tradingsymbol, tick_timestamp DESC)",
            "CREATE INDEX ticks_by_exchange ON ticks (exchange, tick_timestamp DESC)",
            "CREATE INDEX ticks_by_receipt ON ticks (received_at)",
            _KITE_TICKS_DATA,
            _LIVE_PRICES,
            """
CREATE TABLE journal_positions (
    journal TEXT NOT NULL PRIMARY KEY, segment INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    ticks INTEGER NOT NULL
) WITHOUT ROWID""",
            """
CREATE TABLE refused_ticks (
    journal TEXT NOT NULL, segment INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    reason TEXT NOT NULL, at INTEGER NOT NULL, tick BLOB NOT NULL
)""",
            _BARS.format("market_ohlc"),
            _BARS.format("market_ohlc_1m"),
        ),
    ),
    # What is too old is found without reading all that was ever refused.
    Migration(("refused_ticks_by_time",), ("CREATE INDEX refused_ticks_by_time ON refused_ticks (at)",)),
    # What a journal did not have any more when its ticks were asked for.
    Migration(
        ("journal_gaps",),
        (
            """
CREATE TABLE journal_gaps (
    journal TEXT NOT NULL, ticks INTEGER NOT NULL, received_after INTEGER, received_before INTEGER
)""",
        ),
    ),
    # Which part of the day a bar is of, and who made it; the latter stays the last column.
    Migration(
        (),
        (
            "ALTER TABLE market_ohlc ADD COLUMN phase TEXT NOT NULL DEFAULT 'open'",
            "ALTER TABLE market_ohlc ADD COLUMN source TEXT NOT NULL DEFAULT 'ticks'",
            "ALTER TABLE market_ohlc_1m ADD COLUMN phase TEXT NOT NULL DEFAULT 'open'",
            "ALTER TABLE market_ohlc_1m ADD COLUMN source TEXT NOT NULL DEFAULT 'ticks'",
        ),
    ),
    Migration((), ("ALTER TABLE ticks ADD COLUMN extra BLOB",)),
    # How far bars are made of each journal's ticks.
    Migration(
        ("bar_positions",),
        (
            """
CREATE TABLE bar_positions (
    journal TEXT NOT NULL PRIMARY KEY, received INTEGER NOT NULL, exchange INTEGER NOT NULL,
    receipt INTEGER NOT NULL
) WITHOUT ROWID""",
        ),
    ),
)  # fmt: skip
"""The version of a file is how many of these it has been through."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file up to date, each step in a transaction of its own; nothing happens where it is.

    Raises:
        StoreError: it is newer than this program, or holds something of our names that is not ours.
        sqlite3.Error: it cannot be read or written.
    """
    # Without a lock at first: who opens a file that is up to date does not wait for its writer.
    while _version(connection) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may be at it as well.
            if (done := _version(connection)) < len(MIGRATIONS):
                _step(connection, done)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    if "schema_version" not in _names(connection):
        return 0
    versions = [version for (version,) in connection.execute("SELECT version FROM schema_version")]
    if len(versions) != 1 or versions[0] not in range(1, len(MIGRATIONS) + 1):
        raise StoreError(f"schema version {versions} is not 1 to {len(MIGRATIONS)}; move the file away")
    return int(versions[0])


def _step(connection: sqlite3.Connection, done: int) -> None:
    # Also what later steps make: a file that is somebody else's is left as it is.
    names, later = _names(connection), [name for each in MIGRATIONS[done:] for name in each.makes]
    for name in later:
        if name in names:
            raise StoreError(f"holds a {names[name]} {name} that is not ours; choose another store.path")
    migration = MIGRATIONS[done]
    if done and connection.execute("SELECT EXISTS (SELECT 1 FROM ticks)").fetchone()[0]:
        logger.info("brings the file from schema version %d to %d; this may take a while", done, done + 1)
    for statement in migration.statements:
        connection.execute(statement)
    if done == 0:
        connection.execute("CREATE TABLE schema_version AS SELECT 1 AS version")
    connection.execute("UPDATE schema_version SET version = ?", (done + 1,))


def _names(connection: sqlite3.Connection) -> dict[str, str]:
    """What kind of thing each name of the file is."""
    return {
        str(name).lower(): kind for name, kind in connection.execute("SELECT name, type FROM sqlite_schema")
    }
