"""Deletes what is too old out of the SQLite file, in small transactions."""

from __future__ import annotations

from mdactors.store.sqlite import SqliteDatabase

SLICE_ROWS = 2000
"""How many old rows one transaction deletes."""
SLICES = 30
"""How many slices of each table one `forget` deletes: it must not hold up the ticks for long.
Every five minutes so many are 17 million rows a day."""
TICKS = (
    "DELETE FROM ticks WHERE rowid IN (SELECT rowid FROM ticks WHERE received_at < ? "
    "ORDER BY received_at LIMIT ?)"
)
REFUSED = (
    "DELETE FROM refused_ticks WHERE rowid IN (SELECT rowid FROM refused_ticks WHERE at < ? "
    "ORDER BY at LIMIT ?)"
)
# From key to key, as the view live_prices goes from token to token: each instrument's bars lie in the
# order of their time, so that the old ones are found without an index that every new bar would pay for.
SECONDS = """
DELETE FROM market_ohlc WHERE (instrument_key, ts) IN (
    WITH RECURSIVE keys(key) AS (
        SELECT min(instrument_key) FROM market_ohlc
        UNION ALL
        SELECT (SELECT min(instrument_key) FROM market_ohlc WHERE instrument_key > key)
        FROM keys WHERE key IS NOT NULL
    )
    SELECT instrument_key, ts FROM keys CROSS JOIN market_ohlc ON instrument_key = key AND ts < ? LIMIT ?
)"""


def forget(database: SqliteDatabase, before_ms: int) -> None:
    """Delete the ticks, refused ticks and bars of a second from before then, as far as one call may.

    Raises:
        StoreError: the file failed; what was deleted by then stays deleted.
    """
    for statement in (TICKS, REFUSED, SECONDS):
        for _ in range(SLICES):
            with database.transaction() as connection:
                deleted = connection.execute(statement, (before_ms, SLICE_ROWS)).rowcount
            if deleted < SLICE_ROWS:
                break
