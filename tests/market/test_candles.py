"""What becomes a bar, when it is handed out, and what corrects it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, Interval
from mdactors.market.candles import Candles, bars_of
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
OTHER = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
INDEX = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
TUESDAY = "2026-09-29"


def ms(clock: str, day: str = TUESDAY) -> int:
    moment = dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ist.IST)
    return round(moment.timestamp() * 1000)


def tick(
    price: float | None,
    *,
    at: str | None = None,
    volume: int | None = None,
    received: str | None = None,
    day: str = TUESDAY,
    of: Instrument = SHARE,
    **flags: Any,
) -> Tick:
    """``at`` is the last trade time, ``received`` the receipt, by default at the same time."""
    opening = flags.pop("opening", price if of.type == "INDEX" else None)
    quote = Quote(
        of.token, "full", price, last_trade_time=ms(at, day) if at else None, volume=volume,
        open=opening, high=opening, low=opening, exchange_time=flags.pop("updated", None), complete=True,
    )  # fmt: skip
    return Tick(of, quote, "test", 1, 1, ms(received or at or "", day) * 1_000_000, **flags)


def built(*ticks: Tick, intervals: Sequence[Interval] = ("1m",)) -> list[Bar]:
    return list(bars_of(ticks, Calendar(), intervals))


def shown(bars: Sequence[Bar]) -> list[tuple[str, float, float, float, float, int]]:
    return [
        (ist.iso(bar.start)[11:19], bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in sorted(bars, key=lambda bar: bar.start)
    ]


# --- What a trade is, and when it was


def test_trades_of_a_minute_make_its_bar_and_the_volume_is_what_the_days_figure_rose_by() -> None:
    bars = built(
        tick(100.0, at="10:00:00", volume=1_000),
        tick(103.0, at="10:00:15", volume=1_010),
        tick(99.0, at="10:00:30", volume=1_015),
        tick(101.0, at="10:00:59.999", volume=1_040),
        tick(102.0, at="10:01:00", volume=1_041),
    )
    assert shown(bars) == [("10:00:00", 100, 103, 99, 101, 40), ("10:01:00", 102, 102, 102, 102, 1)]


def test_seconds_and_minutes_are_built_in_one_pass() -> None:
    bars = built(
        tick(100.0, at="10:00:00.100", volume=0),
        tick(101.0, at="10:00:00.900", volume=5),
        tick(99.0, at="10:00:02", volume=7),
        intervals=["1s", "1m"],
    )
    assert shown([bar for bar in bars if bar.interval == "1s"]) == [
        ("10:00:00", 100, 101, 100, 101, 5),
        ("10:00:02", 99, 99, 99, 99, 2),
    ]
    assert shown([bar for bar in bars if bar.interval == "1m"]) == [("10:00:00", 100, 101, 99, 99, 7)]


def test_a_book_only_update_opens_no_bar() -> None:
    bars = built(
        tick(100.0, at="10:00:00", volume=10),
        tick(100.0, at="10:00:00", volume=10, received="10:03:00"),
        tick(100.0, at="10:00:00", volume=10, received="10:04:00"),
    )
    assert [start for start, *_ in shown(bars)] == ["10:00:00"]


def test_a_snapshot_opens_no_bar_but_its_volume_is_the_baseline() -> None:
    bars = built(
        tick(90.0, at="10:00:00", volume=1_000, snapshot=True),
        tick(91.0, at="10:02:00", volume=1_007),
    )
    assert shown(bars) == [("10:02:00", 91, 91, 91, 91, 7)]


def test_a_moved_trade_time_is_a_trade_where_no_volume_is_said() -> None:
    bars = built(
        tick(100.0, at="10:00:00"),
        tick(100.0, at="10:00:00", received="10:00:40"),
        tick(101.0, at="10:01:00"),
    )
    assert shown(bars) == [("10:00:00", 100, 100, 100, 100, 0), ("10:01:00", 101, 101, 101, 101, 0)]


def test_a_moved_volume_is_a_trade_of_the_receipt_where_no_trade_time_is_said() -> None:
    bars = built(
        tick(100.0, volume=50, received="10:00:00"),
        tick(100.0, volume=50, received="10:00:30"),
        tick(101.0, volume=60, received="10:01:10"),
        tick(102.0, volume=60, received="10:02:10"),
    )
    assert shown(bars) == [("10:01:00", 101, 101, 101, 101, 10)]


def test_of_a_feed_of_last_prices_every_update_counts_repeats_too() -> None:
    bars = built(
        tick(100.0, received="10:00:10"),
        tick(100.0, received="10:01:10", repeat=True),
        tick(100.0, received="10:02:10", snapshot=True),
    )
    assert [start for start, *_ in shown(bars)] == ["10:00:00", "10:01:00"]


def test_of_an_index_every_update_counts_at_the_exchanges_time_and_has_no_volume() -> None:
    bars = built(
        tick(25_000.0, of=INDEX, volume=0, received="12:00:00", updated=ms("10:00:10")),
        tick(25_000.0, of=INDEX, volume=0, received="12:00:01", updated=ms("10:01:10"), repeat=True),
        tick(25_001.0, of=INDEX, volume=77, at="10:02:10", received="12:00:02"),
        tick(25_002.0, of=INDEX, volume=99, at="10:02:10", received="12:00:03"),
    )
    assert shown(bars) == [
        ("10:00:00", 25_000, 25_000, 25_000, 25_000, 0),
        ("10:01:00", 25_000, 25_000, 25_000, 25_000, 0),
        ("10:02:00", 25_001, 25_002, 25_001, 25_002, 0),
    ]


@pytest.mark.parametrize("price", [None, 0.0])
def test_without_a_price_there_is_no_trade(price: float | None) -> None:
    assert built(tick(price, at="10:00:00", volume=1), tick(price, at="10:00:01", volume=2)) == []


def test_a_bar_goes_by_the_trade_time_however_far_off_the_recorders_clock_is() -> None:
    bars = built(tick(100.0, at="10:00:03", received="09:59:58", volume=1))
    assert [start for start, *_ in shown(bars)] == ["10:00:00"]


def test_the_trading_date_comes_from_the_tick() -> None:
    played = [tick(100.0, at=f"10:00:0{second}", day="2016-09-30", volume=second) for second in (1, 2)]
    for each in played:
        each.received_ns = ms("20:00:00") * 1_000_000
    assert [ist.iso(bar.start)[:16] for bar in built(*played)] == ["2016-09-30T10:00"]


def test_the_first_update_of_an_instrument_is_no_trade_when_it_tells_of_one_long_ago() -> None:
    bars = built(
        tick(50.0, at="10:10:00", volume=1, of=OTHER),
        tick(100.0, at="10:09:40", volume=70, received="10:10:00"),
        tick(101.0, at="10:10:01", volume=75),
    )
    assert shown([bar for bar in bars if bar.instrument is SHARE]) == [("10:10:00", 101, 101, 101, 101, 5)]


# --- Volume


def test_a_volume_that_steps_back_is_neither_negative_nor_counted_twice() -> None:
    volumes = [1_000, 1_100, 1_050, 1_090, 1_120]
    bars = built(
        *(tick(100.0, at=f"10:0{minute}:00", volume=volume) for minute, volume in enumerate(volumes))
    )
    assert [bar.volume for bar in bars] == [0, 100, 0, 0, 20]


def test_two_updates_in_swapped_order_open_and_close_by_the_time_of_their_trades() -> None:
    bars = built(
        tick(100.0, at="10:00:01", volume=10),
        tick(102.0, at="10:00:03", volume=30),
        tick(101.0, at="10:00:02", volume=20),
    )
    assert shown(bars) == [("10:00:00", 100, 102, 100, 102, 20)]


def test_the_figure_of_a_new_day_begins_at_nothing() -> None:
    bars = built(
        tick(100.0, at="15:29:00", volume=900_000, day="2026-09-29"),
        tick(101.0, at="09:15:00", volume=40, day="2026-09-30"),
        tick(102.0, at="09:16:00", volume=50, day="2026-09-30"),
    )
    assert [bar.volume for bar in bars] == [0, 40, 10]


@pytest.mark.parametrize("stale", [5_000_000, 0])
def test_what_was_traded_before_the_open_is_no_part_of_the_first_minute(stale: int) -> None:
    bars = built(
        tick(99.0, volume=stale, received="08:50:00", snapshot=True),
        tick(99.5, at="09:07:30", volume=2_000),
        tick(100.0, at="09:15:00", volume=2_060),
    )
    assert shown(bars) == [
        ("09:07:00", 99.5, 99.5, 99.5, 99.5, 2_000),
        ("09:15:00", 100, 100, 100, 100, 60),
    ]
    assert [bar.phase for bar in bars] == ["pre_open", "open"]


def test_yesterdays_figure_in_the_morning_swallows_nothing_of_today() -> None:
    bars = built(
        tick(99.0, volume=5_000_000, received="08:50:00", snapshot=True),
        tick(99.0, volume=0, received="09:01:00"),
        tick(100.0, volume=60, received="09:15:00"),
        tick(100.0, volume=70, received="09:16:00"),
    )
    assert [bar.volume for bar in bars] == [60, 10]


def test_what_was_traded_while_nobody_listened_counts_only_within_the_same_minute() -> None:
    def after(gap_ends: str) -> int:
        return sum(
            bar.volume
            for bar in built(
                tick(100.0, at="10:00:05", volume=1_000),
                tick(101.0, at=gap_ends, volume=9_000, snapshot=True),
                tick(102.0, at="10:30:00", volume=9_003),
            )
        )

    assert after("10:00:20") == 8_003
    assert after("10:29:00") == 3


def test_a_change_from_last_prices_to_full_quotes_begins_the_volume_with_a_baseline() -> None:
    bars = built(
        tick(100.0, received="10:00:00"),
        tick(101.0, at="10:00:20", volume=7_000),
        tick(102.0, at="10:00:30", volume=7_005),
    )
    assert shown(bars) == [("10:00:00", 100, 102, 100, 102, 5)]


# --- The session


def test_the_parts_of_the_day_make_bars_the_end_of_each_not_included() -> None:
    clocks = [
        "08:59:59",
        "09:07:00",
        "09:15:00",
        "15:29:59.999",
        "15:30:00",
        "15:49:59",
        "15:50:00",
        "16:00:00",
    ]
    bars = built(*(tick(100.0, at=clock, volume=n) for n, clock in enumerate(clocks)))
    assert [(ist.iso(bar.start)[11:16], bar.phase) for bar in bars] == [
        ("09:07", "pre_open"), ("09:15", "open"), ("15:29", "open"), ("15:50", "post_close"),
    ]  # fmt: skip


def test_each_segment_keeps_its_own_hours() -> None:
    option = Instrument(1 << 8 | 2, "NIFTY26OCT25000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|1")
    bars = built(tick(10.0, at="15:35:00", of=option), tick(10.0, at="15:35:00", of=SHARE))
    assert [bar.instrument for bar in bars] == [option]


def test_a_day_on_which_nothing_trades_has_no_bars_and_an_open_calendar_takes_them_all() -> None:
    sunday = tick(100.0, at="23:59:59", day="2026-10-04")
    assert built(sunday) == []
    assert len(list(bars_of([sunday], Calendar(always_open=True), ["1m"]))) == 1


def test_a_time_that_no_calendar_reaches_makes_no_bar() -> None:
    mad = tick(100.0, at="10:00:00", volume=1)
    mad.quote.last_trade_time = 2**53 - 1
    assert built(mad) == []


# --- When a bar is handed out


def taken(candles: Candles, now: float, *ticks: Tick) -> list[Bar]:
    candles.add(ticks, now)
    return candles.closed(now)


def test_a_bar_is_handed_out_once_when_the_flow_is_a_grace_past_its_end() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    assert taken(candles, 0, tick(100.0, at="10:00:00", volume=1)) == []
    assert taken(candles, 0, tick(101.0, at="10:00:02.499", volume=2)) == []
    assert shown(taken(candles, 0, tick(101.0, at="10:00:02.500", volume=3))) == [
        ("10:00:00", 100, 100, 100, 100, 0)
    ]
    assert candles.closed(0) == []


def test_a_quiet_markets_bar_closes_as_time_goes_by() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    candles.add([tick(100.0, at="10:00:00", volume=1)], now=5_000)
    assert candles.closed(7_499) == []
    assert len(candles.closed(7_500)) == 1


def test_where_the_flow_goes_faster_than_real_time_the_grace_is_real() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5, pace=60)
    candles.add([tick(100.0, at="10:00:00", volume=1), tick(101.0, at="10:01:30.9", volume=2)], 0)
    assert candles.closed(0) == [], "a trade of 10:00:00 may come for 90 seconds of the flow"
    assert len(candles.closed(100)) == 1


def test_trades_timed_by_receipts_do_not_wait_for_or_close_those_of_the_exchanges_clock() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    ahead = tick(100.0, at="10:00:05", received="10:00:00", volume=1)
    priced = tick(50.0, received="10:00:00", of=OTHER)
    assert taken(candles, 0, ahead, priced) == []
    assert taken(candles, 0, tick(51.0, received="10:00:00.900", of=OTHER)) == []


def test_a_late_tick_corrects_a_bar_that_was_handed_out_once_for_all_of_a_beat() -> None:
    candles = Candles(Calendar(), ["1s", "1m"], 1.5)
    candles.add([tick(100.0, at="10:00:00", volume=1), tick(100.0, at="10:01:05", volume=5)], 0)
    candles.closed(0)
    late = [tick(100.0 + n, at=f"10:00:00.{n}", volume=5 + n) for n in (3, 2)]
    corrections = taken(candles, 0, *late)
    assert all(bar.correction for bar in corrections)
    assert shown([bar for bar in corrections if bar.interval == "1s"]) == [
        ("10:00:00", 100, 103, 100, 103, 3)
    ]
    assert shown([bar for bar in corrections if bar.interval == "1m"]) == [
        ("10:00:00", 100, 103, 100, 103, 3)
    ]
    assert candles.closed(0) == []


def test_a_late_tick_that_changes_nothing_corrects_nothing() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    candles.add([tick(100.0, at="10:00:00", volume=1), tick(100.0, at="10:00:05", volume=5)], 0)
    candles.closed(0)
    assert taken(candles, 0, tick(100.0, at="10:00:00", volume=1)) == []


def test_a_late_tick_of_a_second_without_a_bar_makes_a_new_one_and_corrects_its_minute() -> None:
    candles = Candles(Calendar(), ["1s", "1m"], 1.5)
    candles.add([tick(100.0, at="10:00:00", volume=1), tick(100.0, at="10:01:05", volume=5)], 0)
    candles.closed(0)
    bars = taken(candles, 0, tick(90.0, at="10:00:58", volume=5)) + candles.closed(0)
    assert [(bar.interval, bar.correction, bar.low) for bar in bars] == [("1s", False, 90), ("1m", True, 90)]


def test_a_tick_of_an_open_bar_corrects_nothing() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    candles.add([tick(100.0, at="10:00:00", volume=1), tick(101.0, at="10:00:02", volume=5)], 0)
    bars = taken(candles, 0, tick(99.0, at="10:00:00.5", volume=5), tick(99.0, at="10:00:04.5", volume=5))
    assert [(bar.low, bar.correction) for bar in bars] == [(99, False), (101, False)]


def test_a_trade_more_than_five_minutes_behind_its_flow_is_refused_and_counted() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    candles.add([tick(1.0, at="10:09:00"), tick(2.0, at="10:03:00"), tick(3.0, at="10:09:01")], 0)
    assert candles.describe() == {"instruments": 1, "open": 2, "refused": 1}


def test_one_trade_of_a_mad_time_moves_nothing() -> None:
    candles = Candles(Calendar(), ["1s"], 1.5)
    mad = tick(100.0, at="15:00:00", volume=2, of=OTHER)
    assert taken(candles, 0, tick(1.0, at="10:00:00"), mad, tick(2.0, at="10:00:01")) == []
    assert len(taken(candles, 0, tick(3.0, at="10:00:03"))) == 1
    assert candles.refused == 1


def test_a_flow_that_leaps_as_after_an_outage_is_followed_without_a_loss() -> None:
    after = [tick(100.0 + n, at=f"10:30:0{n}", volume=n) for n in range(5)]
    bars = built(tick(1.0, at="10:00:00", volume=0), *after)
    assert shown(bars) == [("10:00:00", 1, 1, 1, 1, 0), ("10:30:00", 100, 104, 100, 104, 4)]


def test_a_day_that_is_played_again_makes_its_bars_again() -> None:
    day = [tick(100.0 + n, at=f"10:{n}0:00", volume=n) for n in range(5)]
    bars = built(*day, *day)
    assert len(bars) == 10
    assert shown(bars[:5]) == shown(bars[5:])


def test_a_minute_takes_late_trades_longer_than_its_seconds() -> None:
    candles = Candles(Calendar(), ["1s", "1m"], 1.5)
    candles.add([tick(100.0, at=f"10:00:{second:02}", volume=second) for second in range(60)], 0)
    taken(candles, 0, tick(100.0, at="10:02:00", volume=60))
    bars = taken(candles, 0, tick(150.0, at="10:00:07", volume=60))
    assert [(bar.interval, bar.high, bar.correction) for bar in bars] == [("1m", 150, True)]


def test_only_the_wanted_intervals_are_handed_out() -> None:
    ticks = [tick(100.0, at="10:00:00", volume=1), tick(100.0, at="10:01:00", volume=1)]
    assert {bar.interval for bar in built(*ticks, intervals=["1s"])} == {"1s"}
    assert {bar.interval for bar in built(*ticks, intervals=["1m"])} == {"1m"}


def test_who_takes_over_hands_out_only_what_was_not_and_what_it_corrects() -> None:
    heard = [tick(100.0, at=f"10:00:{second:02}", volume=second) for second in range(40)]
    successor = Candles(Calendar(), ["1s", "1m"], 1.5)
    successor.add(heard, 0)
    successor.pass_over([ms("10:00:30"), 0])
    again = [bar for bar in successor.closed(0) if bar.interval == "1s"]
    assert [ist.iso(bar.start)[17:19] for bar in again] == [f"{second}" for second in range(30, 37)]
    assert not any(bar.correction for bar in again)
    (late,) = taken(successor, 0, tick(150.0, at="10:00:20", volume=40))
    assert (ist.iso(late.start)[17:19], late.high, late.volume, late.correction) == ("20", 150, 2, True)
    rest = taken(successor, 0, tick(105.0, at="10:01:10", volume=50))
    assert shown([bar for bar in rest if bar.interval == "1m"]) == [("10:00:00", 100, 150, 100, 100, 40)]
    assert not any(bar.correction for bar in rest)


def test_an_index_that_goes_on_repeating_an_old_state_disturbs_no_other_instrument() -> None:
    def stuck() -> list[Tick]:
        return [tick(25_000.0, at="10:00:00", received="10:09:00", of=INDEX) for _ in range(4)]

    bars = built(
        tick(25_000.0, at="10:00:00", of=INDEX),
        tick(106.0, at="10:08:00", volume=100),
        tick(130.0, at="10:08:10", volume=300),
        *stuck(),
        tick(109.0, at="10:08:40", volume=500),
        *stuck(),
        tick(110.0, at="10:09:00", volume=501),
    )
    assert shown([bar for bar in bars if bar.instrument is SHARE])[0] == ("10:08:00", 106, 130, 106, 109, 400)


def test_time_that_leapt_ahead_by_mistake_comes_back() -> None:
    wrong = [tick(50.0, at=f"14:00:0{n}", received="10:00:30", of=OTHER) for n in range(3)]
    right = [tick(100.0 + n, at=f"10:{n:02d}:30", volume=n) for n in range(1, 50)]
    bars = built(tick(100.0, at="10:00:20", volume=0), *wrong, *right)
    assert len([bar for bar in bars if bar.instrument is SHARE]) >= 49


def test_an_instrument_that_seldom_trades_keeps_its_last_bars() -> None:
    bars = built(*(tick(100.0, at=at) for at in ("10:00:05", "10:20:05", "10:45:05", "11:10:05", "11:40:05")))
    assert [row[0] for row in shown(bars)] == ["10:00:00", "10:20:00", "10:45:00", "11:10:00", "11:40:00"]
