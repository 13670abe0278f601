"""What every store of bars does alike."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument
from mdactors.store.bars import BarStore, StoredBar

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
NOON = 1_790_663_400_000
MINUTE = 60_000
FOREVER = 2**42


def bar(minute: int, instrument: Instrument = RELIANCE, interval: Interval = "1m", close: float = 3.0) -> Bar:
    return Bar(instrument, interval, NOON + minute * MINUTE, 2.0, 4.5, 1.25, close, 2**33 + minute)


def test_bars_come_back_by_instrument_and_time(bars_store: BarStore) -> None:
    bars_store.write([bar(minute) for minute in (3, 1, 2, 5, 4)] + [bar(2, INFY)])
    assert bars_store.read(RELIANCE.key, "1m", NOON + 2 * MINUTE, NOON + 4 * MINUTE, 10) == [
        StoredBar(RELIANCE.key, NOON + minute * MINUTE, 2.0, 4.5, 1.25, 3.0, 2**33 + minute)
        for minute in (2, 3, 4)
    ]
    first = bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 2)
    assert [each.ts for each in first] == [NOON + MINUTE, NOON + 2 * MINUTE]
    assert len(bars_store.read(INFY.key, "1m", 0, FOREVER, 10)) == 1


def test_each_interval_has_its_own_table(database: Any, bars_store: BarStore) -> None:
    bars_store.write([bar(1), bar(1, interval="1s", close=9.0)])
    assert [each.close for each in bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)] == [3.0]
    assert [each.close for each in bars_store.read(RELIANCE.key, "1s", 0, FOREVER, 10)] == [9.0]
    columns = "instrument_key, open, high, low, close, volume"
    assert database.query(f"SELECT {columns} FROM market_ohlc") == [
        (RELIANCE.key, 2.0, 4.5, 1.25, 9.0, 2**33 + 1)
    ]
    assert database.query("SELECT close FROM market_ohlc_1m") == [(3.0,)]


def test_intervals_that_are_not_stored_are_passed_over(database: Any) -> None:
    _, bars = database.open(intervals=("1m",))
    bars.write([bar(1), bar(1, interval="1s"), bar(0, interval="5m")])
    bars.write([bar(1, interval="1s")])
    assert len(bars.read(RELIANCE.key, "1m", 0, FOREVER, 10)) == 1
    assert bars.read(RELIANCE.key, "1s", 0, FOREVER, 10) == []


def test_a_correction_replaces_the_bar(bars_store: BarStore) -> None:
    bars_store.write([bar(1), bar(2)])
    bars_store.write([bar(1, close=3.5)])
    assert [each.close for each in bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)] == [3.5, 3.0]


def test_of_two_versions_in_one_write_the_last_one_stays(bars_store: BarStore) -> None:
    bars_store.write([bar(1), bar(2), bar(1, close=3.5), bar(2, interval="1s"), bar(1, close=3.75)])
    assert [each.close for each in bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)] == [3.75, 3.0]


def test_a_range_is_forgotten_both_ends_inclusive(bars_store: BarStore) -> None:
    bars_store.write([bar(minute) for minute in range(6)] + [bar(3, INFY), bar(3, interval="1s")])
    bars_store.delete("1m", NOON + 2 * MINUTE, NOON + 4 * MINUTE)
    left = bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)
    assert [each.ts for each in left] == [NOON, NOON + MINUTE, NOON + 5 * MINUTE]
    assert bars_store.read(INFY.key, "1m", 0, FOREVER, 10) == []
    assert len(bars_store.read(RELIANCE.key, "1s", 0, FOREVER, 10)) == 1


def test_a_bar_that_can_never_be_kept_does_not_hold_up_the_rest(
    bars_store: BarStore, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned = Bar(INFY, "1m", NOON, 1.0, math.nan, 1.0, 1.0, 1)
    large = Bar(INFY, "1m", NOON + MINUTE, 1.0, 1.0, 1.0, 1.0, 2**70)
    bars_store.write([bar(1), poisoned, bar(2), large, bar(3)])
    assert len(bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)) == 3
    assert bars_store.read(INFY.key, "1m", 0, FOREVER, 10) == []
    (line,) = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert "left out 2 of 5 bars" in line
    assert INFY.key in line


def test_bars_are_there_after_opening_again(database: Any) -> None:
    ticks, bars = database.open()
    bars.write([bar(1)])
    ticks.close()
    _, bars = database.open()
    assert len(bars.read(RELIANCE.key, "1m", 0, FOREVER, 10)) == 1
