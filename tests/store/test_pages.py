"""Long answers, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from msgspec.structs import replace

from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store import pages
from mdactors.store.bars import keys
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.pages import bars_between, ticks_between
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
NOON = 1_790_663_400_000
MS = 1_000_000
TICKS = 57


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path / "ticks.db")
    yield made
    made.close()


@pytest.fixture
def store(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> SqliteTicks:
    monkeypatch.setattr(pages, "FIRST_PAGE", 3)
    monkeypatch.setattr(pages, "PAGE", 10)
    store = SqliteTicks(database)
    # Five in each second, as a broker whose clock has only seconds says them.
    quotes = [(seq, Quote("R", "full", 1.0, exchange_time=NOON + seq // 5 * 1000)) for seq in range(TICKS)]
    ticks = [Tick(RELIANCE, quote, "x", 7, seq, NOON * MS) for seq, quote in quotes]
    store.write(ticks, None, Position("j", 1, 1, TICKS))
    return store


def seqs(store: SqliteTicks, limit: int | None = None) -> list[list[int]]:
    found = ticks_between(store, RELIANCE.token, 0, 2 * NOON * MS, limit)
    return [[row.seq for row in page] for page in found]


def test_the_first_page_is_short_and_nothing_is_missing_or_double(store: SqliteTicks) -> None:
    assert [len(page) for page in seqs(store)] == [3, 10, 10, 10, 10, 10, 4]
    assert list(chain(*seqs(store))) == list(range(TICKS))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 13, 56, 57, 58])
def test_a_limit_is_the_first_so_many(store: SqliteTicks, limit: int) -> None:
    assert list(chain(*seqs(store, limit))) == list(range(min(limit, TICKS)))


def test_without_ticks_there_is_no_page(store: SqliteTicks) -> None:
    assert list(ticks_between(store, 1, 0, 2 * NOON * MS)) == []


def test_a_page_is_read_only_when_it_is_asked_for(store: SqliteTicks, database: SqliteDatabase) -> None:
    found = ticks_between(store, RELIANCE.token, 0, 2 * NOON * MS)
    assert len(next(found)) == 3
    with database.transaction() as connection:
        connection.execute("DELETE FROM ticks WHERE seq >= 13")
    assert [len(page) for page in found] == [10]


def test_bars_come_in_pages_too(database: SqliteDatabase, store: SqliteTicks) -> None:
    bars = SqliteBars(database, ["1m"])
    bars.write([Bar(RELIANCE, "1m", NOON + n * 60_000, 1.0, 2.0, 0.5, 1.5, n) for n in range(25)])
    found = bars_between(bars, RELIANCE, "1m", NOON + 60_000, NOON + 23 * 60_000)
    assert [bar.volume for bar in found] == list(range(1, 24))


# --- Bars under each form of an instrument's key

BY_SYMBOL = replace(RELIANCE, key="NSE_EQ|RELIANCE")


def bar(minute: int, instrument: Instrument, volume: int = 1) -> Bar:
    return Bar(instrument, "1m", NOON + minute * 60_000, 1.0, 2.0, 0.5, 1.5, volume)


def minutes(bars: SqliteBars, instrument: Instrument) -> list[tuple[int, int]]:
    found = bars_between(bars, instrument, "1m", 0, 2 * NOON)
    return [((each.ts - NOON) // 60_000, each.volume) for each in found]


def test_bars_from_before_the_isin_was_known_are_found(database: SqliteDatabase, store: SqliteTicks) -> None:
    bars = SqliteBars(database, ["1m"])
    bars.write([bar(n, BY_SYMBOL) for n in range(30)] + [bar(n, RELIANCE) for n in range(30, 45)])
    assert minutes(bars, RELIANCE) == [(n, 1) for n in range(45)]


def test_of_two_bars_of_one_minute_that_under_the_current_key_counts(
    database: SqliteDatabase, store: SqliteTicks
) -> None:
    bars = SqliteBars(database, ["1m"])
    bars.write([bar(n, RELIANCE, 1) for n in range(25)] + [bar(n, BY_SYMBOL, 2) for n in range(5, 40, 2)])
    isin, symbol = set(range(25)), set(range(5, 40, 2))
    assert minutes(bars, RELIANCE) == [(n, 1 if n in isin else 2) for n in sorted(isin | symbol)]


def test_bars_are_looked_for_under_the_key_and_the_symbol() -> None:
    assert keys(BY_SYMBOL) == ("NSE_EQ|RELIANCE",)
    assert keys(RELIANCE) == ("NSE_EQ|INE002A01018", "NSE_EQ|RELIANCE")
