"""What every cache of today's ticks does: in memory, and in a real Redis as JSON and packed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as client
from bench._servers import Redis, redis

from mdactors.config.settings import CacheSettings, RedisSettings
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.runtime import FakeClock
from mdactors.store.cache import OVERLAP_NS, Cache
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.cache_redis import RedisCache

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", etf=True)
NOON = 1_790_663_400_000_000_000  # 2026-09-29 12:00 IST
MIDNIGHT = NOON - 12 * 3600 * 10**9
SECOND = 1_000_000_000
MINUTE = 60 * SECOND

Make = Callable[..., Cache]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(params=["memory", "redis", "redis-packed"])
def make(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[Make]:
    """``make(minutes=1440, today=True)``: a cache of the kind; each of Redis's sees what the others wrote."""
    made: list[Cache] = []
    kind = request.param
    if kind != "memory":
        server: Redis = request.getfixturevalue("server")
        with client.Redis(port=server.port) as admin:
            admin.flushall()

    def build(minutes: int = 1440, *, today: bool = True) -> Cache:
        if kind == "memory":
            made.append(MemoryCache(minutes, today=today, clock=clock))
        else:
            mode = "off" if not today else "packed" if kind == "redis-packed" else "json"
            place = RedisSettings(port=server.port, timeout_seconds=5.0)
            settings = CacheSettings(kind="redis", today=mode, today_minutes=minutes, redis=place)
            made.append(RedisCache(settings, clock))
        return made[-1]

    yield build
    for cache in made:
        cache.close()


@pytest.fixture
def cache(make: Make) -> Cache:
    """A cache that is complete since noon."""
    made = make()
    assert made.resume(NOON) == NOON
    made.complete()
    return made


def tick(seq: int, received_ns: int, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", 1421.05 + seq, book=b"book", raw=b"raw", **said)
    return Tick(instrument, quote, "kite", 7, seq, received_ns)


def seqs(written: list[bytes]) -> list[int]:
    return [json.loads(line)["seq"] for line in written]


def test_a_tick_comes_back_as_it_is_on_the_websocket(cache: Cache):
    whole = tick(
        1, NOON, volume=5, open=1.0, high=2.0, low=0.5, previous_close=1400.0,
        exchange_time=NOON // 10**6 - 40, last_trade_time=NOON // 10**6 - 900,
        last_quantity=3, average_price=7.0,
    )  # fmt: skip
    bare = Tick(INFY, Quote("I", "ltp"), "upstox", 9, 4, NOON, snapshot=True, repeat=True, late=True)
    cache.write([whole, bare])
    assert cache.today(RELIANCE) == [encode(whole, View("quote"))]
    assert cache.today(INFY) == [encode(bare, View("quote"))]
    assert cache.newest(INFY) == encode(bare, View("quote"))


def test_ticks_come_in_their_order_and_from_a_time_on(cache: Cache):
    for seq in range(1, 201):
        cache.write([tick(seq, NOON + seq * SECOND)])
    assert seqs(cache.today(RELIANCE)) == list(range(1, 201))
    assert seqs(cache.today(RELIANCE, NOON + 150 * SECOND)) == list(range(150, 201))
    newest = cache.newest(RELIANCE)
    assert newest is not None
    assert seqs([newest]) == [200]


def test_the_newest_so_many_are_told_in_their_order(cache: Cache):
    cache.write([tick(seq, NOON + seq * SECOND) for seq in range(1, 201)])
    assert seqs(cache.today(RELIANCE, limit=3)) == [198, 199, 200]
    assert seqs(cache.today(RELIANCE, NOON + 199 * SECOND, 3)) == [199, 200]
    assert len(cache.today(RELIANCE, limit=1000)) == 200


def test_a_long_list_is_found_from_a_time_on(cache: Cache):
    for start in range(0, 6000, 1500):
        cache.write([tick(seq, NOON + seq * 10**6) for seq in range(start, start + 1500)])
    for first in (5999, 4000, 1):
        assert seqs(cache.today(RELIANCE, NOON + first * 10**6)) == list(range(first, 6000))
    assert cache.today(RELIANCE, NOON + 6000 * 10**6) == []


def test_an_unknown_instrument_has_nothing(cache: Cache):
    cache.write([])
    assert cache.today(INFY) == []
    assert cache.newest(INFY) is None
    assert cache.newest_ticks({INFY.token: INFY}) == []


def test_a_new_day_begins_empty(cache: Cache, clock: FakeClock):
    cache.write([tick(1, NOON), tick(1, NOON, INFY)])
    clock.advance(24 * 3600)
    cache.write([tick(2, clock.time_ns())])
    assert seqs(cache.today(RELIANCE, MIDNIGHT + 24 * 3600 * SECOND)) == [2]
    assert cache.today(INFY, MIDNIGHT + 24 * 3600 * SECOND) == []
    covered = cache.covered_from()
    assert covered is not None
    assert NOON < covered <= clock.time_ns()


def test_what_is_older_than_the_minutes_is_cut_within_two(make: Make, clock: FakeClock):
    cache = make(minutes=5)
    cache.resume(NOON)
    cache.complete()
    for second in range(1200):
        clock.advance(second - clock.monotonic())
        cache.write([tick(second + 1, clock.time_ns())])
    kept = seqs(cache.today(RELIANCE))
    assert kept == list(range(kept[0], 1201))
    assert 300 <= len(kept) <= 361
    covered = cache.covered_from()
    assert covered is not None
    assert NOON + (kept[0] - 1) * SECOND - SECOND <= covered <= clock.time_ns() - 240 * SECOND


def test_it_covers_what_it_was_asked_for_once_that_is_written(make: Make):
    cache = make()
    assert cache.covered_from() is None
    assert cache.resume(NOON - 15 * MINUTE) == NOON - 15 * MINUTE
    cache.write([tick(1, NOON - 15 * MINUTE)])
    assert cache.covered_from() is None
    cache.complete()
    assert cache.covered_from() == NOON - 15 * MINUTE


def test_a_cold_cache_wants_no_more_than_it_keeps(make: Make):
    assert make().resume(0) == MIDNIGHT
    assert make(minutes=30).resume(0) == NOON - 30 * MINUTE


def test_it_is_taken_up_where_it_was_left_and_skips_what_it_holds(cache: Cache):
    cache.write([tick(seq, NOON + seq * SECOND) for seq in range(1, 31)])
    again = cache.resume(0)
    assert again == NOON + 30 * SECOND - OVERLAP_NS
    assert cache.covered_from() is None
    cache.write([tick(seq, NOON + seq * SECOND) for seq in range(20, 41)])
    cache.write([tick(seq, NOON + seq * SECOND) for seq in range(39, 43)])
    cache.complete()
    cache.write([tick(43, NOON + 43 * SECOND)])
    assert seqs(cache.today(RELIANCE)) == list(range(1, 44))
    assert cache.covered_from() == NOON


def test_under_a_faster_clock_so_much_real_time_is_offered_again(make: Make, clock: FakeClock):
    clock.speed = 60
    cache = make()
    cache.resume(NOON)
    cache.complete()
    cache.write([tick(seq, NOON + seq * MINUTE) for seq in range(1, 31)])
    assert cache.resume(0) == NOON + 30 * MINUTE - 60 * OVERLAP_NS


def test_after_a_hole_that_nobody_fills_it_covers_what_came_later(cache: Cache, clock: FakeClock):
    cache.write([tick(1, NOON)])
    cache.resume(0)
    cache.complete(NOON + 60 * SECOND)
    clock.advance(61)
    cache.write([tick(9, clock.time_ns())])
    assert cache.covered_from() == NOON + 60 * SECOND


def test_a_normalizer_that_starts_again_numbers_anew(cache: Cache):
    cache.write([tick(5, NOON)])
    cache.resume(0)
    anew = tick(1, NOON + SECOND)
    anew.epoch = 8
    cache.write([tick(5, NOON), anew])
    assert seqs(cache.today(RELIANCE)) == [5, 1]


def test_live_ticks_pass_though_the_clock_went_back(cache: Cache):
    cache.write([tick(5, NOON)])
    earlier = tick(1, NOON + SECOND)
    earlier.epoch = 3
    cache.write([earlier])
    assert seqs(cache.today(RELIANCE)) == [5, 1]


def test_without_lists_there_are_newest_values_alone(make: Make):
    cache = make(today=False)
    cache.resume(NOON)
    cache.complete()
    cache.write([tick(1, NOON), tick(2, NOON)])
    assert cache.today(RELIANCE) == []
    assert cache.covered_from() is None
    newest = cache.newest(RELIANCE)
    assert newest is not None
    assert seqs([newest]) == [2]


def test_newest_ticks_carry_the_instruments_that_are_asked_for(cache: Cache):
    cache.write([tick(1, NOON), tick(2, NOON), tick(1, NOON, INFY)])
    renamed = Instrument(RELIANCE.token, "RELIANCE", "NSE", "NSE_EQ", "STOCK", RELIANCE.key, "BE")
    (found,) = cache.newest_ticks({RELIANCE.token: renamed})
    assert found.instrument is renamed
    assert (found.seq, found.quote.last_price) == (2, 1423.05)


def test_a_brokers_nonsense_costs_nobody_anything(cache: Cache):
    cache.write([tick(1, NOON, exchange_time=10**17), tick(2, NOON, exchange_time=-(10**17))])
    assert seqs(cache.today(RELIANCE)) == [1, 2]


def test_readers_in_other_threads_see_whole_ticks_in_order(cache: Cache):
    stop = threading.Event()
    bad: list[list[int]] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        while not stop.is_set():
            found = seqs(cache.today(RELIANCE, NOON))
            reads += 1
            if found and found != list(range(found[0], found[-1] + 1)):
                bad.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(0, 3000, 20):
        cache.write([tick(seq, NOON + seq * SECOND // 10) for seq in range(start, start + 20)])
    stop.set()
    reader.join()
    assert bad == []
    assert reads > 0
