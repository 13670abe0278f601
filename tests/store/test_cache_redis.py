"""What only the cache in Redis does: its keys, and what it does when the server fails."""

from __future__ import annotations

import json
import logging
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis as client
from bench._servers import Redis, redis
from tests.certificates import Authority

from mdactors.adapter import Secret
from mdactors.config.settings import CacheSettings, RedisSettings
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Depth, Level, Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.runtime import FakeClock
from mdactors.store.cache import CacheAway
from mdactors.store.cache_redis import RedisCache

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
BSE_RELIANCE = Instrument(
    128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", own_name="BSE:RELIANCE"
)
SENSEX = Instrument(265, "SENSEX", "BSE", "BSE_INDEX", "INDEX", "BSE_INDEX|SENSEX")
SIXTY = Instrument(403209, "BSE SENSEX SIXTY 65:35", "BSE", "BSE_INDEX", "INDEX", "BSE_INDEX|SS6535")
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
NOON = 1_790_663_400_000_000_000  # 2026-09-29 12:00 IST
SECOND = 1_000_000_000
TIMEOUT = 0.3
TWO_DAYS = 172_800
LIST = "ticks:2026-09-29:RELIANCE"


class BookedQuote(Quote, gc=False):
    """A quote whose book is at hand."""

    def depth(self) -> Depth | None:
        return Depth((Level(1421.0, 5, 2),), (Level(1421.05, 7),)) if self.book else None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with redis(tmp_path) as started:
        yield started


@pytest.fixture
def look(server: Redis) -> Iterator[client.Redis]:
    """What another program sees."""
    with client.Redis(port=server.port, decode_responses=True) as looking:
        yield looking


@pytest.fixture
def make(server: Redis) -> Iterator[Callable[..., RedisCache]]:
    made: list[RedisCache] = []

    def build(timeout: float = TIMEOUT, **changed: Any) -> RedisCache:
        place = RedisSettings(port=server.port, timeout_seconds=timeout)
        made.append(
            RedisCache(CacheSettings(**{"kind": "redis", "redis": place, **changed}), FakeClock(NOON))
        )
        return made[-1]

    yield build
    for cache in made:
        cache.close()


@pytest.fixture
def cache(make: Callable[..., RedisCache]) -> RedisCache:
    return ready(make())


def ready(cache: RedisCache) -> RedisCache:
    cache.resume(NOON)
    cache.complete()
    return cache


def tick(seq: int, received_ns: int = NOON, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    return Tick(instrument, BookedQuote("R", "full", 1421.05, **said), "kite", 7, seq, received_ns)


def seqs(elements: list[Any]) -> list[int]:
    return [json.loads(element)["seq"] for element in elements]


# --- Keys


def test_each_tick_is_in_its_list_as_on_the_websocket(cache: RedisCache, look: client.Redis) -> None:
    instruments = (RELIANCE, NIFTY, BSE_RELIANCE, SENSEX, SIXTY)
    ticks = [tick(seq, instrument=instrument) for seq, instrument in enumerate(instruments, 1)]
    cache.write(ticks)
    symbols = ("RELIANCE", "NIFTY 50", "BSE:RELIANCE", "SENSEX", "BSE SENSEX SIXTY 65:35")
    keys = [f"ticks:2026-09-29:{symbol}" for symbol in symbols]
    assert [json.loads(encode(each, View("quote")))["symbol"] for each in ticks] == list(symbols)
    assert [seqs(cache.today(each)) for each in instruments] == [[1], [2], [3], [4], [5]]
    assert [look.lrange(key, 0, -1) for key in keys] == [
        [encode(each, View("quote")).decode()] for each in ticks
    ]
    assert all(TWO_DAYS - 5 <= look.ttl(key) <= TWO_DAYS for key in keys)


def test_a_lists_life_begins_with_it_and_is_not_prolonged(cache: RedisCache, look: client.Redis) -> None:
    cache.write([tick(1)])
    look.expire(LIST, 1000)
    cache.write([tick(2)])
    assert look.ttl(LIST) <= 1000


def test_the_date_is_that_of_the_tick(cache: RedisCache, look: client.Redis) -> None:
    last_night = NOON // 10**6 - 13 * 3600 * 1000
    cache.write([tick(1, exchange_time=last_night)])
    assert look.exists("ticks:2026-09-28:RELIANCE")
    assert seqs(cache.today(RELIANCE)) == [1]
    cache.write([tick(2)])
    assert seqs(cache.today(RELIANCE)) == [2]


def test_newest_values_are_the_newest_and_stay(cache: RedisCache, look: client.Redis) -> None:
    cache.write([tick(1), tick(2, book=b"book"), tick(3, instrument=BSE_RELIANCE)])
    flat = encode(tick(2), View(shape="flat")).decode()
    assert look.get("LIVE:TICK:NSE_EQ|RELIANCE") == flat
    assert look.get("LIVE:DEPTH:NSE_EQ|RELIANCE") == (
        '{"buy":[{"price":1421.0,"quantity":5,"orders":2}],"sell":[{"price":1421.05,"quantity":7}]}'
    )
    assert look.exists("LIVE:TICK:BSE_EQ|RELIANCE")
    assert not look.exists("LIVE:DEPTH:BSE_EQ|RELIANCE")
    assert look.ttl("LIVE:TICK:NSE_EQ|RELIANCE") == -1


def test_only_keys_behind_the_prefix_are_touched(make: Callable[..., RedisCache], look: client.Redis) -> None:
    look.set("theirs", "1")
    ready(make(prefix="md:")).write([tick(1, book=b"book")])
    assert set(look.keys()) == {
        "theirs", f"md:{LIST}", "md:LIVE:TICK:NSE_EQ|RELIANCE", "md:LIVE:DEPTH:NSE_EQ|RELIANCE",
        "md:mdactors:cache",
    }  # fmt: skip


def test_somebody_elses_key_of_our_name_costs_only_itself(
    cache: RedisCache, look: client.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    look.set(LIST, "theirs")
    for seq in (1, 2):
        cache.write([tick(seq), tick(seq, instrument=NIFTY)])
    assert look.get(LIST) == "theirs"
    assert seqs(look.lrange("ticks:2026-09-29:NIFTY 50", 0, -1)) == [1, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert LIST in caplog.text
    with pytest.raises(CacheAway, match="WRONGTYPE"):
        cache.today(RELIANCE)
    assert seqs(cache.today(NIFTY)) == [1, 2]


def test_a_list_of_both_kinds_of_elements_is_read(make: Callable[..., RedisCache]) -> None:
    ready(make(today="json")).write([tick(1)])
    packed = ready(make(today="packed"))
    packed.write([tick(2, NOON + SECOND)])
    assert packed.today(RELIANCE) == [
        encode(each, View("quote")) for each in (tick(1), tick(2, NOON + SECOND))
    ]
    assert seqs(packed.today(RELIANCE, NOON + 1)) == [2]


def test_older_ticks_that_are_read_again_do_not_replace_newer_values(
    cache: RedisCache, look: client.Redis
) -> None:
    cache.resume(NOON)
    cache.show([tick(9, NOON + 9 * SECOND)])
    cache.write([tick(3, NOON + 3 * SECOND)])
    assert seqs(look.lrange(LIST, 0, -1)) == [3]
    assert json.loads(str(look.get("LIVE:TICK:NSE_EQ|RELIANCE")))["seq"] == 9


# --- A process that comes back


def test_another_process_goes_on_behind_what_is_written(
    cache: RedisCache, make: Callable[..., RedisCache], look: client.Redis
) -> None:
    cache.write([tick(1), tick(2, NOON + SECOND), tick(1, instrument=NIFTY)])
    other = make()
    assert other.resume(NOON - 900 * SECOND) < NOON
    other.write([tick(2, NOON + SECOND), tick(3, NOON + 2 * SECOND)])
    other.complete()
    assert seqs(look.lrange(LIST, 0, -1)) == [1, 2, 3]
    assert other.covered_from() == NOON


def test_another_process_knows_the_newest_before_the_first_tick(
    cache: RedisCache, make: Callable[..., RedisCache]
) -> None:
    cache.write([tick(1), tick(2, volume=5, high=7.5)])
    other = make()
    other.resume(NOON)
    (newest,) = other.newest_ticks({RELIANCE.token: RELIANCE})
    assert encode(newest, View("quote")) == encode(tick(2, volume=5, high=7.5), View("quote"))
    assert other.newest(RELIANCE) == encode(newest, View("quote"))


def test_two_who_write_the_same_keys_do_not_double_anything(
    cache: RedisCache, make: Callable[..., RedisCache], look: client.Redis
) -> None:
    other = ready(make())
    with pytest.raises(CacheAway, match="somebody else"):
        cache.write([tick(1)])
    other.write([tick(1)])
    assert seqs(look.lrange(LIST, 0, -1)) == [1]


# --- A server that fails


def test_a_server_that_was_emptied_is_noticed_by_the_next_write(
    cache: RedisCache, look: client.Redis
) -> None:
    cache.write([tick(1)])
    look.flushall()
    with pytest.raises(CacheAway):
        cache.write([tick(2)])
    assert cache.covered_from() is None
    assert look.keys() == []
    assert cache.resume(NOON - 60 * SECOND) == NOON - 60 * SECOND
    cache.write([tick(1), tick(2)])
    cache.complete()
    assert seqs(look.lrange(LIST, 0, -1)) == [1, 2]


def test_an_emptied_server_is_given_the_newest_of_what_ticks_no_more(
    cache: RedisCache, look: client.Redis
) -> None:
    cache.write([tick(1), tick(1, instrument=NIFTY)])
    look.flushall()
    cache.resume(NOON)
    cache.write([tick(1), tick(2)])
    assert not look.exists("LIVE:TICK:NSE_EQ|RELIANCE")
    cache.complete()
    assert json.loads(str(look.get("LIVE:TICK:NSE_EQ|RELIANCE")))["seq"] == 2
    assert json.loads(str(look.get("LIVE:TICK:NSE_INDEX|NIFTY 50")))["seq"] == 1


def test_a_killed_server_costs_one_call_and_then_nothing(
    cache: RedisCache, server: Redis, caplog: pytest.LogCaptureFixture, wait_until: Callable[..., None]
) -> None:
    caplog.set_level(logging.INFO, "mdactors")
    cache.write([tick(1)])
    server.stop(signal.SIGKILL)
    for attempt in range(200):
        with pytest.raises(CacheAway):
            cache.resume(0) if attempt else cache.write([tick(2)])
    assert cache.stats()["failed"] <= 2
    assert cache.covered_from() is None
    with pytest.raises(CacheAway):
        cache.today(RELIANCE)
    server.start()
    wait_until(lambda: comes_back(cache))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "is back" in caplog.text


def comes_back(cache: RedisCache) -> bool:
    try:
        cache.resume(NOON)
    except CacheAway:
        return False
    return True


def test_a_hung_server_costs_a_time_out_and_then_nothing(
    make: Callable[..., RedisCache], server: Redis
) -> None:
    cache = ready(make(timeout=1.0))
    cache.write([tick(1)])
    cache.today(RELIANCE)
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(CacheAway):
        cache.write([tick(2)])
    assert 0.99 < time.monotonic() - began < 1.9
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(CacheAway):
            cache.today(RELIANCE)
    assert time.monotonic() - began < 0.9, "none of them waits"


def test_a_reader_waits_a_time_out_for_a_hung_server_though_it_must_connect(
    make: Callable[..., RedisCache], server: Redis
) -> None:
    cache = ready(make(timeout=1.0))
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(CacheAway):
        cache.today(RELIANCE)
    assert 0.99 < time.monotonic() - began < 1.9


def test_a_batch_whose_answer_was_lost_is_written_once_though_the_server_comes_to_it_late(
    cache: RedisCache, server: Redis, look: client.Redis, wait_until: Callable[..., None]
) -> None:
    for seq in (1, 4, 7):
        server.send(signal.SIGSTOP)
        with pytest.raises(CacheAway):
            cache.write([tick(seq), tick(seq + 1)])
        server.send(signal.SIGCONT)
        wait_until(lambda: comes_back(cache))
        cache.write([tick(seq), tick(seq + 1)])
        cache.write([tick(seq + 2)])
        cache.complete()
    assert seqs(look.lrange(LIST, 0, -1)) == list(range(1, 10))


def test_a_full_server_takes_all_of_a_batch_or_nothing(cache: RedisCache, look: client.Redis) -> None:
    cache.write([tick(1)])
    look.config_set("maxmemory", "1")
    with pytest.raises(CacheAway, match="maxmemory"):
        cache.write([tick(2), tick(2, instrument=NIFTY)])
    look.config_set("maxmemory", "0")
    assert seqs(look.lrange(LIST, 0, -1)) == [1]
    assert not look.exists("LIVE:TICK:NSE_INDEX|NIFTY 50")


# --- TLS and an ACL user


class TlsFront:
    """Takes TLS connections and passes them on in the clear: the test's server is built without TLS."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._context = context
        self._behind = port
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                front = self._context.wrap_socket(plain, server_side=True)
            except OSError:
                continue
            back = socket.create_connection(("127.0.0.1", self._behind))
            # One direction at a time: Redis answers only what it was asked.
            thread = threading.Thread(target=self._serve, args=(front, back))
            self._threads.append(thread)
            thread.start()

    def _serve(self, front: ssl.SSLSocket, back: socket.socket) -> None:
        with front, back:
            front.settimeout(0.005)
            back.settimeout(0.005)
            while True:
                for source, sink in ((front, back), (back, front)):
                    try:
                        data = source.recv(65536)
                    except TimeoutError:
                        continue
                    except OSError:
                        return
                    if not data:
                        return
                    sink.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def secured(server: Redis, look: client.Redis, tmp_path: Path) -> Iterator[RedisSettings]:
    """How to reach the server through TLS as a user with the rights that the documentation gives."""
    rights = documented_rights()
    look.execute_command("ACL", "SETUSER", "mdactors", "on", ">s3cret", *rights)
    authority = Authority()
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    front = TlsFront(authority.server_context(tmp_path, "127.0.0.1"), server.port)
    yield RedisSettings(
        port=front.port, username="mdactors", password=Secret("s3cret"), tls=True, ca_file=str(ca_file),
        timeout_seconds=2.0,
    )  # fmt: skip
    front.close()


def documented_rights() -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("ACL SETUSER mdactors"))
    return line.partition(" >PASSWORD ")[2].split()


def test_tls_and_a_user_with_the_documented_rights_are_enough(secured: RedisSettings) -> None:
    cache = ready(RedisCache(CacheSettings(kind="redis", today_minutes=5, redis=secured), FakeClock(NOON)))
    try:
        cache.write([tick(1, NOON - 600 * SECOND, book=b"book"), tick(2, book=b"book")])
        assert seqs(cache.today(RELIANCE, NOON)) == [2]
        assert cache.stats()["refused"] == 0
    finally:
        cache.close()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ({"password": Secret("other")}, "WRONGPASS|Invalid|invalid"),
    ],
)
def test_a_stranger_is_refused_and_the_password_is_not_told(
    secured: RedisSettings, wrong: dict[str, Any], reason: str
) -> None:
    cache = RedisCache(CacheSettings(kind="redis", redis=msgspec.structs.replace(secured, **wrong)))
    try:
        with pytest.raises(CacheAway, match=reason) as caught:
            cache.resume(0)
        assert "s3cret" not in str(caught.value)
        assert "other" not in str(caught.value)
    finally:
        cache.close()
