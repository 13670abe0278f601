"""REST of today's ticks: out of the cache as far as it reaches, out of the store beyond, each tick once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench._servers import free_port
from tests.today import NOW_NS

from mdactors.config import CacheSettings
from mdactors.config.settings import RedisSettings
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.runtime import FakeClock
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.cache_redis import RedisCache
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors.web.rest_today import since_ns

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")
MS = 1_000_000
PATH = "/api/ticks/today/RELIANCE"


def at_ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * ist.SECOND_NS


@pytest.fixture
def now() -> int:
    """Nanoseconds; the stage's clock shows it, or little more."""
    return NOW_NS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteTicks]:
    made = SqliteTicks(SqliteDatabase(tmp_path / "ticks.db"))
    yield made
    made.close()


def series(
    now: int, count: int = 40, step_ns: int = 25 * MS + 333_333, instrument: Instrument = RELIANCE
) -> list[Tick]:
    """Ticks until just now, most of them no whole millisecond apart; some say an older exchange time."""
    ticks = []
    for n in range(1, count + 1):
        received = now - (count - n) * step_ns
        late = 400 if n % 7 == 0 else 20
        quote = Quote(
            "R",
            "full",
            100.0 + n,
            volume=n,
            exchange_time=max(received // MS - late, since_ns(now, None) // MS),
        )
        ticks.append(Tick(instrument, quote, "x", 7, n, received))
    return ticks


def keep(store: SqliteTicks, ticks: list[Tick]) -> None:
    store.write(ticks, None, Position("j", 1, 1, len(ticks)))


def cache_of(minutes: float, *, today: bool = True) -> MemoryCache:
    return MemoryCache(minutes, today=today, clock=FakeClock(NOW_NS))


def warm(ticks: list[Tick], from_ns: int, minutes: float = 1440) -> MemoryCache:
    """A cache that holds everything received since then."""
    cache = cache_of(minutes)
    cache.resume(from_ns)
    cache.write([tick for tick in ticks if tick.received_ns >= from_ns])
    cache.complete(from_ns)
    return cache


def sent(ticks: list[Tick]) -> list[Any]:
    return [json.loads(encode(tick, View())) for tick in ticks]


@pytest.mark.parametrize(
    ("now", "minutes", "since"),
    [
        ("2026-09-30T00:00:00+05:30", None, "2026-09-30T00:00:00+05:30"),
        ("2026-09-30T08:59:59+05:30", None, "2026-09-30T00:00:00+05:30"),
        ("2026-09-30T08:59:59+05:30", 5, "2026-09-30T08:54:59+05:30"),
        ("2026-09-30T00:04:00+05:30", 5, "2026-09-30T00:00:00+05:30"),
    ],
)
def test_today_begins_at_midnight_in_india_and_never_reaches_into_yesterday(now, minutes, since):
    assert since_ns(at_ns(now), minutes) == at_ns(since)


def test_the_cache_alone_answers_where_no_store_is(stage, now):
    ticks = series(now)
    stage.cache = warm(ticks, 0)
    stage.start()
    assert stage.get(PATH) == (200, sent(ticks))
    assert stage.get(f"{PATH}?limit=3") == (200, sent(ticks[-3:]))
    assert stage.get("/api/ticks/today/BSE:RELIANCE") == (200, [])


def test_last_minutes_bounds_the_time_of_receipt(stage, store, now):
    midnight = since_ns(now, None)
    ticks = series(now, 5, 40 * ist.SECOND_NS)
    recent = [tick for tick in ticks if tick.received_ns >= max(midnight, now - 60 * ist.SECOND_NS)]
    today = [tick for tick in ticks if tick.received_ns >= midnight]
    keep(store, ticks)
    stage.history = store
    for cache in (warm(ticks, 0), cache_of(1440)):
        other = type(stage)()
        try:
            other.history, other.cache = store, cache
            other.start()
            assert other.get(f"{PATH}?lastMinutes=1") == (200, sent(recent))
            assert other.get(PATH) == (200, sent(today))
        finally:
            other.close()


@pytest.mark.parametrize("seam", [0, 1, 17, 39, 40])
@pytest.mark.parametrize("shift_ns", [-1, 0, 1, 400_000])
def test_wherever_the_cache_begins_each_tick_comes_once_and_in_its_order(stage, store, now, seam, shift_ns):
    ticks = series(now)
    received = [tick.received_ns for tick in ticks] + [now + MS]
    keep(store, ticks)
    stage.history = store
    stage.cache = warm(ticks, received[seam] + shift_ns)
    stage.start()
    assert stage.get(PATH) == (200, sent(ticks))
    for limit in (1, 5, 39, 40, 41):
        assert stage.get(f"{PATH}?limit={limit}") == (200, sent(ticks[-limit:]))


def test_ticks_within_one_millisecond_are_not_torn_apart(stage, store, now):
    base = now // MS * MS - 10 * MS
    ticks = [
        Tick(
            RELIANCE, Quote("R", "full", 1.0 + n, exchange_time=base // MS), "x", 7, n + 1, base + n * 100_000
        )
        for n in range(30)
    ]
    keep(store, ticks)
    stage.history = store
    stage.cache = warm(ticks, base + 1_450_000)
    stage.start()
    assert stage.get(PATH) == (200, sent(ticks))


def test_what_the_cache_covers_is_not_asked_of_the_store(stage, store, now):
    ticks = series(now)
    stage.history, stage.cache = store, warm(ticks, now - 60 * ist.SECOND_NS)
    stage.start()
    store.close()
    whole = {"lastMinutes=1": True, "lastMinutes=2": False, "limit=40": True, "limit=41": False}
    assert {name: answered(stage, name)[1] for name in whole} == whole


def answered(stage: Any, query: str = "") -> tuple[Any, bool]:
    """The ticks, and whether the answer is whole."""
    status, headers, body = stage.http("GET", f"{PATH}?{query}")
    assert (status, headers.get("X-Complete")) in ((200, None), (200, "false"))
    return json.loads(body), "X-Complete" not in headers


def test_while_the_store_is_away_the_cache_answers_what_it_has_and_says_that_there_is_more(stage, store, now):
    ticks = series(now)
    keep(store, ticks)
    stage.history, stage.cache = store, warm(ticks, ticks[30].received_ns)
    stage.start()
    assert answered(stage) == (sent(ticks), True)
    store.close()
    assert answered(stage) == (sent(ticks[30:]), False)
    assert answered(stage, "limit=4") == (sent(ticks[-4:]), True)
    assert answered(stage, "limit=20") == (sent(ticks[30:]), False)


def test_while_the_store_is_away_a_cache_that_is_still_read_answers_what_it_has(stage, store, now):
    ticks = series(now)
    stage.history, stage.cache = store, cache_of(1440)
    stage.cache.resume(0)
    stage.cache.write(ticks)
    stage.start()
    store.close()
    assert answered(stage) == (sent(ticks), False)


def test_no_tick_within_the_cache_is_an_empty_answer_that_is_not_whole_while_the_store_is_away(
    stage, store, now
):
    stage.history, stage.cache = store, warm([], now - 60 * ist.SECOND_NS)
    stage.start()
    store.close()
    assert answered(stage) == ([], False)


def test_while_the_cache_is_away_the_newest_ticks_may_be_missing_and_the_answer_says_so(stage, store, now):
    ticks = series(now)
    keep(store, ticks)
    stage.history, stage.cache = store, away()
    stage.start()
    assert answered(stage) == (sent(ticks), False)
    stage.cache.close()


def test_a_cache_that_is_not_to_keep_today_is_not_missed(stage, store, now):
    ticks = series(now)
    keep(store, ticks)
    stage.history, stage.cache = store, cache_of(1440, today=False)
    stage.start()
    assert answered(stage) == (sent(ticks), True)


def test_without_a_store_an_answer_is_whole_once_the_cache_is(stage, now):
    ticks = series(now)
    stage.cache = cache_of(1440)
    stage.cache.resume(0)
    stage.cache.write(ticks)
    stage.start()
    assert answered(stage) == (sent(ticks), False)
    stage.cache.complete()
    assert answered(stage) == (sent(ticks), True)


def test_a_page_of_another_origin_may_read_whether_an_answer_is_whole(stage):
    stage.start()
    headers = stage.http("GET", PATH, {"Origin": "http://localhost:3000"})[1]
    assert headers["Access-Control-Expose-Headers"] == "X-Complete"


def away() -> RedisCache:
    """A cache whose server is not there."""
    server = RedisSettings(port=free_port(), timeout_seconds=0.2)
    return RedisCache(CacheSettings(kind="redis", redis=server), FakeClock(NOW_NS))


def test_a_cache_that_is_cold_or_away_costs_nothing(stage, store, now):
    ticks = series(now)
    keep(store, [*ticks, *series(now, instrument=INFY)])
    for cache in (cache_of(1440), away()):
        other = type(stage)()
        try:
            other.history, other.cache = store, cache
            other.start()
            assert other.get(PATH) == (200, sent(ticks))
            assert other.get(f"{PATH}?limit=7") == (200, sent(ticks[-7:]))
        finally:
            other.close()
            cache.close()


def test_yesterdays_ticks_are_not_todays(stage, store, now):
    midnight = since_ns(now, None)
    yesterday = [
        Tick(RELIANCE, Quote("R", "full", 1.0, exchange_time=midnight // MS + n), "x", 7, n, midnight - MS)
        for n in range(1, 4)
    ]
    ticks = series(now)
    keep(store, [*yesterday, *ticks])
    stage.history = store
    stage.start()
    assert stage.get(PATH) == (200, sent(ticks))


def test_with_neither_cache_nor_store_it_is_503_with_the_reason(stage, store, now):
    stage.history = store
    stage.start()
    store.close()
    status, body = stage.get(PATH)
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert "cannot be read" in body["error"]["message"]


def test_ticks_that_the_cache_forgets_while_it_is_read_are_not_lost(stage, store, now):
    ticks = series(now)
    keep(store, ticks)

    class Forgetful(MemoryCache):
        """Drops its oldest ticks right after the first look at how far it reaches back."""

        asked = 0

        def covered_from(self) -> int | None:
            covered = super().covered_from()
            self.asked += 1
            if self.asked == 1:
                with self._lock:
                    self._slices.popleft()
                    self._from_ns = ticks[30].received_ns
                self.write(ticks[30:])
            return covered

    cache = Forgetful(1440, clock=FakeClock(NOW_NS))
    cache.resume(ticks[0].received_ns)
    cache.write(ticks[:30])
    cache.complete(ticks[0].received_ns)
    stage.history, stage.cache = store, cache
    stage.start()
    assert stage.get(PATH) == (200, sent(ticks))
    assert cache.asked > 2
