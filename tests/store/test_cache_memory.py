"""What only the cache in memory does: its bounds, and what it says that it takes."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.runtime import FakeClock
from mdactors.store.cache_memory import MemoryCache

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", etf=True)
NOON = 1_790_663_400_000_000_000  # 2026-09-29 12:00 IST
SECOND = 1_000_000_000


def tick(seq: int, received_ns: int, instrument: Instrument = RELIANCE) -> Tick:
    quote = Quote("R", "full", 1421.05 + seq, book=b"book", raw=b"raw")
    return Tick(instrument, quote, "kite", 7, seq, received_ns)


def seqs(written: list[bytes]) -> list[int]:
    return [json.loads(line)["seq"] for line in written]


def cache_of(minutes: float, max_bytes: int = 512 * 1024 * 1024) -> MemoryCache:
    cache = MemoryCache(minutes, max_bytes, clock=FakeClock(NOON))
    cache.resume(NOON)
    cache.complete()
    return cache


def test_the_newest_is_found_though_its_minute_was_dropped():
    cache = cache_of(2)
    cache.write([tick(1, NOON, INFY)])
    for minute in range(1, 10):
        cache.write([tick(minute, NOON + minute * 60 * SECOND)])
    assert cache.today(INFY) == []
    newest = cache.newest(INFY)
    assert newest is not None
    assert seqs([newest]) == [1]


def test_it_counts_what_it_keeps():
    cache = cache_of(5)
    for second in range(1200):
        cache.write([tick(second + 1, NOON + second * SECOND)])
    stats = cache.stats()
    kept = len(cache.today(RELIANCE))
    assert (stats["ticks"], stats["written"], stats["instruments"]) == (kept, 1200, 1)


def test_memory_is_bounded_by_size_too_and_it_covers_no_more_than_is_left():
    cache = cache_of(1000, max_bytes=100_000)
    for seq in range(5000):
        cache.write([tick(seq, NOON + seq * SECOND)])
        assert cache.stats()["bytes"] <= 100_000 * 1.01
    kept = seqs(cache.today(RELIANCE))
    assert kept == list(range(kept[0], 5000))
    assert cache.stats()["bytes"] > 80_000
    assert cache.covered_from() == NOON + (kept[0] - 1) * SECOND + 1


@pytest.mark.parametrize(("instruments", "per_minute"), [(200, 1), (2, 300)])
def test_what_is_counted_is_what_memory_it_takes(instruments: int, per_minute: int):
    known = [Instrument(n, f"S{n}", "NSE", "NSE_EQ", "STOCK", f"K{n}") for n in range(instruments)]
    cache = cache_of(1440)
    cache.write([tick(0, NOON, instrument) for instrument in known])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    counted_before = cache.stats()["bytes"]
    for at in range(60 * per_minute):
        cache.write([tick(at, NOON + at * 60 * SECOND // per_minute, instrument) for instrument in known])
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    # Of each instrument the newest tick is held as an object, too: about 1 kB once.
    assert 0.85 <= (taken - instruments * 600) / (cache.stats()["bytes"] - counted_before) <= 1.1


def test_a_whole_day_is_kept_as_far_as_the_size_allows_and_then_loses_its_oldest():
    cache = cache_of(1440, max_bytes=1_000_000)
    morning = NOON - 165 * 60 * SECOND
    for minute in range(375):
        cache.write([tick(minute, morning + minute * 60 * SECOND)])
    assert seqs(cache.today(RELIANCE)) == list(range(375))
    for seq in range(375, 40_000):
        cache.write([tick(seq, morning + 375 * 60 * SECOND + seq)])
    kept = seqs(cache.today(RELIANCE))
    assert kept == list(range(kept[0], 40_000))
    assert kept[0] > 375
    assert cache.stats()["bytes"] <= 1_010_000
