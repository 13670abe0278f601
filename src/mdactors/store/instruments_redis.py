"""The lists of instruments in Redis, for other programs to read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence

import msgspec
import redis

from mdactors.config import CacheSettings
from mdactors.errors import StoreError
from mdactors.market.instrument import InstrumentRow
from mdactors.store.redis_client import FAILURES, connect

LIST_SECONDS = 86_400
"""How long a list is there unless it is written again."""
ELEMENTS = 1000
"""So many go to the server at once."""
_encode = msgspec.json.Encoder().encode


def write(settings: CacheSettings, rows: Iterable[InstrumentRow]) -> None:
    """Replace the lists of NSE's indices and shares, each at one instant.

    Raises:
        StoreError: the server is away or refused; lists that were not reached are as before.
    """
    lists: dict[str, list[bytes]] = {"indices": [], "stocks": []}
    for row in rows:
        if row.exchange == "NSE" and row.type == "INDEX":
            lists["indices"].append(_element(row))
        elif row.exchange == "NSE" and row.type == "STOCK" and row.tradable:
            lists["stocks"].append(_element(row))
    try:
        with connect(settings.redis) as client:
            for name, elements in lists.items():
                _replace(client, f"{settings.prefix}instruments:nse:{name}", elements)
    except FAILURES as error:
        raise StoreError(f"Redis: the lists of instruments cannot be written: {error}") from None


def _replace(client: redis.Redis, key: str, elements: Sequence[bytes]) -> None:
    if not elements:
        client.delete(key)
        return
    # A key of our own, beside it: who reads the list sees the old one or the new one.
    beside = f"{key}:{os.getpid()}.new"
    try:
        client.delete(beside)
        for start in range(0, len(elements), ELEMENTS):
            client.rpush(beside, *elements[start : start + ELEMENTS])
            client.expire(beside, LIST_SECONDS)
        client.rename(beside, key)
    except FAILURES:
        # Where that cannot be done either, it goes by itself in a day.
        with contextlib.suppress(*FAILURES):
            client.delete(beside)
        raise


def _element(row: InstrumentRow) -> bytes:
    return _encode(
        {
            "instrumentToken": row.token,
            "exchangeToken": row.token >> 8,
            "tradingSymbol": row.symbol,
            "type": row.type,
        }
    )
