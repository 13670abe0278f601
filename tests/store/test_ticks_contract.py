"""What every store of ticks does alike."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from mdactors.errors import PositionMoved, StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.position import Position
from mdactors.market.quote import MODES, Auction, BrokerBar, Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store.ticks import COLUMNS, EXCHANGE_TIMED, LATE, REPEAT, SNAPSHOT, StoredTick, TickStore

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
QUOTE = View("quote")
MS = 1_000_000
NOON = 1_790_663_400_000
DAY = 86_400_000
BEGIN, FOREVER = 0, 2**62


def tick(
    seq: int,
    at_ms: int | None = None,
    instrument: Instrument = RELIANCE,
    received: int = NOON,
    source: str = "kite",
    **said: Any,
) -> Tick:
    quote = Quote("R", "full", **{"last_price": 1421.05, **said}, exchange_time=at_ms, raw=b"\x00raw")
    return Tick(instrument, quote, source, 7, seq, received * MS + 999_999)


def place(ticks: int, journal: str = "journal-1") -> Position:
    return Position(journal, 1, 100 * ticks, ticks)


class Keeper:
    """Writes batches one behind the other, as a journal would have them written."""

    def __init__(self, store: TickStore) -> None:
        self.store = store
        self.at = store.position("journal-1")

    def write(self, ticks: list[Tick]) -> int:
        upto = place((self.at.ticks if self.at else 0) + len(ticks))
        refused = self.store.write(ticks, self.at, upto)
        self.at = upto
        return refused


@pytest.fixture
def keeper(ticks_store: TickStore) -> Keeper:
    return Keeper(ticks_store)


def seqs(rows: list[StoredTick]) -> list[int]:
    return [row.seq for row in rows]


def whole(store: TickStore, token: int = RELIANCE.token) -> list[StoredTick]:
    return store.read(token, BEGIN, FOREVER, 10**6)


# --- What a row holds


def test_every_column_comes_back_and_makes_the_tick_again(keeper: Keeper) -> None:
    quote = Quote(
        RELIANCE.token, "full", 1421.05, 12, NOON - 3, 2**40, 1420.12, 1400.0, 1433.2, 1399.95, 1411.3, 0, 5,
        6, NOON - 2, 0.125, b"\x01book", b"\x02greeks", b"\x00raw", True,
    )  # fmt: skip
    sent = Tick(RELIANCE, quote, "kite", 7, 1, NOON * MS, repeat=True)
    assert keeper.write([sent]) == 0
    (row,) = whole(keeper.store)
    assert row == StoredTick(
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
        instrument_key="NSE_EQ|INE002A01018",
        extra=None,
    )
    assert row.tick(Quote) == sent


SELDOM: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"open_interest_high": 9, "open_interest_low": 0}, {"open_interest_change": -(2**40)}),
    ({"auction": Auction(99.5, None, 0, -7, 3)}, {"phase": "closing_match"}),
    ({"minute": BrokerBar(NOON, 1.0, 2.0, 0.5, 1.5, 2**40)}, {"phase": "closed", "repeat": True}),
]


@pytest.mark.parametrize(("said", "of_tick"), SELDOM)
def test_what_few_ticks_say_comes_back_in_the_same_reply_also_without_the_brokers_bytes(
    database: Any, said: dict[str, Any], of_tick: dict[str, Any]
) -> None:
    store, _ = database.open(raw=False)
    sent = msgspec.structs.replace(tick(1, NOON, **said), **of_tick)
    Keeper(store).write([sent, tick(2, NOON + 1)])
    row, plain = whole(store)
    restored = row.tick(Quote)
    assert {name: getattr(restored.quote, name) for name in said} == said
    assert {name: getattr(restored, name) for name in of_tick} == of_tick
    for mode in MODES:
        assert encode(restored, View(mode)) == encode(sent, View(mode))
    assert (plain.extra, plain.tick(Quote).phase) == (None, "open"), "and costs the others nothing"


NAMES = ("", "BSE:INFRA", "BSE_INDEX|INFRA", "BSE_INDEX|Infra", "282377")


@pytest.mark.parametrize("name", NAMES)
def test_a_tick_comes_back_under_the_name_it_was_sent_by(keeper: Keeper, name: str) -> None:
    infra = Instrument(282377, "INFRA", "BSE", "BSE_INDEX", "INDEX", "BSE_INDEX|Infra", own_name=name)
    sent = tick(1, NOON, infra)
    keeper.write([sent])
    (row,) = whole(keeper.store, infra.token)
    assert (row.tradingsymbol, row.exchange) == ("INFRA", "BSE"), "which stay apart"
    assert encode(row.tick(Quote), QUOTE) == encode(sent, QUOTE)
    assert [row.tick(Quote).instrument for row in keeper.store.received(BEGIN, FOREVER, 9)] == [infra]
    assert [row.tick(Quote).instrument for row in keeper.store.newest(0)] == [infra]


def test_what_was_not_said_is_null_and_the_receipt_stands_in_for_the_time(keeper: Keeper) -> None:
    bare = Tick(INFY, Quote("I", "ltp"), "kite", 7, 1, NOON * MS, snapshot=True, late=True)
    keeper.write([bare])
    (row,) = whole(keeper.store, INFY.token)
    assert (row.tick_timestamp, row.flags) == (NOON, SNAPSHOT | LATE)
    assert (row.last_price, row.volume, row.depth, row.greeks, row.iv) == (None,) * 5
    assert row.raw_tick_data == b""


def test_the_brokers_bytes_stay_out_where_they_are_not_wanted(database: Any) -> None:
    store, _ = database.open(raw=False)
    Keeper(store).write([tick(1, book=b"book")])
    (row,) = whole(store)
    assert (row.raw_tick_data, row.depth) == (b"", b"book")


def test_extreme_but_possible_numbers_and_times_are_kept(keeper: Keeper) -> None:
    prices = [5e-324, -1e300, 1e308, 1.7e308, 0.1 + 0.2, -0.0]
    sent = [
        tick(seq, seq, last_price=price, high=1.7e308, volume=2**63 - 1)
        for seq, price in enumerate(prices, 1)
    ]
    assert keeper.write([*sent, tick(7, 7, open_interest=-(2**63))]) == 0
    assert [row.last_price for row in whole(keeper.store)][:6] == prices
    assert [row.volume for row in whole(keeper.store)][:6] == [2**63 - 1] * 6


def test_the_table_and_the_view_begin_with_the_known_columns(database: Any, keeper: Keeper) -> None:
    keeper.write([tick(1, NOON)])
    names = "instrument_token, tradingsymbol, exchange, tick_timestamp, raw_tick_data"
    (table,) = database.query("SELECT * FROM ticks")
    assert len(table) == len(COLUMNS)
    (view,) = database.query("SELECT * FROM kite_ticks_data")
    assert [(*map(str, view[:4]), bytes(view[4]))] == [
        (*map(str, row[:4]), bytes(row[4])) for row in database.query(f"SELECT {names} FROM ticks")
    ]
    assert len(view) == 5


def test_the_view_of_live_prices_has_each_instruments_newest(database: Any, keeper: Keeper) -> None:
    assert database.query("SELECT * FROM live_prices") == []
    keeper.write([tick(seq, NOON + seq, last_price=100.0 + seq) for seq in range(5)])
    keeper.write([tick(5, NOON + 4, last_price=105.0), tick(6, NOON + 1, last_price=1.0)])
    keeper.write([tick(1, NOON, INFY, last_price=7.0)])
    rows = database.query("SELECT tradingsymbol, last_price FROM live_prices ORDER BY 1")
    assert rows == [("INFY", 7.0), ("RELIANCE", 105.0)]


# --- Exactly once


def test_rows_and_position_are_there_after_opening_again(database: Any) -> None:
    for expected in (0, 3, 6):
        store, _ = database.open()
        keeper = Keeper(store)
        assert (store.count(), keeper.at) == (expected, place(expected) if expected else None)
        keeper.write([tick(seq) for seq in range(3)])
        store.close()


def test_a_position_that_is_not_the_stored_one_writes_nothing(ticks_store: TickStore) -> None:
    ticks_store.write([tick(1)], None, place(1))
    for wrong in (None, place(2), msgspec.structs.replace(place(1), offset=7)):
        with pytest.raises(PositionMoved):
            ticks_store.write([tick(2)], wrong, place(2))
    with pytest.raises(PositionMoved):
        ticks_store.write([tick(2)], place(1, "journal-2"), place(2, "journal-2"))
    assert (ticks_store.count(), ticks_store.position("journal-1")) == (1, place(1))


def test_each_journal_has_its_own_position(ticks_store: TickStore) -> None:
    ticks_store.write([tick(1)], None, place(1))
    ticks_store.write([tick(2)], None, place(9, "journal-2"))
    assert ticks_store.position("journal-1") == place(1)
    assert ticks_store.position("journal-2") == place(9, "journal-2")
    assert ticks_store.position("journal-3") is None


def test_a_position_can_move_without_ticks(ticks_store: TickStore) -> None:
    assert ticks_store.write([], None, place(1)) == 0
    assert (ticks_store.count(), ticks_store.position("journal-1")) == (0, place(1))


def test_of_many_who_write_the_same_part_at_once_one_wins(database: Any) -> None:
    stores = [database.open()[0] for _ in range(3)]
    begin = threading.Barrier(6)
    lost: list[StoreError] = []

    def write(store: TickStore) -> None:
        begin.wait()
        try:
            store.write([tick(seq) for seq in range(150)], None, place(150))
        except PositionMoved as error:
            lost.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in stores * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lost) == 5
    assert seqs(whole(stores[0])) == list(range(150))


# --- Reading


def test_both_ends_of_a_range_are_inclusive_and_other_instruments_stay_out(keeper: Keeper) -> None:
    keeper.write([tick(seq, NOON + seq) for seq in range(10)])
    keeper.write([tick(seq, NOON + seq, INFY) for seq in range(10)])
    rows = keeper.store.read(RELIANCE.token, (NOON + 3) * MS, (NOON + 6) * MS, 100)
    assert seqs(rows) == [3, 4, 5, 6]
    assert {row.tradingsymbol for row in rows} == {"RELIANCE"}
    inside = keeper.store.read(RELIANCE.token, (NOON + 3) * MS + 1, (NOON + 6) * MS + 999_999, 100)
    assert seqs(inside) == [4, 5, 6]
    assert keeper.store.count() == 20


def test_two_ticks_of_one_second_are_two_rows(keeper: Keeper) -> None:
    keeper.write([tick(1, NOON), tick(2, NOON), tick(2, NOON)])
    assert seqs(whole(keeper.store)) == [1, 2, 2]


def test_pages_follow_each_other_without_gap_or_double(keeper: Keeper) -> None:
    # Late and simultaneous ticks: the order is by time, then by number.
    times = [5, 3, 3, 9, 1, 9, 9, 2, 7, 7, 7, 7]
    keeper.write([tick(seq, NOON + time) for seq, time in enumerate(times, 1)])
    everything = whole(keeper.store)
    assert seqs(everything) == [seq for _, seq in sorted(zip(times, range(1, 13), strict=True))]
    for size in (1, 2, 5):
        pages: list[StoredTick] = []
        while page := keeper.store.read(RELIANCE.token, BEGIN, FOREVER, size, pages[-1] if pages else None):
            assert len(page) <= size
            pages += page
        assert pages == everything


def test_pages_of_everything_that_was_received_follow_the_receipt(keeper: Keeper) -> None:
    sent = [
        tick(seq, NOON - 100 * seq, instrument, NOON + seq // 3)
        for seq in range(12)
        for instrument in (RELIANCE, INFY)
    ]
    keeper.write(sent)
    in_order = sorted((each.received_ns // MS, each.instrument.token, each.epoch, each.seq) for each in sent)
    for size in (1, 5, 100):
        pages: list[StoredTick] = []
        while page := keeper.store.received(BEGIN, FOREVER, size, pages[-1] if pages else None):
            assert len(page) <= size
            pages += page
        assert [(row.received_at, row.instrument_token, row.epoch, row.seq) for row in pages] == in_order
    some = keeper.store.received((NOON + 1) * MS, (NOON + 2) * MS, 100)
    assert {row.received_at for row in some} == {NOON + 1, NOON + 2}
    assert len(some) == 12


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_two_brokers_that_number_alike_lose_no_row_between_pages(keeper: Keeper, size: int) -> None:
    # Both began to number in the same millisecond: source alone tells the ticks apart.
    sent = [tick(seq, NOON, source=source) for seq in (1, 2, 3) for source in ("upstox", "kite")]
    keeper.write(sent)
    in_order = [(seq, source) for seq in (1, 2, 3) for source in ("kite", "upstox")]
    read: list[StoredTick] = []
    while page := keeper.store.read(RELIANCE.token, BEGIN, FOREVER, size, read[-1] if read else None):
        read += page
    assert [(row.seq, row.source) for row in read] == in_order
    received: list[StoredTick] = []
    while page := keeper.store.received(BEGIN, FOREVER, size, received[-1] if received else None):
        received += page
    assert [(row.seq, row.source) for row in received] == in_order


def test_the_newest_of_each_instrument_is_among_those_received_since(keeper: Keeper) -> None:
    assert keeper.store.newest(BEGIN) == []
    keeper.write([tick(seq, NOON + seq, RELIANCE, NOON + seq) for seq in range(5)])
    keeper.write([tick(seq, NOON + seq, INFY, NOON + 10 + seq) for seq in range(5)])
    late = tick(5, NOON - DAY, RELIANCE, NOON + 20)
    keeper.write([late])
    newest = {row.tradingsymbol: row.seq for row in keeper.store.newest(BEGIN)}
    assert newest == {"RELIANCE": 4, "INFY": 4}
    newest = {row.tradingsymbol: row.seq for row in keeper.store.newest((NOON + 5) * MS)}
    assert newest == {"RELIANCE": 5, "INFY": 4}
    assert seqs(keeper.store.newest((NOON + 15) * MS)) == [5]
    assert keeper.store.newest((NOON + 21) * MS) == []
    before = {row.tradingsymbol: row.seq for row in keeper.store.newest(BEGIN, (NOON + 12) * MS)}
    assert before == {"RELIANCE": 4, "INFY": 1}


def test_the_last_of_an_instrument_within_some_time_is_by_the_order_of_its_history(keeper: Keeper) -> None:
    keeper.write([tick(seq, NOON + seq, RELIANCE, NOON + 9 - seq) for seq in range(5)])
    keeper.write([tick(7, NOON + 3, INFY)])

    def last(from_ms: int, to_ms: int) -> int | None:
        row = keeper.store.last(RELIANCE.token, from_ms * MS, to_ms * MS)
        return None if row is None else row.seq

    assert last(0, NOON + DAY) == 4
    assert last(NOON, NOON + 2) == 2
    assert last(NOON - DAY, NOON - 1) is None
    assert last(NOON + 5, NOON + DAY) is None


def test_readers_and_a_writer_do_not_disturb_each_other(keeper: Keeper) -> None:
    def write() -> None:
        for first in range(0, 1000, 20):
            keeper.write([tick(seq) for seq in range(first, first + 20)])

    writer = threading.Thread(target=write)
    seen: list[int] = []

    def look() -> None:
        while writer.is_alive():
            rows = whole(keeper.store)
            assert seqs(rows) == list(range(len(rows)))
            seen.append(len(rows) % 20)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for thread in (writer, *readers):
        thread.start()
    for thread in (writer, *readers):
        thread.join()
    assert seen
    assert set(seen) == {0}
    assert len(whole(keeper.store)) == 1000


# --- Looking after it


def test_a_closed_store_is_a_store_error(ticks_store: TickStore) -> None:
    ticks_store.close()
    for ask in (
        lambda: ticks_store.write([tick(1)], None, place(1)),
        lambda: ticks_store.read(1, 0, 1, 1),
        lambda: ticks_store.position("journal-1"),
        lambda: ticks_store.maintain(NOON * MS) if ticks_store.count() else None,
    ):
        with pytest.raises(StoreError, match="closed"):
            ask()
