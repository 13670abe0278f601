"""Where an instrument's day begins and ends: what its first figures mean, and which part a bar is of."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.candles import Candles, bars_of
from mdactors.market.instrument import Instrument
from mdactors.market.interval import combine
from mdactors.market.numbering import Numbering
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.timetable import ORDINARY, Holiday, Hours, Span
from mdactors_kite.adapter import KiteAdapter, KiteSettings

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
AUCTIONED = Instrument(
    408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", trading_class="auction_shares"
)
OPTION = Instrument(45451 << 8 | 2, "NIFTY26OCT25000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45451")
FUTURE = Instrument(
    45452 << 8 | 2, "NIFTY26OCTFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|45452", trading_class="near_futures"
)
CRUDE = Instrument(45453 << 8 | 7, "CRUDEOIL26OCTFUT", "MCX", "MCX_FO", "FUTURE", "MCX_FO|45453")
INDEX = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
MONDAY, TUESDAY = "2026-09-28", "2026-09-29"
Words = tuple[str, int, str]
"""Begin, volume, phase."""


def ms(clock: str, day: str = TUESDAY) -> int:
    return round(dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ist.IST).timestamp() * 1000)


def said(
    of: Instrument,
    received: str,
    price: float,
    volume: int | None,
    *,
    at: str | None = None,
    day: str = TUESDAY,
    traded_on: str | None = None,
    snapshot: bool = False,
    **fields: Any,
) -> Tick:
    """An update that was received at a time, and tells of a trade ``at`` some time."""
    quote = Quote(
        of.token, "full", price, volume=volume, complete=True, exchange_time=ms(received, day),
        last_trade_time=ms(at, traded_on or day) if at else None, **fields,
    )  # fmt: skip
    return Tick(of, quote, "test", 1, 1, ms(received, day) * 1_000_000, snapshot)


def built(ticks: Sequence[Tick], calendar: Calendar | None = None) -> list[Bar]:
    """Today's minutes, which live and replayed are the same."""
    calendar = calendar or Calendar()
    final = {bar.start: bar for bar in bars_of(ticks, calendar, ["1m"])}
    candles, live = Candles(calendar, ["1m"], 1.5), {}
    for tick in ticks:
        now = tick.received_ns / 1e6
        for bar in candles.closed(now):
            live[bar.start] = bar
        candles.add([tick], now)
    for bar in candles.rest():
        live[bar.start] = bar
    assert [shown(bar) for bar in live.values()] == [shown(bar) for bar in final.values()]
    return sorted((bar for bar in final.values() if bar.start >= ms("00:00")), key=lambda bar: bar.start)


def shown(bar: Bar) -> Words:
    return ist.iso(bar.start)[11:16], bar.volume, bar.phase


def volumes(ticks: Sequence[Tick], calendar: Calendar | None = None) -> list[Words]:
    return [shown(bar) for bar in built(ticks, calendar)]


# --- Who listened before the open

YESTERDAY = said(OPTION, "15:39:50", 88.0, 640_000, at="15:39:48", day=MONDAY)
CACHED = said(OPTION, "08:50:00", 88.0, 640_000, at="15:39:48", traded_on=MONDAY, snapshot=True)
OPENING = [
    said(OPTION, "09:15:02", 90.0, 1_500, at="09:15:01"),
    said(OPTION, "09:15:40", 91.0, 2_250, at="09:15:39"),
    said(OPTION, "09:16:10", 91.0, 2_325, at="09:16:09"),
]
WHOLE = [("09:15", 2_250, "open"), ("09:16", 75, "open")]


@pytest.mark.parametrize(
    "before", [[YESTERDAY], [CACHED], [YESTERDAY, CACHED], []], ids=["night", "cache", "both", "never ticked"]
)
def test_who_listened_before_the_open_counts_an_options_first_figure(before: list[Tick]) -> None:
    assert volumes([*before, *OPENING]) == WHOLE


def test_an_option_that_first_trades_late_in_the_day_counts_as_well() -> None:
    first = said(OPTION, "11:40:02", 90.0, 450, at="11:40:01")
    assert volumes([CACHED, first]) == [("11:40", 450, "open")]


def test_a_figure_that_is_todays_and_nothing_is_a_known_begin() -> None:
    nothing = said(OPTION, "08:58:00", 88.0, 0, at="15:39:48", traded_on=MONDAY)
    assert volumes([nothing, *OPENING]) == WHOLE


def test_without_a_trade_time_a_lower_figure_in_the_morning_is_a_trade_of_today() -> None:
    ticks = [
        said(OPTION, "08:50:00", 88.0, 640_000, snapshot=True),
        said(OPTION, "09:15:02", 90.0, 1_500),
        said(OPTION, "09:15:40", 91.0, 2_250),
        said(OPTION, "09:16:10", 91.0, 2_325),
    ]
    assert volumes(ticks) == WHOLE


def test_who_begins_to_listen_within_the_day_does_not_know_what_was() -> None:
    snapshot = said(OPTION, "11:00:02", 90.0, 22_500, at="11:00:01", snapshot=True)
    first = said(OPTION, "11:00:09", 91.0, 22_575, at="11:00:08")
    assert volumes([snapshot, first]) == [("11:00", 75, "open")]
    assert volumes([said(OPTION, "11:00:02", 90.0, 22_500, at="11:00:01"), first]) == [("11:00", 75, "open")]


def test_a_strike_whose_cached_state_is_of_an_earlier_day_has_not_traded_today() -> None:
    cached = said(OPTION, "10:00:01", 88.0, 640_000, at="15:39:48", traded_on=MONDAY, snapshot=True)
    assert volumes([cached, said(OPTION, "10:04:10", 90.0, 150, at="10:04:09")]) == [("10:04", 150, "open")]


@pytest.mark.parametrize("before", [[CACHED], []], ids=["listened before", "subscribed just now"])
def test_all_of_a_figure_is_the_first_minutes_where_its_last_trade_is(before: list[Tick]) -> None:
    again = said(OPTION, "09:15:30", 90.0, 1_500, at="09:15:21", snapshot=True)
    assert volumes([*before, again, *OPENING[1:]]) == WHOLE
    assert volumes([*before, again, OPENING[2]]) == [("09:15", 1_500, "open"), ("09:16", 825, "open")]


def test_a_figure_after_a_morning_that_nobody_heard_is_a_baseline() -> None:
    again = said(OPTION, "09:17:30", 90.0, 1_500, at="09:17:21", snapshot=True)
    later = said(OPTION, "09:17:40", 90.0, 1_575, at="09:17:39")
    assert volumes([CACHED, again, later]) == [("09:17", 75, "open")]


def test_a_first_update_of_yesterdays_trade_makes_no_bar_of_yesterday() -> None:
    unmarked = said(OPTION, "08:50:00", 88.0, 640_000, at="15:39:48", traded_on=MONDAY)
    assert [ist.iso(bar.start)[:16] for bar in bars_of([unmarked, OPENING[0]], Calendar(), ["1m"])] == [
        "2026-09-29T09:15"
    ]


# --- A connection that was lost


def test_what_was_missed_within_a_minute_is_that_minutes_though_the_next_trade_is_later() -> None:
    ticks = [
        said(SHARE, "11:00:02", 100.0, 5_000, at="11:00:01"),
        said(SHARE, "11:00:06", 101.0, 5_040, at="11:00:05"),
        said(SHARE, "11:00:40", 103.0, 5_900, at="11:00:31", snapshot=True),
        said(SHARE, "11:04:10", 102.0, 5_910, at="11:04:09"),
    ]
    assert volumes(ticks) == [("11:00", 900, "open"), ("11:04", 10, "open")]


def test_what_was_missed_is_a_minutes_too_where_the_last_word_before_was_the_books() -> None:
    ticks = [
        said(SHARE, "10:10:02", 100.0, 5_000, at="10:10:01"),
        said(SHARE, "10:30:05", 100.0, 5_000, at="10:10:01"),
        said(SHARE, "10:30:12", 101.0, 5_500, at="10:30:08", snapshot=True),
        said(SHARE, "10:33:10", 102.0, 5_510, at="10:33:09"),
    ]
    assert volumes(ticks) == [("10:10", 0, "open"), ("10:30", 500, "open"), ("10:33", 10, "open")]


def test_what_was_missed_over_the_end_of_a_minute_is_in_no_bar() -> None:
    ticks = [
        said(SHARE, "11:00:02", 100.0, 5_000, at="11:00:01"),
        said(SHARE, "11:02:40", 103.0, 5_900, at="11:02:31", snapshot=True),
        said(SHARE, "11:02:50", 102.0, 5_910, at="11:02:49"),
    ]
    assert volumes(ticks) == [("11:00", 0, "open"), ("11:02", 10, "open")]


def test_last_prices_tell_no_figure_to_go_on_from() -> None:
    ticks = [
        said(OPTION, "08:50:00", 88.0, None, snapshot=True),
        said(OPTION, "11:00:00", 89.0, None),
        said(OPTION, "11:00:05", 90.0, 22_500, at="11:00:04"),
        said(OPTION, "11:00:09", 91.0, 22_575, at="11:00:08"),
    ]
    assert volumes(ticks) == [("11:00", 75, "open")]


def test_after_a_halt_the_figure_goes_on() -> None:
    ticks = [
        said(SHARE, "11:00:02", 100.0, 5_000, at="11:00:01"),
        said(SHARE, "11:40:00", 100.0, 5_000, at="11:00:01"),
        said(SHARE, "12:00:02", 90.0, 9_000, at="12:00:01"),
    ]
    assert volumes(ticks) == [("11:00", 0, "open"), ("12:00", 4_000, "open")]


# --- Parts of a day


def test_what_a_share_or_future_trades_before_the_open_is_a_bar_of_its_own() -> None:
    for traded in (SHARE, AUCTIONED, FUTURE):
        ticks = [
            said(traded, "08:50:00", 99.0, 70_000, at="15:29:30", traded_on=MONDAY, snapshot=True),
            said(traded, "09:08:05", 100.0, 2_000, at="09:08:04"),
            said(traded, "09:12:00", 100.0, 2_000, at="09:08:04"),
            said(traded, "09:15:02", 101.0, 2_060, at="09:15:01"),
        ]
        assert volumes(ticks) == [("09:08", 2_000, "pre_open"), ("09:15", 60, "open")]


def test_what_was_traded_before_the_open_is_a_bar_also_where_the_trade_time_is_not_of_today() -> None:
    ticks = [
        said(SHARE, "08:50:00", 99.0, 70_000, at="15:29:30", traded_on=MONDAY, snapshot=True),
        said(SHARE, "09:08:05", 100.0, 2_000, at="15:29:30", traded_on=MONDAY),
        said(SHARE, "09:15:02", 101.0, 2_060, at="09:15:01"),
    ]
    assert volumes(ticks) == [("09:08", 2_000, "pre_open"), ("09:15", 60, "open")]


def test_who_comes_after_the_pre_open_has_its_figure_as_a_baseline() -> None:
    ticks = [
        said(SHARE, "09:12:00", 100.0, 2_000, at="09:08:04", snapshot=True),
        said(SHARE, "09:15:02", 101.0, 2_060, at="09:15:01"),
    ]
    assert volumes(ticks) == [("09:15", 60, "open")]


CLOSING = ["15:14:50", "15:29:50", "15:31:10", "15:32:00", "15:36:00", "15:39:50", "15:55:00"]


@pytest.mark.parametrize(
    ("traded", "bars"),
    [
        (SHARE, [("15:14", 0, "open"), ("15:29", 1, "open"), ("15:55", 1, "post_close")]),
        (OPTION, [(clock[:5], min(n, 1), "open") for n, clock in enumerate(CLOSING[:-1])]),
        (
            AUCTIONED,
            [
                ("15:14", 0, "open"), ("15:29", 1, "closing_orders"), ("15:31", 1, "closing_match"),
                ("15:32", 1, "closing_match"), ("15:55", 1, "post_close"),
            ],
        ),
    ],
    ids=["share", "option", "auctioned share"],
)  # fmt: skip
def test_each_class_closes_in_its_own_way(traded: Instrument, bars: list[Words]) -> None:
    assert volumes([said(traded, at, 100.0, n, at=at) for n, at in enumerate(CLOSING, 500)]) == bars


def test_a_trade_that_comes_late_goes_into_its_own_part() -> None:
    ticks = [
        said(AUCTIONED, "15:14:50", 100.0, 500, at="15:14:49"),
        said(AUCTIONED, "15:31:10", 101.0, 900, at="15:31:09"),
        said(AUCTIONED, "15:31:11", 99.0, 910, at="15:29:58"),
        said(AUCTIONED, "15:31:12", 101.0, 915, at="15:31:11"),
    ]
    assert volumes(ticks) == [
        ("15:14", 0, "open"), ("15:29", 10, "closing_orders"), ("15:31", 405, "closing_match"),
    ]  # fmt: skip


def test_the_commodities_evening_goes_on_with_the_mornings_figure() -> None:
    ticks = [
        said(CRUDE, "08:55:00", 5_500.0, 800, at="23:50:00", traded_on=MONDAY, snapshot=True),
        said(CRUDE, "09:00:02", 5_510.0, 30, at="09:00:01"),
        said(CRUDE, "17:00:02", 5_520.0, 50, at="17:00:01"),
        said(CRUDE, "23:54:02", 5_530.0, 55, at="23:54:01"),
    ]
    assert volumes(ticks) == [("09:00", 30, "open"), ("17:00", 20, "open"), ("23:54", 5, "open")]


def on_tuesday(**phases: str) -> Calendar:
    """A calendar in which shares and options trade at other hours on that day."""
    hours = Hours(tuple(("open", Span.read(span)) for span in phases.values()))
    special = {"shares": hours, "options": hours}
    holidays = {dt.date.fromisoformat(TUESDAY): Holiday("special", special=special)}
    return Calendar(type(ORDINARY)(groups=ORDINARY.groups, hours=ORDINARY.hours, holidays=holidays))


def test_a_special_session_in_the_evening_begins_at_nothing() -> None:
    ticks = [
        said(OPTION, "17:50:00", 88.0, 640_000, at="15:39:48", traded_on=MONDAY, snapshot=True),
        said(OPTION, "18:00:02", 90.0, 1_500, at="18:00:01"),
    ]
    assert volumes(ticks, on_tuesday(evening="18:00-19:00")) == [("18:00", 1_500, "open")]


@pytest.mark.parametrize(("again", "counted"), [(2_100, 100), (40, 40)], ids=["goes on", "begins anew"])
def test_the_second_session_of_a_day_may_have_a_figure_of_its_own(again: int, counted: int) -> None:
    ticks = [
        said(SHARE, "08:50:00", 99.0, 70_000, at="15:29:30", traded_on=MONDAY, snapshot=True),
        said(SHARE, "09:15:02", 100.0, 2_000, at="09:15:01"),
        said(SHARE, "10:30:00", 100.0, 2_000, at="09:15:01"),
        said(SHARE, "11:30:02", 101.0, again, at="11:30:01"),
    ]
    calendar = on_tuesday(first="09:15-10:00", second="11:30-12:30")
    assert volumes(ticks, calendar) == [("09:15", 2_000, "open"), ("11:30", counted, "open")]


def test_round_the_clock_a_figure_may_go_on_over_midnight_or_begin_anew() -> None:
    for figure, counted in ((640_010, 10), (7, 7)):
        ticks = [
            said(OPTION, "23:59:50", 88.0, 640_000, at="23:59:48", day=MONDAY),
            said(OPTION, "00:00:05", 88.0, figure, at="00:00:03"),
        ]
        assert volumes(ticks, Calendar(always_open=True)) == [("00:00", counted, "open")]
    begun = said(OPTION, "00:00:20", 88.0, 640_000, at="00:00:18", snapshot=True)
    later = said(OPTION, "00:00:25", 88.0, 640_003, at="00:00:23")
    assert volumes([begun, later], Calendar(always_open=True)) == [("00:00", 3, "open")]


# --- Wider bars


def test_auctions_are_of_the_day_and_of_no_hour() -> None:
    ticks = [
        said(AUCTIONED, "08:50:00", 99.0, 70_000, at="15:29:30", traded_on=MONDAY, snapshot=True),
        said(AUCTIONED, "09:08:05", 95.0, 2_000, at="09:08:04"),
        said(AUCTIONED, "09:15:02", 101.0, 2_060, at="09:15:01"),
        said(AUCTIONED, "15:14:50", 102.0, 2_100, at="15:14:49"),
        said(AUCTIONED, "15:31:10", 107.0, 9_000, at="15:31:09"),
        said(AUCTIONED, "15:55:10", 107.0, 9_001, at="15:55:09"),
    ]
    minutes = built(ticks)
    (day,) = combine(minutes, "1d", Calendar())
    assert (day.open, day.high, day.low, day.close, day.volume) == (95.0, 107.0, 95.0, 107.0, 9_001)
    hours = list(combine(minutes, "1h", Calendar()))
    assert [shown(bar) for bar in hours] == [("09:15", 60, "open"), ("14:15", 40, "open")]


def test_the_bars_of_each_session_of_a_day_begin_where_it_does() -> None:
    calendar = on_tuesday(first="09:15-10:00", second="11:40-12:30")
    ticks = [said(SHARE, at, 100.0, n, at=at) for n, at in enumerate(["09:15:01", "09:59:01", "11:41:01"])]
    halves = combine(built(ticks, calendar), "30m", calendar)
    assert [shown(bar)[0] for bar in halves] == ["09:15", "09:45", "11:40"]


# --- An index


def computed(received: str, price: float, opening: float | None, previous: float | None = 25_050.0) -> Tick:
    day = {"open": opening, "high": opening and opening + 9, "low": opening and opening - 9}
    return said(INDEX, received, price, 0, previous_close=previous, **day)


def prices(ticks: Sequence[Tick]) -> list[tuple[str, float, float]]:
    return [(ist.iso(bar.start)[11:16], bar.open, bar.high) for bar in built(ticks)]


@pytest.mark.parametrize("nothing", [0.0, None])
def test_an_index_without_figures_of_the_day_makes_no_bar(nothing: float | None) -> None:
    ticks = [
        computed("09:14:58", 25_050.0, nothing),
        computed("09:15:00", 25_061.0, nothing),
        computed("09:15:01", 24_990.0, 24_990.0),
        computed("09:15:40", 24_995.0, 24_990.0),
    ]
    assert prices(ticks) == [("09:15", 24_990.0, 24_995.0)]


def test_an_index_that_says_yesterdays_figures_again_makes_no_bar() -> None:
    night = said(INDEX, "15:29:59", 25_050.0, 0, day=MONDAY, open=25_000.0, high=25_009.0, low=24_991.0)
    repeated = [computed(at, 25_050.0, 25_000.0, 24_900.0) for at in ("09:00:10", "09:14:58", "09:15:00")]
    today = computed("09:15:01", 24_990.0, 24_990.0, 25_050.0)
    assert prices([night, *repeated, today]) == [("09:15", 24_990.0, 24_990.0)]


def test_an_index_that_says_the_previous_close_again_makes_no_bar_for_who_came_just_now() -> None:
    repeated = [computed(at, 25_050.0, 25_000.0) for at in ("09:14:57", "09:14:58", "09:15:00")]
    assert prices([*repeated, computed("09:15:01", 24_990.0, 24_990.0)]) == [("09:15", 24_990.0, 24_990.0)]


def test_an_index_that_begins_where_it_ended_is_computed_where_its_figures_say_so() -> None:
    first = said(
        INDEX, "09:15:00", 25_050.0, 0, previous_close=25_050.0, open=25_050.0, high=25_050.0, low=25_050.0
    )
    assert prices([first, computed("09:15:20", 25_060.0, 25_050.0)]) == [("09:15", 25_050.0, 25_060.0)]


def test_an_index_of_the_pre_open_opens_the_day_with_its_value() -> None:
    ticks = [computed("09:08:10", 24_990.0, 24_990.0), computed("09:15:00", 24_990.0, 24_990.0)]
    assert prices(ticks) == [("09:08", 24_990.0, 24_990.0), ("09:15", 24_990.0, 24_990.0)]


def test_an_index_of_last_prices_alone_has_bars() -> None:
    ticks = [said(INDEX, at, price, None) for at, price in (("10:00:01", 25_000.0), ("10:01:01", 25_000.0))]
    assert [at for at, *_ in prices(ticks)] == ["10:00", "10:01"]


def test_a_last_price_of_yesterday_that_is_said_again_opens_nothing() -> None:
    ticks = [
        said(OPTION, "15:39:50", 88.0, None, day=MONDAY),
        said(OPTION, "09:15:00", 88.0, None),
        said(OPTION, "09:15:03", 91.0, None),
        said(OPTION, "09:15:09", 90.0, None),
    ]
    assert prices(ticks) == [("09:15", 91.0, 91.0)]


# --- Volume that comes late


def test_the_volume_of_a_trade_that_comes_late_goes_into_its_own_minute() -> None:
    ticks = [
        said(SHARE, "10:00:50", 100.0, 5_000, at="10:00:49"),
        said(SHARE, "10:01:02", 101.0, 5_300, at="10:01:01"),
        said(SHARE, "10:01:02.100", 99.0, 5_100, at="10:00:58"),
        said(SHARE, "10:01:09", 102.0, 5_310, at="10:01:08"),
    ]
    first, second = built(ticks)
    assert (first.volume, first.close, second.volume, second.open) == (100, 99.0, 210, 101.0)


def test_late_volume_corrects_both_minutes_once_they_are_published() -> None:
    candles = Candles(Calendar(), ["1m"], 1.5)
    candles.add([said(SHARE, "10:00:50", 100.0, 5_000, at="10:00:49")], 0)
    candles.add([said(SHARE, "10:01:05", 101.0, 5_300, at="10:01:04")], 0)
    candles.add([said(SHARE, "10:02:10", 102.0, 5_310, at="10:02:09")], 0)
    assert [shown(bar)[:2] for bar in candles.closed(0)] == [("10:00", 0), ("10:01", 300)]
    candles.add([said(SHARE, "10:02:11", 99.0, 5_100, at="10:00:58")], 0)
    late = candles.closed(0)
    assert sorted((*shown(bar)[:2], bar.correction) for bar in late) == [
        ("10:00", 100, True), ("10:01", 200, True),
    ]  # fmt: skip


def test_late_volume_within_a_minute_corrects_its_seconds_alone() -> None:
    candles = Candles(Calendar(), ["1s", "1m"], 1.5)
    candles.add([said(SHARE, "10:00:10", 100.0, 5_000, at="10:00:10")], 0)
    candles.add([said(SHARE, "10:00:20", 100.0, 5_300, at="10:00:20")], 0)
    candles.add([said(SHARE, "10:02:10", 100.0, 5_310, at="10:02:09")], 0)
    candles.closed(0)
    candles.add([said(SHARE, "10:02:11", 100.0, 5_100, at="10:00:12")], 0)
    late = {
        (bar.interval, ist.iso(bar.start)[14:19]): (bar.volume, bar.correction) for bar in candles.closed(0)
    }
    assert late == {("1s", "00:12"): (100, False), ("1s", "00:20"): (200, True)}


def test_a_figure_that_moves_after_its_trade_goes_where_the_trade_was() -> None:
    ticks = [
        said(SHARE, "10:00:50", 100.0, 5_000, at="10:00:49"),
        said(SHARE, "10:00:59", 100.0, 5_000, at="10:00:58"),
        said(SHARE, "10:01:05", 100.0, 5_070, at="10:00:58"),
        said(SHARE, "10:01:09", 100.0, 5_075, at="10:01:08"),
    ]
    assert volumes(ticks) == [("10:00", 70, "open"), ("10:01", 5, "open")]


def test_volume_that_comes_too_late_for_its_minute_is_not_that_of_a_later_one() -> None:
    ticks = [
        said(SHARE, "10:00:50", 100.0, 5_000, at="10:00:49"),
        said(AUCTIONED, "10:09:50", 100.0, 700, at="10:09:49"),
        said(SHARE, "10:09:52", 100.0, 5_070, at="10:00:58"),
        said(SHARE, "10:10:09", 100.0, 5_075, at="10:10:08"),
    ]
    shares = [bar for bar in built(ticks) if bar.instrument is SHARE]
    assert [shown(bar)[:2] for bar in shares] == [("10:00", 0), ("10:10", 5)]


# --- From the wire


def kite_packet(price: int, volume: int, traded: int, updated: int) -> bytes:
    figures = (OPTION.token, price, 75, price, volume, 0, 0, price, price, price, 8_800)
    body = struct.pack(">11I5I", *figures, traded // 1000, 0, 0, 0, updated // 1000) + bytes(120)
    return struct.pack(">HH", 1, len(body)) + body


@pytest.mark.parametrize("subscribed", [False, True])
def test_frames_of_an_option_that_is_streamed_over_the_night_give_its_first_minute(subscribed: bool) -> None:
    frames = [
        ("15:39:58", MONDAY, kite_packet(8_800, 640_000, ms("15:39:48", MONDAY), ms("15:39:57", MONDAY))),
        ("09:15:02", TUESDAY, kite_packet(9_000, 1_500, ms("09:15:01"), ms("09:15:01"))),
        ("09:15:40", TUESDAY, kite_packet(9_100, 2_250, ms("09:15:39"), ms("09:15:39"))),
        ("09:16:10", TUESDAY, kite_packet(9_100, 2_325, ms("09:16:09"), ms("09:16:09"))),
    ]
    numbering = Numbering("kite", 1, {OPTION.token: OPTION})
    if subscribed:
        numbering.expect_snapshots([OPTION.token], drop_bases=False)
    decode = KiteAdapter(KiteSettings()).decode
    ticks = [
        tick
        for at, day, frame in frames
        for tick in numbering.number(decode(frame).quotes, ms(at, day) * 1_000_000)
    ]
    assert volumes(ticks) == WHOLE
