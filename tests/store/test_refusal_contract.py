"""What every store does with ticks that can never be kept."""

from __future__ import annotations

import logging
import math
from typing import Any

import msgspec
import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.ticks import TickStore

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
MS = 1_000_000
NOON = 1_790_663_400_000
ROWS = 100


def tick(seq: int, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", **{"last_price": 1421.05, **said}, raw=b"\x00raw")
    return Tick(instrument, quote, "kite", 7, seq, NOON * MS + 999_999)


def place(ticks: int) -> Position:
    return Position("journal-1", 1, 100 * ticks, ticks)


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


POISON = {
    "too-large": tick(2, volume=2**70),
    "too-small": tick(2, open_interest=-(2**63) - 1),
    "no-number": tick(2, last_price=math.nan),
    "infinite": tick(2, high=-math.inf),
    "infinite-iv": tick(2, iv=math.inf),
    "no-text": tick(2, instrument=msgspec.structs.replace(INFY, symbol="\ud800")),
    "missing": tick(2, instrument=msgspec.structs.replace(INFY, exchange=None)),
}


@pytest.mark.parametrize("poisoned", POISON.values(), ids=POISON)
def test_a_tick_that_can_never_be_kept_is_set_aside_with_the_reason(
    database: Any, keeper: Keeper, poisoned: Tick, caplog: pytest.LogCaptureFixture
) -> None:
    batch = [tick(seq) for seq in range(3, 3 + 2 * ROWS)]
    assert keeper.write([*batch[:ROWS], tick(1), poisoned, *batch[ROWS:]]) == 1
    rows = keeper.store.read(RELIANCE.token, 0, 2**62, 10**6)
    assert [row.seq for row in rows] == [1, *(kept.seq for kept in batch)]
    assert keeper.store.position("journal-1") == place(2 * ROWS + 2)
    ((journal, offset, reason, packed),) = database.query(
        'SELECT journal, "offset", reason, tick FROM refused_ticks'
    )
    assert (journal, offset) == ("journal-1", place(2 * ROWS + 2).offset)
    assert reason
    assert bytes(packed)
    (line,) = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert f"set aside 1 of {2 * ROWS + 2} ticks" in line
    assert f"{poisoned.instrument.key}, epoch 7, seq 2: " in line


def test_a_tick_that_was_set_aside_can_be_read_again(database: Any, keeper: Keeper) -> None:
    poisoned = tick(1, last_price=math.inf)
    keeper.write([poisoned])
    ((packed,),) = database.query("SELECT tick FROM refused_ticks")
    assert msgspec.msgpack.decode(bytes(packed), type=Tick) == poisoned


def test_a_batch_of_nothing_but_poison_costs_one_line_and_the_next_one_works(
    database: Any, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    assert keeper.write([tick(seq, volume=2**70) for seq in range(100)]) == 100
    assert keeper.store.count() == 0
    assert database.query("SELECT count(*) FROM refused_ticks") == [(100,)]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert keeper.write([tick(1)]) == 0
    assert keeper.store.count() == 1
