"""What every store of bars does alike."""

from __future__ import annotations

import logging
import math
from typing import Any, get_args

import pytest

from mdactors.errors import StoreError
from mdactors.market.candle import Bar, BarSource, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.position import BarPosition
from mdactors.store.bars import BarStore, StoredBar

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
NOON = 1_790_663_400_000
MINUTE = 60_000
FOREVER = 2**42


def bar(
    minute: int,
    instrument: Instrument = RELIANCE,
    interval: Interval = "1m",
    close: float = 3.0,
    source: BarSource = "ticks",
) -> Bar:
    start = NOON + minute * MINUTE
    return Bar(instrument, interval, start, 2.0, 4.5, 1.25, close, 2**33 + minute, source=source)


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


def test_how_far_bars_are_made_is_kept_with_them_for_each_journal(bars_store: BarStore) -> None:
    assert bars_store.position("j") is None
    first, second = BarPosition(NOON, NOON - 1_500, 0), BarPosition(NOON + 1, NOON - 2, NOON - 3)
    bars_store.write([bar(1)], "j", first)
    assert bars_store.position("j") == first
    bars_store.write([], "j", second)
    bars_store.write([bar(2)])
    assert (bars_store.position("j"), bars_store.position("k")) == (second, None)


def test_a_position_stays_where_it_is_when_its_bars_were_not_written(
    database: Any, bars_store: BarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise StoreError("away")

    monkeypatch.setattr(type(bars_store), "_replace", fails)
    with pytest.raises(StoreError):
        bars_store.write([bar(1)], "j", BarPosition(NOON, 0, 0))
    assert bars_store.position("j") is None


def test_a_correction_replaces_the_bar(bars_store: BarStore) -> None:
    bars_store.write([bar(1), bar(2)])
    bars_store.write([bar(1, close=3.5)])
    assert [each.close for each in bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)] == [3.5, 3.0]


def test_of_two_versions_in_one_write_the_last_one_stays(bars_store: BarStore) -> None:
    bars_store.write([bar(1), bar(2), bar(1, close=3.5), bar(2, interval="1s"), bar(1, close=3.75)])
    assert [each.close for each in bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)] == [3.75, 3.0]


def test_a_range_is_forgotten_both_ends_inclusive(bars_store: BarStore) -> None:
    bars_store.write([bar(minute) for minute in range(6)] + [bar(3, INFY), bar(3, interval="1s")])
    bars_store.delete("1m", NOON + 2 * MINUTE, NOON + 4 * MINUTE, ["ticks"])
    left = bars_store.read(RELIANCE.key, "1m", 0, FOREVER, 10)
    assert [each.ts for each in left] == [NOON, NOON + MINUTE, NOON + 5 * MINUTE]
    assert bars_store.read(INFY.key, "1m", 0, FOREVER, 10) == []
    assert len(bars_store.read(RELIANCE.key, "1s", 0, FOREVER, 10)) == 1


def kept(store: BarStore, instrument: Instrument = RELIANCE) -> list[tuple[int, str, float]]:
    """(minute, source, close) of the minutes."""
    found = store.read(instrument.key, "1m", 0, FOREVER, 100)
    return [((each.ts - NOON) // MINUTE, each.source, each.close) for each in found]


def test_a_bar_is_replaced_by_its_own_rank_or_a_higher_one_only(bars_store: BarStore) -> None:
    sources: tuple[BarSource, ...] = get_args(BarSource)
    for older in range(3):
        for newer in range(3):
            minute = 3 * older + newer
            bars_store.write([bar(minute, close=1.5, source=sources[older])])
            bars_store.write([bar(minute, close=2.5, source=sources[newer])])
    assert kept(bars_store) == [
        (0, "ticks", 2.5), (1, "broker", 2.5), (2, "backfill", 2.5),
        (3, "broker", 1.5), (4, "broker", 2.5), (5, "backfill", 2.5),
        (6, "backfill", 1.5), (7, "backfill", 1.5), (8, "backfill", 2.5),
    ]  # fmt: skip


def test_of_two_versions_in_one_write_rank_counts_before_order(bars_store: BarStore) -> None:
    bars_store.write([bar(1), bar(1, close=3.5, source="broker"), bar(1, close=3.75), bar(2)])
    assert kept(bars_store) == [(1, "broker", 3.5), (2, "ticks", 3.0)]


def test_the_part_of_the_day_and_then_the_source_are_the_last_columns(
    database: Any, bars_store: BarStore
) -> None:
    auction = Bar(INFY, "1m", NOON, 1.0, 1.0, 1.0, 1.0, 5, source="broker", phase="pre_open")
    bars_store.write([auction, bar(1), bar(1, interval="1s")])
    assert [row[-2:] for row in database.query("SELECT * FROM market_ohlc_1m ORDER BY ts")] == [
        ("pre_open", "broker"), ("open", "ticks"),
    ]  # fmt: skip
    assert [row[-2:] for row in database.query("SELECT * FROM market_ohlc")] == [("open", "ticks")]
    (read,) = bars_store.read(INFY.key, "1m", 0, FOREVER, 10)
    assert (read.phase, read.source) == ("pre_open", "broker")


def test_of_a_range_only_the_named_sources_and_instruments_are_forgotten(bars_store: BarStore) -> None:
    sources: tuple[BarSource, ...] = get_args(BarSource)
    every = [
        bar(minute, instrument, source=source)
        for minute, source in enumerate(sources)
        for instrument in (RELIANCE, INFY)
    ]
    bars_store.write(every)
    bars_store.delete("1m", NOON, FOREVER, ["ticks", "broker"], [INFY.key, "NSE_EQ|INFY"])
    assert [source for _, source, _ in kept(bars_store, INFY)] == ["backfill"]
    assert [source for _, source, _ in kept(bars_store)] == list(sources)
    bars_store.delete("1m", NOON, FOREVER, ["ticks"])
    assert [source for _, source, _ in kept(bars_store)] == ["broker", "backfill"]


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
