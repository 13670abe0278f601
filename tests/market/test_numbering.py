"""Quotes become numbered, merged and flagged ticks."""

from __future__ import annotations

from typing import Any

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.numbering import Numbering
from mdactors.market.quote import Quote

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")


def make() -> Numbering:
    return Numbering("test", 7, {"R": RELIANCE, "I": INFY})


def quote(token: str = "R", *, complete: bool = True, **said: Any) -> Quote:
    return Quote(token=token, mode="full", complete=complete, **said)


def test_each_instrument_counts_from_one_within_the_epoch() -> None:
    numbering = make()
    ticks = numbering.number([quote(last_price=1.0), quote("I", last_price=2.0), quote(last_price=1.5)], 5)
    assert [(t.instrument.symbol, t.seq, t.epoch) for t in ticks] == [
        ("RELIANCE", 1, 7), ("INFY", 1, 7), ("RELIANCE", 2, 7),
    ]  # fmt: skip
    assert all(t.received_ns == 5 and t.source == "test" for t in ticks)


def test_a_partial_quote_takes_what_it_leaves_out_from_the_one_before() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0, volume=10, open=0.5, book=b"book")], 0)
    (tick,) = numbering.number([quote(complete=False, last_price=1.1, volume=11)], 0)
    merged = tick.quote
    assert (merged.last_price, merged.volume, merged.open, merged.book) == (1.1, 11, 0.5, b"book")


def test_a_partial_quote_without_a_base_is_not_published_but_asked_for() -> None:
    numbering = make()
    assert numbering.number([quote(complete=False, last_price=1.0)], 0) == []
    assert numbering.without_base == ["R"]


def test_a_partial_quote_does_not_change_the_tick_published_before() -> None:
    numbering = make()
    (first,) = numbering.number([quote(last_price=1.0, volume=10)], 0)
    numbering.number([quote(complete=False, last_price=2.0)], 0)
    assert first.quote.last_price == 1.0


def test_the_first_tick_after_a_subscription_is_a_snapshot() -> None:
    numbering = make()
    flags = []
    for _ in range(2):
        numbering.expect_snapshots(["R"], drop_bases=False)
        flags += [numbering.number([quote(last_price=p)], 0)[0].snapshot for p in (1.0, 2.0)]
    assert flags == [True, False, True, False]


def test_a_change_of_mode_drops_the_base() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0, volume=10)], 0)
    numbering.expect_snapshots(["R"], drop_bases=True)
    assert numbering.number([quote(complete=False, last_price=2.0)], 0) == []


def test_a_roll_of_the_day_drops_every_base() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0, volume=10)], 0)
    numbering.drop_bases()
    assert numbering.number([quote(complete=False, last_price=2.0)], 0) == []


def test_the_same_content_again_is_a_repeat_whatever_its_time() -> None:
    numbering = make()
    ticks = numbering.number(
        [quote(last_price=1.0, exchange_time=1000), quote(last_price=1.0, exchange_time=2000)], 0
    )
    assert [t.repeat for t in ticks] == [False, True]


def test_an_exchange_time_that_steps_back_is_late_and_still_published() -> None:
    numbering = make()
    ticks = numbering.number(
        [quote(last_price=1.0, exchange_time=2000), quote(last_price=1.1, exchange_time=1000)], 0
    )
    assert [t.late for t in ticks] == [False, True]


def test_a_token_that_no_instrument_has_is_counted() -> None:
    numbering = make()
    assert numbering.number([quote("X", last_price=1.0)], 0) == []
    assert numbering.unknown == 1


def test_a_token_that_means_another_instrument_starts_afresh() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0)], 0)
    numbering.use({"R": INFY})
    (tick,) = numbering.number([quote(last_price=9.0)], 0)
    assert (tick.instrument, tick.seq) == (INFY, 1)


def test_the_numbers_go_on_when_an_instrument_leaves_the_table_and_comes_back() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0), quote(last_price=2.0)], 0)
    numbering.use({})
    numbering.use({"R2": RELIANCE})
    assert numbering.number([quote("R2", last_price=3.0)], 0)[0].seq == 3


def test_what_streams_no_more_keeps_its_number() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0)], 0)
    numbering.retire(["R"])
    assert numbering.number([quote(last_price=2.0)], 0)[0].seq == 2


def test_what_a_token_means_is_known_before_and_after_it_ticks() -> None:
    numbering = make()
    assert numbering.instrument("R") == RELIANCE
    numbering.number([quote(last_price=1.0)], 0)
    assert numbering.instrument("R") == RELIANCE
    assert numbering.instrument("nothing") is None


def test_an_update_that_no_subscription_came_before_is_no_snapshot() -> None:
    assert not make().number([quote(last_price=1.0)], 0)[0].snapshot


def test_a_refreshed_table_does_not_disturb_the_numbers() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0)], 0)
    numbering.use({"R": RELIANCE})
    assert numbering.number([quote(last_price=2.0)], 0)[0].seq == 2


def test_an_instrument_that_is_listed_as_before_is_held_once() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0)], 0)
    numbering.use({"R": msgspec.structs.replace(RELIANCE)})
    assert numbering.number([quote(last_price=2.0)], 0)[0].instrument is RELIANCE
    numbering.use({"R": msgspec.structs.replace(RELIANCE, symbol="RIL")})
    assert numbering.number([quote(last_price=3.0)], 0)[0].instrument.symbol == "RIL"


def test_what_was_newest_before_a_table_with_other_names_goes_by_those_too() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0)], 0)
    numbering.use({"R": msgspec.structs.replace(RELIANCE, own_name="NSE:RELIANCE")})
    [newest] = numbering.newest()
    assert (newest.instrument.answered, newest.quote.last_price) == ("NSE:RELIANCE", 1.0)
    assert numbering.number([quote(last_price=1.0)], 0)[0].repeat


def test_snapshots_do_not_count_as_the_feeds_newest_time() -> None:
    numbering = make()
    numbering.number([quote(last_price=1.0, exchange_time=5000, snapshot=True)], 0)
    assert numbering.newest_time == 0
    numbering.number([quote(last_price=1.1, exchange_time=6000)], 0)
    assert numbering.newest_time == 6000
