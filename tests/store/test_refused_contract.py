"""Ticks that every store has set aside can be looked at and stored again, each exactly once."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.refused import Reason
from mdactors.store.ticks import TickStore

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
MS = 1_000_000
NOON = 1_790_663_400_000
WHOLE = 2**62
COUNTS = "SELECT (SELECT count(*) FROM ticks), (SELECT count(*) FROM refused_ticks)"


def tick(seq: int, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", **{"last_price": 1421.05, **said}, raw=b"\x00raw", book=b"book")
    return Tick(instrument, quote, "kite", 7, seq, (NOON + seq) * MS)


def write(store: TickStore, *ticks: Tick) -> int:
    """The next batch of a journal."""
    at = store.position("j")
    count = (at.ticks if at else 0) + len(ticks)
    return store.write(ticks, at, Position("j", 1, count, count))


def retry_all(store: TickStore, limit: int = 3) -> int:
    """Page by page, as the command does."""
    taken, after = 0, ""
    while page := store.refused.page(limit, after):
        taken += store.refused.retry(page)
        after = page[-1].place
    return taken


def have_unique(database: Any, of_these: str) -> None:
    """Have ticks of these refused that were received together."""
    database.query(f"CREATE UNIQUE INDEX never ON ticks (received_at, tradingsymbol) WHERE {of_these}")


@pytest.fixture
def refusing(database: Any, ticks_store: TickStore) -> TickStore:
    """A store that has set aside INFY's ticks 1 to 8, for a reason that is gone, and one without a price."""
    write(ticks_store, tick(0, INFY))
    have_unique(database, "tradingsymbol = 'INFY'")
    again = [tick(0, INFY) for _ in range(8)]
    for seq, each in enumerate(again, 1):
        each.seq = seq
    others = [tick(seq) for seq in range(100, 130)]
    assert write(ticks_store, *again, tick(9, last_price=math.inf), *others) == 9
    return ticks_store


def test_each_reason_says_how_many_ticks_and_of_when(refusing: TickStore) -> None:
    unique, infinite = refusing.refused.reasons()
    assert "unique" in unique.text.lower()
    assert (unique.ticks, unique.first_ms, unique.last_ms) == (8, NOON, NOON)
    assert infinite == Reason("last_price is not a finite number", 1, NOON + 9, NOON + 9)


def test_a_store_that_has_set_nothing_aside_has_no_reasons(ticks_store: TickStore) -> None:
    assert ticks_store.refused.reasons() == []
    assert ticks_store.refused.page(10) == []
    assert ticks_store.refused.retry([]) == 0


def test_while_the_reason_lasts_all_stay_with_it(database: Any, refusing: TickStore) -> None:
    before = database.query("SELECT * FROM refused_ticks")
    assert retry_all(refusing) == 0
    assert database.query("SELECT * FROM refused_ticks") == before
    assert database.query(COUNTS) == [(31, 9)]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_what_is_taken_now_moves_and_the_rest_stays(database: Any, refusing: TickStore, limit: int) -> None:
    database.query("DROP INDEX never")
    assert retry_all(refusing, limit) == 8
    assert database.query(COUNTS) == [(39, 1)]
    rows = refusing.read(INFY.token, 0, WHOLE, 100)
    assert sorted(row.seq for row in rows) == list(range(9))
    assert {row.raw_tick_data for row in rows} == {b"\x00raw"}
    assert {row.depth for row in rows} == {b"book"}
    assert [reason.text for reason in refusing.refused.reasons()] == ["last_price is not a finite number"]
    assert retry_all(refusing, limit) == 0
    assert refusing.position("j") == Position("j", 1, 40, 40)


def test_some_of_a_page_may_be_taken(database: Any, refusing: TickStore) -> None:
    database.query("DROP INDEX never")
    have_unique(database, "seq < 5 AND seq > 0")
    assert retry_all(refusing, 100) == 5
    assert database.query(COUNTS) == [(36, 4)]


def test_what_was_never_fit_to_be_packed_stays(database: Any, ticks_store: TickStore) -> None:
    torn = Instrument(1, "\ud800", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|1")
    assert write(ticks_store, tick(1, torn, volume=2**70), tick(2)) == 1
    (each,) = ticks_store.refused.page(10)
    assert each.tick is None
    assert ticks_store.refused.retry([each]) == 0
    assert database.query(COUNTS) == [(1, 1)]


def test_of_two_who_store_the_same_again_one_is_told_and_each_is_stored_once(
    database: Any, refusing: TickStore
) -> None:
    database.query("DROP INDEX never")
    stores = [database.open()[0] for _ in range(3)]
    pages = [store.refused.page(100) for store in stores]
    taken: list[int] = []
    told: list[StoreError] = []

    def retry(number: int) -> None:
        try:
            taken.append(stores[number].refused.retry(pages[number]))
        except StoreError as error:
            told.append(error)

    threads = [threading.Thread(target=retry, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [8]
    assert len(told) == 2
    assert all("changed meanwhile" in str(error) for error in told)
    assert database.query(COUNTS) == [(39, 1)]
