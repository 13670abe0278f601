"""Bars wait for their store however often the persister before it starts afresh; none kills it twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mdactors.actors import waiting_bars
from mdactors.actors.waiting_bars import WaitingBars
from mdactors.errors import StoreError
from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.position import BarPosition
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.sqlite import SqliteDatabase

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
DAY_MS = 20_000 * 86_400_000


class Fails(SqliteBars):
    """Does what ``failure`` does before it writes."""

    failure: Any = None

    def write(self, bars: Sequence[Bar], journal: str = "", upto: BarPosition | None = None) -> None:
        if self.failure is not None:
            self.failure(bars)
        super().write(bars, journal, upto)


def bar(minute: int, close: float = 1.0, interval: Interval = "1m") -> Bar:
    return Bar(RELIANCE, interval, DAY_MS + minute * 60_000, 1.0, 9.0, 1.0, close, 5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Fails]:
    with closing(SqliteDatabase(tmp_path / "ticks.db")) as database:
        yield Fails(database, ["1m"])


@pytest.fixture
def waiting(store: Fails) -> WaitingBars:
    return WaitingBars(store, "j")


def closes(store: Fails) -> list[float]:
    return [each.close for each in store.read(RELIANCE.key, "1m", 0, 2**42, 100)]


def test_bars_of_an_interval_that_nobody_stores_do_not_wait(waiting: WaitingBars) -> None:
    waiting.add([bar(1), bar(1, interval="1s")])
    assert len(waiting) == 1


def test_a_bar_that_waits_gives_way_to_none_of_lower_rank(store: Fails, waiting: WaitingBars) -> None:
    told = msgspec.structs.replace(bar(1, close=3.0), source="broker")
    waiting.add([bar(1, close=2.0), told, bar(1, close=4.0), bar(2, close=5.0)])
    assert len(waiting) == 2
    waiting.write(100)
    assert closes(store) == [3.0, 5.0]


def test_a_store_that_is_away_leaves_them_waiting(store: Fails, waiting: WaitingBars) -> None:
    def is_away(_bars: Sequence[Bar]) -> None:
        raise StoreError("away")

    store.failure = is_away
    waiting.add([bar(1), bar(2)])
    with pytest.raises(StoreError):
        waiting.write(10)
    waiting.give_up()
    assert (len(waiting), waiting.lost()) == (2, ())
    store.failure = None
    waiting.write(10)
    assert (len(waiting), closes(store)) == (0, [1.0, 1.0])


def test_bars_at_which_the_writer_failed_are_given_up_and_named(store: Fails, waiting: WaitingBars) -> None:
    def fails(bars: Sequence[Bar]) -> None:
        if any(each.start == bar(2).start for each in bars):
            raise ZeroDivisionError

    store.failure = fails
    waiting.add([bar(2), bar(3), bar(4)])
    with pytest.raises(ZeroDivisionError):
        waiting.write(2)
    assert len(waiting) == 3
    waiting.give_up()
    assert (len(waiting), waiting.dropped) == (1, 2)
    (text,) = waiting.lost()
    assert text.startswith(
        "bars from 2024-10-04T05:32:00.000+05:30 on were dropped: mdactors candles rebuild"
    )
    waiting.write(2)
    assert closes(store) == [1.0]


def test_a_correction_that_comes_while_its_bar_is_written_still_waits(
    store: Fails, waiting: WaitingBars
) -> None:
    store.failure = lambda _bars: waiting.add([bar(1, close=2.0)])
    waiting.add([bar(1)])
    waiting.write(10)
    assert (len(waiting), closes(store)) == (1, [1.0])
    store.failure = None
    waiting.write(10)
    assert (len(waiting), closes(store)) == (0, [2.0])


def test_the_position_moves_in_the_write_that_leaves_nothing_waiting(
    store: Fails, waiting: WaitingBars
) -> None:
    first, second = BarPosition(1, 1, 0), BarPosition(2, 2, 0)
    waiting.add([bar(1), bar(2)], first)
    waiting.write(1)
    assert store.position("j") is None
    waiting.write(1)
    assert (store.position("j"), waiting.anything) == (first, False)
    waiting.add([], second)
    assert waiting.anything
    waiting.write(1)
    assert (store.position("j"), waiting.anything) == (second, False)


def test_once_bars_were_dropped_all_since_the_stored_ones_are_to_be_made_again(
    store: Fails, waiting: WaitingBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = BarPosition(1, 1, 0)
    waiting.add([bar(1)], stored)
    waiting.write(10)
    monkeypatch.setattr(waiting_bars, "MOST_BARS", {"1m": 4})
    for minute in range(2, 8):
        waiting.add([bar(minute)], BarPosition(minute, minute, 0))
    assert (waiting.dropped, waiting.many, waiting.lacks) == (2, True, False)
    waiting.write(10)
    assert (store.position("j"), waiting.lacks) == (stored, True)
    assert waiting.resume() == stored
    assert (waiting.lacks, waiting.lost()) == (False, ())
