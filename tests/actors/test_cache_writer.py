"""The CacheWriter: what the cache holds is whole, whatever died meanwhile."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
import redis as client
from bench._servers import Redis, redis
from tests.actors.conftest import Heard

from mdactors.actors import cache_writer
from mdactors.actors.cache_writer import CacheWriter
from mdactors.config.settings import CacheSettings, RedisSettings
from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import AlarmChanged, NewestKnown, TicksPublished
from mdactors.runtime import Address, ChildSpec, Clock, Describe, Kill, MailboxPolicy, Stop, Tree
from mdactors.store.cache import Cache, CacheAway
from mdactors.store.cache_memory import MemoryCache
from mdactors.store.cache_redis import RedisCache

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
TABLE = InstrumentTable.build({"kite": [(RELIANCE, "R"), (INFY, "I")]})
SECOND = 1_000_000_000
TIMEOUT = 0.2

Run = Callable[..., Address]
WaitUntil = Callable[..., None]


class Market:
    """Everything that was ever published, as journal and store would give it again."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ticks: list[Tick] = []
        self.page = 300
        self.asked: list[int] = []

    def publish(self, count: int = 1, ago_seconds: float = 0.0) -> list[Tick]:
        """The next ticks, of two instruments in turn."""
        made = []
        for _ in range(count):
            number = len(self.ticks)
            at_ns = self.clock.time_ns() - int(ago_seconds * SECOND)
            quote = Quote("R", "full", 100.0 + number)
            made.append(Tick((RELIANCE, INFY)[number % 2], quote, "kite", 7, number // 2 + 1, at_ns))
            self.ticks.append(made[-1])
        return made

    def recent(self, from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        """What `Recent` would say."""
        self.asked.append(from_ns)
        wanted = [tick for tick in self.ticks if from_ns <= tick.received_ns <= to_ns]
        for begin in range(0, len(wanted), self.page):
            yield wanted[begin : begin + self.page]

    def is_whole_in(self, cache: Cache, since: int = 1) -> bool:
        """Whether the cache holds all of it from a number on, once and in order."""
        for place, instrument in enumerate((RELIANCE, INFY)):
            try:
                held = [json.loads(line)["seq"] for line in cache.today(instrument)]
            except CacheAway:
                return False
            if held != [tick.seq for tick in self.ticks[place::2] if tick.seq >= since]:
                return False
        return True


@pytest.fixture
def market(clock: Clock) -> Market:
    return Market(clock)


@pytest.fixture
def hub(listen: Callable[[str], Heard]) -> Heard:
    return listen("session_hub")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with redis(tmp_path) as started:
        yield started


@pytest.fixture
def cache(server: Redis, clock: Clock) -> Iterator[RedisCache]:
    place = RedisSettings(port=server.port, timeout_seconds=TIMEOUT)
    made = RedisCache(CacheSettings(kind="redis", redis=place), clock)
    yield made
    made.close()


@pytest.fixture
def run(run_tree: Callable[..., Tree], hub: Heard, market: Market) -> Run:
    """``run(cache, recent=…, capacity=…)``: the address of a CacheWriter that has started."""

    def start(
        cache: Cache,
        recent: Callable[[int, int], Iterable[Sequence[Tick]]] | None = None,
        capacity: int = 10_000,
        table: Callable[[], InstrumentTable] = lambda: TABLE,
        settled: Callable[[], None] = lambda: None,
    ) -> Address:
        address = Address("cache_writer", MailboxPolicy(capacity, "drop_oldest"))
        arguments = {
            "cache": cache,
            "recent": recent or market.recent,
            "hub": hub.address,
            "board": hub.board(),
            "instruments": table,
            "warm_minutes": 15,
            "settled": settled,
        }
        run_tree([ChildSpec(address, CacheWriter, arguments, drain=True)])
        return address

    return start


def state(address: Address) -> str:
    return str(address.ask(Describe(), 5.0).result()["state"])


def tell(address: Address, ticks: list[Tick]) -> None:
    address.tell(TicksPublished(ticks))


# --- After a start


def test_live_ticks_are_written(run: Run, market: Market, wait_until: WaitUntil) -> None:
    cache = MemoryCache(60, clock=market.clock)
    address = run(cache)
    for _ in range(50):
        tell(address, market.publish(10))
    wait_until(lambda: market.is_whole_in(cache))


def test_a_cold_cache_is_warm_again_and_live_ticks_come_behind(
    run: Run, market: Market, wait_until: WaitUntil
) -> None:
    market.publish(10, ago_seconds=16 * 60)
    market.publish(5000, ago_seconds=60)
    cache = MemoryCache(60, clock=market.clock)
    address = run(cache)
    for _ in range(200):
        tell(address, market.publish(10))
    wait_until(lambda: cache.covered_from() is not None)
    wait_until(lambda: market.is_whole_in(cache, since=6))
    covered = cache.covered_from()
    assert covered is not None
    assert 14.9 * 60 < (market.clock.time_ns() - covered) / SECOND < 15.5 * 60


def test_it_has_settled_once_what_was_before_is_back(run: Run, market: Market, wait_until: WaitUntil) -> None:
    market.publish(1000, ago_seconds=60)
    cache, go_on = MemoryCache(60, clock=market.clock), threading.Event()
    held: list[int] = []

    def recent(from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        for page in market.recent(from_ns, to_ns):
            go_on.wait()
            yield page

    address = run(cache, recent, settled=lambda: held.append(len(cache.today(RELIANCE))))
    tell(address, market.publish(10))
    assert held == []
    go_on.set()
    wait_until(lambda: held)
    assert held == [505], "what came before and since"


def test_it_has_settled_when_the_cache_is_away_or_nothing_can_be_read(
    run: Run, server: Redis, cache: RedisCache, clock: Clock, wait_until: WaitUntil
) -> None:
    def unreadable(_from_ns: int, _to_ns: int) -> Iterator[Sequence[Tick]]:
        raise StoreError("away")
        yield ()

    calls: list[str] = []
    run(MemoryCache(60, clock=clock), unreadable, settled=lambda: calls.append("unreadable"))
    wait_until(lambda: calls == ["unreadable"])
    server.stop()
    run(cache, settled=lambda: calls.append("away"))
    wait_until(lambda: "away" in calls)


def test_it_answers_while_it_reads_again(run: Run, market: Market, wait_until: WaitUntil) -> None:
    market.publish(50_000, ago_seconds=1)
    market.page = 50_000
    cache = MemoryCache(60, clock=market.clock)
    address = run(cache)
    answers = [address.ask(Describe(), 2.0).result() for _ in range(20)]
    assert {answer["state"] for answer in answers} == {"reading"}
    assert cache.covered_from() is None
    assert answers[-1]["read_again"] < 50_000


def test_the_hub_is_told_the_newest_of_before_once_the_instruments_are_known(
    run: Run, market: Market, hub: Heard, wait_until: WaitUntil
) -> None:
    tables = [InstrumentTable.build({})]
    market.publish(9, ago_seconds=60)
    address = run(MemoryCache(60, clock=market.clock), table=lambda: tables[-1])
    wait_until(lambda: state(address) == "live")
    assert hub.of(NewestKnown) == []
    tables.append(TABLE)
    wait_until(lambda: hub.of(NewestKnown))
    (told,) = hub.of(NewestKnown)
    assert sorted((tick.instrument.symbol, tick.seq) for tick in told.ticks) == [("INFY", 4), ("RELIANCE", 5)]


def test_another_process_tells_the_newest_out_of_redis(
    run: Run, market: Market, hub: Heard, cache: RedisCache, wait_until: WaitUntil
) -> None:
    cache.resume(0)
    cache.write(market.publish(4))
    run(cache, recent=lambda _from, _to: ())
    wait_until(lambda: hub.of(NewestKnown))
    (told,) = hub.of(NewestKnown)
    assert {tick.seq for tick in told.ticks} == {2}


def test_a_store_that_cannot_be_read_leaves_a_cache_of_what_comes(
    run: Run, market: Market, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    def broken(from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        yield market.ticks[:2]
        raise StoreError("the store is away")

    market.publish(10, ago_seconds=60)
    cache = MemoryCache(60, clock=market.clock)
    began = market.clock.time_ns()
    address = run(cache, recent=broken)
    wait_until(lambda: state(address) == "live")
    tell(address, market.publish(2))
    wait_until(lambda: len(cache.today(RELIANCE)) == 2)
    covered = cache.covered_from()
    assert covered is not None
    assert covered >= began
    assert "the store is away" in caplog.text


# --- The actor dies


def test_a_killed_actor_costs_no_tick(
    run: Run, market: Market, cache: RedisCache, wait_until: WaitUntil
) -> None:
    address = run(cache)
    for number in range(60):
        tell(address, market.publish(5))
        if number % 30 == 10:
            address.tell(Kill("test"))
    wait_until(lambda: market.is_whole_in(cache), deadline=10.0)


def test_what_waits_is_written_at_the_end(
    run: Run, market: Market, cache: RedisCache, wait_until: WaitUntil
) -> None:
    address = run(cache)
    wait_until(lambda: state(address) == "live")
    tell(address, market.publish(6))
    address.tell(Stop(drain=True))
    wait_until(lambda: market.is_whole_in(cache))


# --- Redis fails


class Publishing:
    """Publishes ten ticks every few milliseconds until it is told to end."""

    def __init__(self, market: Market, address: Address) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, args=(market, address))

    def _publish(self, market: Market, address: Address) -> None:
        while not self._stop.wait(0.005):
            tell(address, market.publish(10))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("how", ["killed", "hung", "emptied"])
def test_after_redis_failed_the_lists_are_whole(
    run: Run, market: Market, cache: RedisCache, server: Redis, hub: Heard, wait_until: WaitUntil, how: str
) -> None:
    market.publish(500, ago_seconds=60)
    address = run(cache)
    with Publishing(market, address):
        wait_until(lambda: state(address) == "live" and len(market.ticks) > 700)
        if how == "emptied":
            with client.Redis(port=server.port) as admin:
                admin.flushall()
        else:
            server.stop(signal.SIGKILL) if how == "killed" else server.send(signal.SIGSTOP)
            wait_until(lambda: hub.of(AlarmChanged))
            assert cache.covered_from() is None
            # Nobody waits for it: the mailbox is emptied all the same.
            before = len(market.ticks)
            wait_until(lambda: len(market.ticks) > before + 100)
            assert address.depth < 100
            server.start() if how == "killed" else server.send(signal.SIGCONT)
        wait_until(lambda: len(hub.of(AlarmChanged)) == 2)
        wait_until(lambda: state(address) == "live")
    wait_until(lambda: market.is_whole_in(cache))
    assert [alarm.active for alarm in hub.of(AlarmChanged)] == [True, False]
    assert cache.covered_from() is not None


def test_a_redis_that_is_away_at_the_start_is_filled_when_it_comes(
    run: Run, market: Market, cache: RedisCache, server: Redis, hub: Heard, wait_until: WaitUntil
) -> None:
    server.stop(signal.SIGKILL)
    market.publish(20, ago_seconds=60)
    address = run(cache)
    wait_until(lambda: hub.of(AlarmChanged))
    for _ in range(10):
        tell(address, market.publish(10))
    server.start()
    wait_until(lambda: state(address) == "live")
    wait_until(lambda: market.is_whole_in(cache))


def test_newest_values_go_on_while_older_ticks_are_read_again(
    run: Run, market: Market, cache: RedisCache, wait_until: WaitUntil
) -> None:
    market.publish(2, ago_seconds=60)
    go_on = threading.Event()

    def slow(from_ns: int, to_ns: int) -> Iterator[Sequence[Tick]]:
        while not go_on.is_set():
            yield ()
        yield from market.recent(from_ns, to_ns)

    address = run(cache, recent=slow)
    tell(address, market.publish(2))
    wait_until(lambda: cache.newest(INFY) is not None and json.loads(cache.newest(INFY) or b"")["seq"] == 2)
    assert cache.today(INFY) == []
    go_on.set()
    wait_until(lambda: market.is_whole_in(cache))


def test_what_the_mailbox_dropped_is_read_again(
    run: Run, market: Market, cache: RedisCache, server: Redis, wait_until: WaitUntil
) -> None:
    address = run(cache, capacity=5)
    tell(address, market.publish(2))
    wait_until(lambda: market.is_whole_in(cache))
    server.send(signal.SIGSTOP)
    tell(address, market.publish(2))
    wait_until(lambda: address.mailbox._lease.current is not None and not address.mailbox.data)
    for _ in range(100):
        tell(address, market.publish(2))
    server.send(signal.SIGCONT)
    assert address.mailbox.dropped
    wait_until(lambda: market.is_whole_in(cache), deadline=10.0)


def test_more_than_can_be_held_is_read_again(
    run: Run,
    market: Market,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_writer, "HELD_TICKS", 50)
    market.publish(3000, ago_seconds=30)
    cache = MemoryCache(60, clock=market.clock)
    address = run(cache)
    for _ in range(30):
        tell(address, market.publish(10))
    wait_until(lambda: state(address) == "live")
    assert len(market.asked) > 1
    wait_until(lambda: market.is_whole_in(cache))
