"""Ticks in SQLite."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.ticks import COLUMNS, EXCHANGE_TIMED, LATE, REPEAT, SNAPSHOT, StoredTick, row_of
from mdactors.store.ticks_sqlite import ROWS, SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
MS = 1_000_000
NOON = 1_790_663_400_000
FOREVER = 2**62


def tick(seq: int, at_ms: int | None = None, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", 1421.05, exchange_time=at_ms, raw=b"\x00raw", **said)
    return Tick(instrument, quote, "kite", 7, seq, NOON * MS + 999_999)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks #1.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteTicks]:
    store = SqliteTicks(path)
    yield store
    store.close()


def seqs(rows: list[StoredTick]) -> list[int]:
    return [row.seq for row in rows]


def test_every_column_comes_back(store: SqliteTicks):
    quote = Quote(
        "R", "full", 1421.05, 12, NOON - 3, 2**40, 1420.12, 1400.0, 1433.2, 1399.95, 1411.3, 0, 5, 6,
        NOON - 2, 0.125, b"\x01book", b"\x02greeks", b"\x00raw", True,
    )  # fmt: skip
    assert store.write([Tick(RELIANCE, quote, "kite", 7, 1, NOON * MS, repeat=True)]) == 1
    assert store.read(RELIANCE.token, 0, FOREVER, 10) == [
        StoredTick(
            instrument_token=738561,
            tradingsymbol="RELIANCE",
            exchange="NSE",
            tick_timestamp=NOON - 2,
            raw_tick_data=b"\x00raw",
            received_at=NOON,
            epoch=7,
            seq=1,
            type="STOCK",
            last_price=1421.05,
            volume=2**40,
            open=1400.0,
            high=1433.2,
            low=1399.95,
            previous_close=1411.3,
            open_interest=0,
            average_price=1420.12,
            last_quantity=12,
            buy_quantity=5,
            sell_quantity=6,
            depth=b"\x01book",
            greeks=b"\x02greeks",
            iv=0.125,
            last_trade_time=NOON - 3,
            source="kite",
            flags=REPEAT | EXCHANGE_TIMED,
        )
    ]


def test_what_was_not_said_is_null_and_the_receipt_stands_in_for_the_time(store: SqliteTicks):
    bare = Tick(INFY, Quote("I", "ltp"), "kite", 7, 1, NOON * MS, snapshot=True, late=True)
    store.write([bare])
    (row,) = store.read(INFY.token, 0, FOREVER, 10)
    assert (row.tick_timestamp, row.flags) == (NOON, SNAPSHOT | LATE)
    assert (row.last_price, row.volume, row.depth, row.greeks, row.iv) == (None,) * 5
    assert row.raw_tick_data == b""


def test_a_row_has_every_column_and_the_first_five_are_the_known_ones(store: SqliteTicks, path: Path):
    assert len(row_of(tick(1))) == len(COLUMNS)
    with sqlite3.connect(path) as other:
        names = [name for _, name, *_ in other.execute("PRAGMA table_info(ticks)")]
    other.close()
    assert tuple(names) == COLUMNS
    assert names[:5] == ["instrument_token", "tradingsymbol", "exchange", "tick_timestamp", "raw_tick_data"]


def test_both_ends_of_a_range_are_inclusive_and_other_instruments_stay_out(store: SqliteTicks):
    store.write([tick(seq, NOON + seq) for seq in range(10)])
    store.write([tick(seq, NOON + seq, INFY) for seq in range(10)])
    rows = store.read(RELIANCE.token, (NOON + 3) * MS, (NOON + 6) * MS, 100)
    assert seqs(rows) == [3, 4, 5, 6]
    assert {row.tradingsymbol for row in rows} == {"RELIANCE"}
    assert seqs(store.read(RELIANCE.token, (NOON + 3) * MS + 1, (NOON + 6) * MS + 999_999, 100)) == [4, 5, 6]
    assert store.count() == 20


def test_pages_follow_each_other_without_gap_or_double(store: SqliteTicks):
    # Late and simultaneous ticks: the order is by time, then by number.
    times = [5, 3, 3, 9, 1, 9, 9, 2, 7, 7, 7, 7]
    store.write([tick(seq, NOON + time) for seq, time in enumerate(times, 1)])
    whole = store.read(RELIANCE.token, 0, FOREVER, 100)
    assert seqs(whole) == [seq for _, seq in sorted(zip(times, range(1, 13), strict=True))]
    for size in (1, 2, 5):
        pages: list[StoredTick] = []
        while page := store.read(RELIANCE.token, 0, FOREVER, size, pages[-1] if pages else None):
            assert len(page) <= size
            pages += page
        assert pages == whole


def test_ticks_are_there_after_opening_again(path: Path):
    for expected in (0, 3):
        store = SqliteTicks(path)
        assert store.count() == expected
        store.write([tick(seq) for seq in range(3)])
        store.close()


def test_a_batch_that_the_disk_has_no_room_for_leaves_nothing_and_is_written_later(store: SqliteTicks):
    store._writer.execute("PRAGMA max_page_count = 20")
    batch = [tick(seq) for seq in range(5000)]
    with pytest.raises(StoreError, match=r"ticks #1\.db: cannot be written: database or disk is full"):
        store.write(batch)
    assert (store.count(), store.refused) == (0, 0)
    store._writer.execute("PRAGMA max_page_count = 1073741823")
    assert store.write(batch) == store.count() == 5000


@pytest.mark.parametrize(
    "poisoned",
    [
        tick(2, volume=2**70),
        tick(2, open_interest=-(2**63) - 1),
        tick(2, book=object()),
        tick(2, instrument=msgspec.structs.replace(INFY, exchange=None)),
        tick(2, instrument=msgspec.structs.replace(INFY, symbol="\ud800")),
    ],
    ids=["too-large", "too-small", "no-value", "missing", "no-text"],
)
def test_a_tick_that_can_never_be_kept_is_left_out_counted_and_named(
    store: SqliteTicks, poisoned: Tick, caplog: pytest.LogCaptureFixture
):
    batch = [tick(seq) for seq in range(3, 3 + 2 * ROWS)]
    assert store.write([*batch[:ROWS], tick(1), poisoned, *batch[ROWS:]]) == 2 * ROWS + 1
    assert seqs(store.read(RELIANCE.token, 0, FOREVER, 1000)) == [1, *(kept.seq for kept in batch)]
    assert (store.count(), store.refused) == (2 * ROWS + 1, 1)
    (line,) = caplog.messages
    assert f"left out 1 of {2 * ROWS + 2} ticks" in line
    assert f"{poisoned.instrument.key}, epoch 7, seq 2: " in line


def test_a_batch_of_nothing_but_poison_costs_one_line_and_the_next_one_works(
    store: SqliteTicks, caplog: pytest.LogCaptureFixture
):
    assert store.write([tick(seq, volume=2**70) for seq in range(300)]) == store.count() == 0
    assert (store.refused, len(caplog.messages)) == (300, 1)
    assert store.write([tick(1)]) == store.count() == 1


def test_a_disk_that_fills_up_beside_a_poisoned_tick_is_a_store_error(store: SqliteTicks):
    store._writer.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreError, match="full"):
        store.write([tick(0, volume=2**70), *(tick(seq) for seq in range(5000))])
    assert (store.count(), store.refused) == (0, 0)


def test_a_locked_file_is_a_store_error_and_works_again_afterwards(
    store: SqliteTicks, path: Path, monkeypatch: pytest.MonkeyPatch
):
    store._writer.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.write([tick(1)])
    other.execute("ROLLBACK")
    other.close()
    assert store.write([tick(1)]) == 1


def test_reading_never_waits_for_a_writer(store: SqliteTicks):
    store.write([tick(1)])
    store._writer.execute("BEGIN IMMEDIATE")
    assert seqs(store.read(RELIANCE.token, 0, FOREVER, 10)) == [1]
    store._writer.execute("ROLLBACK")


def test_the_connection_for_queries_cannot_write(store: SqliteTicks):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._reader.execute("DELETE FROM ticks")


def test_threads_can_write_and_read_at_once(store: SqliteTicks):
    def write(epoch: int) -> None:
        for seq in range(50):
            store.write([msgspec.structs.replace(tick(seq), epoch=epoch)])

    threads = [threading.Thread(target=write, args=(epoch,)) for epoch in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert store.count() <= 200
    for thread in threads:
        thread.join()
    assert len(store.read(RELIANCE.token, 0, FOREVER, 1000)) == 200


def test_a_file_that_is_no_database_is_refused(path: Path):
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        SqliteTicks(path)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="cannot be opened: unable to open"):
        SqliteTicks(tmp_path / "nowhere" / "ticks.db")


def test_a_foreign_table_of_the_same_name_is_left_alone_and_named(path: Path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE ticks (a)")
    other.close()
    with pytest.raises(StoreError, match="a table ticks that is not ours"):
        SqliteTicks(path)


def test_another_schema_version_is_refused(path: Path):
    SqliteTicks(path).close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE schema_version SET version = 99")
    other.close()
    with pytest.raises(StoreError, match=r"schema version \[99\] is not 1"):
        SqliteTicks(path)


def test_a_closed_store_is_a_store_error(path: Path):
    store = SqliteTicks(path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.write([tick(1)])
    with pytest.raises(StoreError, match="closed"):
        store.read(1, 0, 1, 1)
