"""History while the store is away: what the cache knows of that time, and whether that is all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as client
from bench._servers import Redis, redis

from mdactors.config.settings import CacheSettings, RedisSettings
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.runtime import FakeClock
from mdactors.store.cache import Cache
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.cache_redis import RedisCache
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors.web.rest_today import AHEAD_NS

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
MS = 1_000_000
OPEN = 1_795_146_300_000
"""2026-11-20T09:15:00+05:30."""
PATH = "/api/ticks/historical?symbol=RELIANCE"
DAY = f"{PATH}&startTime=2026-11-20&endTime=2026-11-20"


def tick(seq: int, at_ms: int, received_ms: int | None = None, **said: Any) -> Tick:
    quote = Quote("R", "full", 1421.05 + seq, volume=seq, previous_close=1400.0, exchange_time=at_ms, **said)
    received = (at_ms + 37 if received_ms is None else received_ms) * MS
    return Tick(RELIANCE, quote, "x", 7, seq, received)


TICKS = [tick(n, OPEN + 1000 * n) for n in range(10)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(params=["memory", "json", "packed"])
def cache(request: pytest.FixtureRequest) -> Iterator[Cache]:
    """A cache that has held everything since midnight."""
    made: Cache
    if request.param == "memory":
        made = MemoryCache(1440, clock=FakeClock(OPEN * MS))
    else:
        server: Redis = request.getfixturevalue("server")
        with client.Redis(port=server.port) as admin:
            admin.flushall()
        place = RedisSettings(port=server.port, timeout_seconds=5.0)
        settings = CacheSettings(kind="redis", today=request.param, redis=place)
        made = RedisCache(settings, FakeClock(OPEN * MS))
    made.resume(0)
    made.write(TICKS)
    made.complete()
    yield made
    made.close()


@pytest.fixture
def serve(stage: Any, tmp_path: Path) -> Callable[[Cache], Any]:
    """``serve(cache)``: a server whose store is away."""

    def start(cache: Cache) -> Any:
        stage.history, stage.cache = SqliteTicks(SqliteDatabase(tmp_path / "away.db")), cache
        stage.history.close()
        return stage.start()

    return start


def ask(stage: Any, path: str) -> tuple[Any, bool]:
    """The ticks, and whether the answer is whole."""
    status, headers, body = stage.http("GET", path)
    assert (status, headers.get("X-Complete")) in ((200, None), (200, "false")), body
    return json.loads(body), "X-Complete" not in headers


def sent(ticks: list[Tick], mode: Any = "quote") -> list[Any]:
    return [json.loads(encode(each, View(mode))) for each in ticks]


def test_what_every_cache_knows_of_that_time_is_answered_by_the_time_of_the_exchange(serve, cache):
    stage = serve(cache)
    span = f"{PATH}&startTime=2026-11-20T09:15:03&endTime=2026-11-20T09:15:06"
    assert ask(stage, span) == (sent(TICKS[3:7]), True)
    assert ask(stage, f"{span}&limit=2") == (sent(TICKS[3:5]), True)
    assert ask(stage, f"{span}&mode=ltp") == (sent(TICKS[3:7], "ltp"), True)
    assert ask(stage, f"{span}&fields=seq,ohlc.close&limit=1")[0] == [{"seq": 3, "ohlc.close": 1400.0}]
    assert ask(stage, f"{PATH}&startTime=2026-11-20T09:16&endTime=2026-11-20T09:17") == ([], True)


def test_books_are_in_no_cache_so_that_an_answer_with_them_is_not_whole(serve, cache):
    assert ask(serve(cache), f"{DAY}&mode=full") == (sent(TICKS), False)


def partial(from_ns: int) -> MemoryCache:
    """A cache that has held everything since then."""
    made = MemoryCache(1440, clock=FakeClock(OPEN * MS))
    made.resume(from_ns)
    made.write([each for each in TICKS if each.received_ns >= from_ns])
    made.complete(from_ns)
    return made


def test_a_cache_that_begins_later_than_was_asked_for_answers_what_it_has(serve):
    assert ask(serve(partial(TICKS[4].received_ns)), DAY) == (sent(TICKS[4:]), False)


def test_a_cache_of_a_later_time_knows_nothing(serve):
    stage = serve(partial(TICKS[4].received_ns))
    for span in ("startTime=2026-11-19&endTime=2026-11-19", f"startTime={OPEN}&endTime={OPEN + 3000}"):
        status, body = stage.get(f"{PATH}&{span}")
        assert (status, body["error"]["code"]) == (503, "unavailable")


def test_an_answer_is_whole_where_the_cache_began_before_any_clock_could_be(serve):
    far, near = (partial(OPEN * MS - before) for before in (AHEAD_NS, AHEAD_NS - ist.SECOND_NS))
    span = f"{PATH}&startTime={OPEN}&endTime={OPEN + 2000}"
    stage = serve(far)
    assert ask(stage, span) == (sent(TICKS[:3]), True)
    other = type(stage)()
    try:
        other.history, other.cache = stage.history, near
        assert ask(other.start(), span) == (sent(TICKS[:3]), False)
    finally:
        other.close()


def test_ticks_are_in_the_order_of_the_store_whenever_they_were_received(serve):
    late = [tick(11, OPEN + 500, OPEN + 9000), tick(12, OPEN + 1000, OPEN + 9001)]
    cache = partial(0)
    cache.write(late)
    seqs = [each["seq"] for each in ask(serve(cache), DAY)[0]]
    assert seqs == [0, 11, 1, 12, 2, 3, 4, 5, 6, 7, 8, 9]


def test_lines_and_tables_are_answered_too_and_say_that_they_are_not_whole(serve):
    stage = serve(partial(TICKS[8].received_ns))
    for form, lines in (("ndjson", 2), ("csv", 3)):
        status, headers, body = stage.http("GET", f"{DAY}&format={form}")
        assert (status, headers["X-Complete"], len(body.splitlines())) == (200, "false", lines)


def test_a_contract_that_is_listed_no_more_is_not_looked_for(serve):
    stage = serve(partial(0))
    assert stage.get("/api/ticks/historical?instrumentToken=1&startTime=2026-11-20")[0] == 503
