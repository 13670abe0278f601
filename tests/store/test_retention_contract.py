"""What every store forgets alike, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.bars import BarStore
from mdactors.store.ticks import TickStore

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
MS = 1_000_000
NOON = 1_790_663_400_000
"""2026-09-29 12:00 in India."""
DAY = 86_400_000
FIRST = NOON - DAY // 2 - 2 * DAY
"""The begin of the first day that stays when two days are kept."""
FOREVER = 2**42


def tick(seq: int, received: int = NOON, instrument: Instrument = RELIANCE, price: float = 1.0) -> Tick:
    return Tick(instrument, Quote("R", "full", price), "kite", 7, seq, received * MS)


def second(start: int, instrument: Instrument = RELIANCE, interval: Interval = "1s") -> Bar:
    return Bar(instrument, interval, start, 1.0, 1.0, 1.0, 1.0, 1)


def write(store: TickStore, *ticks: Tick) -> Position:
    upto = Position("journal-1", 1, 100, len(ticks))
    store.write(ticks, None, upto)
    return upto


def seqs(store: TickStore, instrument: Instrument) -> list[int]:
    return [row.seq for row in store.read(instrument.token, 0, 2**62, 100)]


def begins(store: BarStore, instrument: Instrument, interval: Interval = "1s") -> list[int]:
    return [row.ts for row in store.read(instrument.key, interval, 0, FOREVER, 100)]


@pytest.fixture
def kept_for_two_days(database: Any) -> tuple[TickStore, BarStore]:
    stores: tuple[TickStore, BarStore] = database.open(retention_days=2)
    return stores


def test_ticks_are_deleted_by_the_day_of_their_receipt(
    kept_for_two_days: tuple[TickStore, BarStore],
) -> None:
    store, _ = kept_for_two_days
    said_long_ago = tick(2)
    said_long_ago.quote.exchange_time = NOON - 9 * DAY
    old = [tick(1, NOON - 5 * DAY), tick(3, FIRST - 1, INFY)]
    position = write(store, *old, said_long_ago, tick(4, FIRST, INFY), tick(5, NOON - DAY, INFY))
    assert store.maintain(NOON * MS) == []
    assert [seqs(store, RELIANCE), seqs(store, INFY)] == [[2], [4, 5]]
    assert store.position("journal-1") == position


def test_bars_of_a_second_are_deleted_and_those_of_a_minute_stay(
    kept_for_two_days: tuple[TickStore, BarStore],
) -> None:
    store, bars = kept_for_two_days
    times = [FIRST - 300 * DAY, FIRST - 1000, FIRST, NOON]
    for instrument in (RELIANCE, INFY):
        bars.write([second(start, instrument, interval) for start in times for interval in ("1s", "1m")])
    bars.write([second(FIRST - DAY, Instrument(1, "A", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|A"))])
    assert store.maintain(NOON * MS) == []
    for instrument in (RELIANCE, INFY):
        assert begins(bars, instrument) == [FIRST, NOON]
        assert begins(bars, instrument, "1m") == times
    assert bars.read("NSE_EQ|A", "1s", 0, FOREVER, 100) == []


def test_refused_ticks_are_deleted_by_the_day_of_their_receipt(
    database: Any, kept_for_two_days: tuple[TickStore, BarStore]
) -> None:
    store, _ = kept_for_two_days
    times = [FIRST - 300 * DAY, FIRST - 1, FIRST, NOON]
    write(store, *(tick(seq, at, price=float("nan")) for seq, at in enumerate(times)))
    assert database.query("SELECT count(*) FROM refused_ticks") == [(4,)]
    assert store.maintain(NOON * MS) == []
    assert database.query("SELECT count(*) FROM refused_ticks") == [(2,)]
    assert store.maintain((NOON + 9 * DAY) * MS) == []
    assert database.query("SELECT count(*) FROM refused_ticks") == [(0,)]


def test_without_retention_everything_stays(database: Any) -> None:
    store, bars = database.open()
    write(store, tick(1, NOON - 1000 * DAY), tick(2, NOON - 1000 * DAY, price=float("nan")))
    bars.write([second(NOON - 1000 * DAY)])
    store.maintain(NOON * MS)
    assert (store.count(), begins(bars, RELIANCE)) == (1, [NOON - 1000 * DAY])
    assert database.query("SELECT count(*) FROM refused_ticks") == [(1,)]
