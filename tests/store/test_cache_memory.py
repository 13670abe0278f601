"""Today's ticks in memory."""

from __future__ import annotations

import json
import threading
import tracemalloc
from typing import Any

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store.cache_memory import MemoryCache

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", etf=True)
NOON = 1_790_663_400_000_000_000  # 2026-09-29 12:00 IST
SECOND = 1_000_000_000


def tick(seq: int, received_ns: int, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", 1421.05 + seq, book=b"book", raw=b"raw", **said)
    return Tick(instrument, quote, "kite", 7, seq, received_ns)


def seqs(written: list[bytes]) -> list[int]:
    return [json.loads(line)["seq"] for line in written]


def test_a_tick_comes_back_as_it_is_on_the_websocket():
    cache = MemoryCache(10)
    whole = tick(
        1, NOON, volume=5, open=1.0, high=2.0, low=0.5, previous_close=1400.0,
        exchange_time=NOON // 10**6 - 40, last_trade_time=NOON // 10**6 - 900,
        last_quantity=3, average_price=7.0,
    )  # fmt: skip
    bare = Tick(INFY, Quote("I", "ltp"), "upstox", 9, 4, NOON, snapshot=True, repeat=True, late=True)
    cache.write([whole, bare])
    assert cache.today(RELIANCE.token) == [encode(whole, View("quote"))]
    assert cache.today(INFY.token) == [encode(bare, View("quote"))]


def test_ticks_come_in_their_order_and_from_a_time_on():
    cache = MemoryCache(10)
    for seq in range(1, 201):
        cache.write([tick(seq, NOON + seq * SECOND)])
    assert seqs(cache.today(RELIANCE.token)) == list(range(1, 201))
    assert seqs(cache.today(RELIANCE.token, NOON + 150 * SECOND)) == list(range(150, 201))
    newest = cache.newest(RELIANCE.token)
    assert newest is not None
    assert seqs([newest]) == [200]


def test_an_unknown_instrument_has_nothing():
    cache = MemoryCache(10)
    cache.write([])
    assert cache.today(1) == []
    assert cache.newest(1) is None
    assert cache.stats()["ticks"] == 0


def test_the_newest_is_found_behind_slices_without_the_instrument():
    cache = MemoryCache(10)
    cache.write([tick(1, NOON, INFY)])
    for minute in range(1, 5):
        cache.write([tick(minute, NOON + minute * 60 * SECOND)])
    newest = cache.newest(INFY.token)
    assert newest is not None
    assert seqs([newest]) == [1]


def test_what_is_older_than_the_minutes_is_dropped_within_a_minute():
    cache = MemoryCache(5)
    for second in range(1200):
        cache.write([tick(second, NOON + second * SECOND)])
    kept = seqs(cache.today(RELIANCE.token))
    assert kept == list(range(kept[0], 1200))
    assert 300 <= len(kept) <= 361
    stats = cache.stats()
    assert (stats["ticks"], stats["written"], stats["instruments"]) == (len(kept), 1200, 1)


def test_memory_is_bounded_by_size_too():
    cache = MemoryCache(1000, max_bytes=100_000)
    for seq in range(5000):
        cache.write([tick(seq, NOON + seq)])
        assert cache.stats()["bytes"] <= 100_000 * 1.01
    kept = seqs(cache.today(RELIANCE.token))
    assert kept == list(range(kept[0], 5000))
    assert cache.stats()["bytes"] > 80_000


@pytest.mark.parametrize(("instruments", "per_minute"), [(200, 1), (2, 300)])
def test_what_is_counted_is_what_memory_it_takes(instruments: int, per_minute: int):
    known = [Instrument(n, f"S{n}", "NSE", "NSE_EQ", "STOCK", f"K{n}") for n in range(instruments)]
    cache = MemoryCache(1440)
    cache.write([tick(0, NOON, instrument) for instrument in known])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    counted_before = cache.stats()["bytes"]
    for at in range(60 * per_minute):
        cache.write([tick(at, NOON + at * 60 * SECOND // per_minute, instrument) for instrument in known])
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.85 <= taken / (cache.stats()["bytes"] - counted_before) <= 1.1


def test_a_whole_day_is_kept_as_far_as_the_size_allows_and_then_loses_its_oldest():
    cache = MemoryCache(1440, max_bytes=1_000_000)
    morning = NOON - 165 * 60 * SECOND
    for minute in range(375):
        cache.write([tick(minute, morning + minute * 60 * SECOND)])
    assert seqs(cache.today(RELIANCE.token)) == list(range(375))
    for seq in range(375, 40_000):
        cache.write([tick(seq, morning + 375 * 60 * SECOND + seq)])
    kept = seqs(cache.today(RELIANCE.token))
    assert kept == list(range(kept[0], 40_000))
    assert kept[0] > 375
    assert cache.stats()["bytes"] <= 1_010_000


def test_the_newest_so_many_are_told_in_their_order():
    cache = MemoryCache(10)
    for seq in range(1, 201):
        cache.write([tick(seq, NOON + seq * SECOND)])
    assert seqs(cache.today(RELIANCE.token, limit=3)) == [198, 199, 200]
    assert seqs(cache.today(RELIANCE.token, NOON + 199 * SECOND, 3)) == [199, 200]
    assert len(cache.today(RELIANCE.token, limit=1000)) == 200


def test_a_new_day_begins_empty():
    cache = MemoryCache(10_000)
    cache.write([tick(1, NOON), tick(1, NOON, INFY)])
    cache.write([tick(2, NOON + 24 * 3600 * SECOND)])
    assert seqs(cache.today(RELIANCE.token)) == [2]
    assert cache.today(INFY.token) == []
    assert cache.stats()["ticks"] == 1


def test_readers_in_other_threads_see_whole_ticks_in_order():
    cache = MemoryCache(60, max_bytes=300_000)
    stop = threading.Event()
    bad: list[list[int]] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        while not stop.is_set():
            found = seqs(cache.today(RELIANCE.token, NOON))
            reads += 1
            if found and found != list(range(found[0], found[-1] + 1)):
                bad.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(0, 5000, 20):
        cache.write([tick(seq, NOON + seq * SECOND // 10) for seq in range(start, start + 20)])
    stop.set()
    reader.join()
    assert bad == []
    assert reads > 0
