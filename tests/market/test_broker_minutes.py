"""The broker's own bars of minutes: which are taken, and what they make of bars of ticks."""

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
from mdactors.market.quote import BrokerBar, Quote
from mdactors.market.tick import Tick

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
INDEX = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
OPTION = Instrument(11561474, "NIFTY26NOV24000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45162")
AUCTIONED = Instrument(
    408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", trading_class="auction_shares"
)
TUESDAY = "2026-09-29"
GRACE = 1.5


def ms(clock: str, day: str = TUESDAY) -> int:
    return round(dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ist.IST).timestamp() * 1000)


def minute(clock: str, *figures: float, volume: int = 70, day: str = TUESDAY) -> BrokerBar:
    """Open, high, low and close of the broker's bar, by default some that no test's ticks have."""
    opening, high, low, close = figures or (200.0, 205.0, 195.0, 201.0)
    return BrokerBar(ms(clock, day), opening, high, low, close, volume)


def tick(
    price: float | None,
    at: str,
    volume: int | None = None,
    told: BrokerBar | None = None,
    *,
    of: Instrument = SHARE,
    day: str = TUESDAY,
    traded: str | None = None,
    received: str | None = None,
    **flags: Any,
) -> Tick:
    """An update whose frame is of the time ``at``, by default its trade and its receipt as well."""
    quote = Quote(
        of.token, "full", price, last_trade_time=ms(traded or at, day), volume=volume,
        exchange_time=ms(traded or at, day) if flags.get("snapshot") else ms(at, day),
        complete=True, minute=told,
    )  # fmt: skip
    return Tick(of, quote, "test", 1, 1, ms(received or at, day) * 1_000_000, **flags)


class Builder:
    """Bars as they are published while ticks come, at the ticks' own pace."""

    def __init__(self, intervals: Sequence[Interval] = ("1m",), **choices: Any) -> None:
        self.candles = Candles(Calendar(), intervals, GRACE, **choices)

    def take(self, *ticks: Tick) -> list[Bar]:
        """What the last of these ticks brought about, and everything before it."""
        bars: list[Bar] = []
        for each in ticks:
            now = each.received_ns / 1_000_000
            self.candles.add([each], now)
            bars += self.candles.closed(now)
        return bars


def shown(bars: Sequence[Bar]) -> list[tuple[str, str, bool, float, float, float, float, int]]:
    return [
        (
            ist.iso(bar.start)[11:16], bar.source, bar.correction,
            bar.open, bar.high, bar.low, bar.close, bar.volume,
        )
        for bar in bars
    ]  # fmt: skip


TEN = (
    tick(100.0, "10:00:01", 1_000),
    tick(102.0, "10:00:20", 1_030),
    tick(101.0, "10:00:59", 1_050),
)
"""A minute of ticks: 100, 102, 100, 101 and 50 pieces."""
OF_TICKS = ("10:00", "ticks", False, 100.0, 102.0, 100.0, 101.0, 50)


def test_a_bar_of_ticks_comes_at_once_and_is_corrected_when_the_brokers_differs() -> None:
    builder = Builder()
    assert shown(builder.take(*TEN, tick(101.0, "10:01:02", 1_051))) == [OF_TICKS]
    corrections = builder.take(tick(101.0, "10:01:03", 1_052, minute("10:00", 100.0, 102.5, 99.0, 101.0)))
    assert shown(corrections) == [("10:00", "broker", True, 100.0, 102.5, 99.0, 101.0, 70)]
    # Each following frame of the minute says it again.
    again = tick(101.0, "10:01:04", 1_053, minute("10:00", 100.0, 102.5, 99.0, 101.0))
    assert builder.take(again) == []


def test_the_brokers_bar_that_comes_first_is_published_at_once_and_that_of_ticks_not_after_it() -> None:
    builder = Builder()
    told = minute("10:00", 100.0, 102.5, 99.0, 101.0)
    assert shown(builder.take(*TEN, tick(101.0, "10:01:00.400", 1_051, told))) == [
        ("10:00", "broker", False, 100.0, 102.5, 99.0, 101.0, 70)
    ]
    assert shown(builder.take(tick(103.0, "10:01:30", 1_060), tick(103.0, "10:02:02", 1_061))) == [
        ("10:01", "ticks", False, 101.0, 103.0, 101.0, 103.0, 10)
    ]


def test_equal_values_are_no_correction_but_nothing_changes_them_any_more() -> None:
    builder = Builder()
    assert shown(builder.take(*TEN, tick(101.0, "10:01:02", 1_051))) == [OF_TICKS]
    equal = minute("10:00", 100.0, 102.0, 100.0, 101.0, volume=50)
    assert builder.take(tick(101.0, "10:01:03", 1_051, equal)) == []
    assert shown(builder.candles.confirmed()) == [("10:00", "broker", False, 100.0, 102.0, 100.0, 101.0, 50)]
    assert builder.candles.confirmed() == []
    late = tick(90.0, "10:01:04", 1_060, traded="10:00:30")
    assert builder.take(late, tick(101.0, "10:01:05", 1_061)) == []


def test_a_late_trade_does_not_change_the_brokers_bar_but_its_second() -> None:
    builder = Builder(["1s", "1m"])
    builder.take(*TEN, tick(101.0, "10:01:02", 1_051, minute("10:00")))
    bars = builder.take(tick(90.0, "10:01:04", 1_060, traded="10:00:59.500"), tick(91.0, "10:01:07", 1_061))
    corrections = [bar for bar in bars if bar.correction]
    assert [(bar.interval, bar.source, bar.low) for bar in corrections] == [("1s", "ticks", 90.0)]


def test_minutes_that_were_missed_are_filled() -> None:
    builder = Builder()
    builder.take(*TEN, tick(101.0, "10:01:02", 1_051, minute("10:00")))
    bars = builder.take(tick(108.0, "10:03:30", 1_400, minute("10:02", volume=120)))
    assert ("10:02", "broker", False, 200.0, 205.0, 195.0, 201.0, 120) in shown(bars)


def test_what_a_snapshot_tells_counts() -> None:
    builder = Builder()
    bars = builder.take(tick(101.0, "10:03:30", 1_051, minute("10:02"), traded="10:01:12", snapshot=True))
    assert shown(bars) == [("10:02", "broker", False, 200.0, 205.0, 195.0, 201.0, 70)]


def test_what_the_morning_says_of_the_day_before_is_of_no_bar() -> None:
    builder = Builder()
    yesterday = minute("15:29", day="2026-09-28")
    for seconds in ("08:50:00", "09:15:01"):
        assert builder.take(tick(101.0, seconds, 0, yesterday, snapshot=seconds[:2] == "08")) == []
    bars = builder.take(tick(101.0, "09:16:01", 40, minute("09:15")))
    assert [bar[:2] for bar in shown(bars)] == [("09:15", "broker")]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("10:01:02", minute("09:59")),
        ("10:00:59.999", minute("10:00")),
        ("10:01:02", minute("10:01")),
        ("10:01:02", minute("10:00", day="2126-09-29")),
    ],
    ids=["older than the last taken", "one millisecond before its end", "the running one", "a far year"],
)
def test_not_taken_is_a_minute_that_is_older_or_not_over_by_the_frames_own_time(
    at: str, told: BrokerBar
) -> None:
    builder = Builder()
    builder.take(*TEN[:2], tick(101.0, "10:00:50", 1_050, minute("09:59", volume=5)))
    # Our own clock, wherever it stands, is not asked.
    bars = builder.take(tick(101.0, at, 1_051, told, received="10:02:30"))
    assert [bar for bar in bars if bar.source == "broker"] == []


def test_a_minute_that_was_not_over_is_taken_by_a_later_frame() -> None:
    builder = Builder()
    builder.take(*TEN, tick(101.0, "10:00:59.900", 1_051, minute("10:00")))
    bars = builder.take(tick(101.0, "10:01:00.300", 1_052, minute("10:00")))
    assert [bar[:2] for bar in shown(bars)] == [("10:00", "broker")]


def test_the_clock_of_the_receipt_may_be_seconds_behind() -> None:
    builder = Builder()
    bars = builder.take(tick(101.0, "10:01:00.300", 1_052, minute("10:00"), received="10:00:55"))
    assert [bar[:2] for bar in shown(bars)] == [("10:00", "broker")]


@pytest.mark.parametrize("at", ["08:59", "15:30"])
def test_outside_of_the_session_the_broker_makes_no_bars_either(at: str) -> None:
    assert Builder().take(tick(101.0, "15:45:00", 1_052, minute(at))) == []


@pytest.mark.parametrize(
    "told",
    [
        minute("10:00", 200.0, 205.0, 195.0, 201.0, volume=0),
        minute("10:00", 0.0, 205.0, 0.0, 201.0),
        minute("10:00", 200.0, 199.0, 195.0, 201.0),
        minute("10:00", 200.0, 205.0, 195.0, 201.0, volume=-1),
        minute("10:00:30"),
    ],
    ids=["nothing was traded", "a price is not known", "high below open", "volume", "no minute's begin"],
)
def test_what_is_no_bar_of_trades_is_not_taken(told: BrokerBar) -> None:
    bars = Builder().take(*TEN, tick(101.0, "10:01:40", 1_051, told))
    assert shown(bars) == [OF_TICKS]


def test_a_minute_of_a_volume_beyond_belief_is_not_taken() -> None:
    builder = Builder()
    wild = minute("10:00", volume=4_107_000_000)
    assert shown(builder.take(*TEN, tick(101.0, "10:01:02", 1_051, wild))) == [OF_TICKS]
    # A contract's day may reach as much.
    far = tick(101.0, "10:02:02", 9_000_000_000, minute("10:01", volume=4_107_000_000), of=OPTION)
    assert "broker" in [bar.source for bar in builder.take(far)]


def test_an_index_has_the_brokers_bars_without_volume() -> None:
    builder = Builder()
    told = minute("10:00", 24_880.5, 24_890.0, 24_870.0, 24_885.0, volume=0)
    bars = builder.take(
        tick(24_880.0, "10:00:10", of=INDEX), tick(24_885.0, "10:01:00.500", 0, told, of=INDEX)
    )
    assert shown(bars) == [("10:00", "broker", False, 24_880.5, 24_890.0, 24_870.0, 24_885.0, 0)]


@pytest.mark.parametrize(
    ("of", "begin", "phase"),
    [
        (SHARE, "09:10", "pre_open"),
        (SHARE, "15:20", "open"),
        (AUCTIONED, "15:14", "open"),
        (AUCTIONED, "15:31", "closing_match"),
        (AUCTIONED, "15:52", "post_close"),
        (OPTION, "15:35", "open"),
        (OPTION, "09:10", None),
    ],
)
def test_a_minute_is_of_the_part_of_the_day_in_which_its_instrument_was(
    of: Instrument, begin: str, phase: str | None
) -> None:
    at = f"{begin[:3]}{int(begin[3:]) + 1:02}:00.300"
    bars = Builder().take(tick(101.0, at, 900, minute(begin), of=of))
    assert [bar.phase for bar in bars if bar.source == "broker"] == ([phase] if phase else [])


def test_bars_of_a_second_are_of_ticks_whatever_the_broker_tells() -> None:
    bars = Builder(["1s", "1m"]).take(*TEN, tick(101.0, "10:01:02", 1_051, minute("10:00")))
    assert {(bar.interval, bar.source) for bar in bars} == {("1s", "ticks"), ("1m", "broker")}
    assert len([bar for bar in bars if bar.interval == "1s"]) == 3


def test_who_prefers_ticks_has_no_other_bars() -> None:
    builder = Builder(prefer="ticks")
    bars = builder.take(*TEN, tick(101.0, "10:01:02", 1_051, minute("10:00")))
    assert shown(bars) == [OF_TICKS]
    assert builder.candles.confirmed() == []


def test_bars_of_recorded_ticks_are_the_brokers_where_it_told_them() -> None:
    ticks = [
        *TEN,
        tick(101.0, "10:01:02", 1_051, minute("10:00")),
        tick(90.0, "10:01:04", 1_060, minute("10:00"), traded="10:00:59.500"),
        tick(101.0, "10:02:40", 1_070),
    ]
    bars = sorted(bars_of(ticks, Calendar(), ["1m"]), key=lambda bar: bar.start)
    assert [(bar[0], bar[1]) for bar in shown(bars)] == [
        ("10:00", "broker"), ("10:01", "ticks"), ("10:02", "ticks"),
    ]  # fmt: skip
    of_ticks = list(bars_of(ticks, Calendar(), ["1m"], "ticks"))
    assert {bar.source for bar in of_ticks} == {"ticks"}


def test_recorded_ticks_keep_the_rank_of_a_bar_that_the_broker_confirmed_late() -> None:
    told = minute("10:00", 100.0, 102.0, 100.0, 101.0, volume=50)
    quiet = [tick(50.0, f"10:{minutes:02}:30", 900, of=OPTION) for minutes in range(1, 8)]
    bars = bars_of([*TEN, *quiet, tick(101.0, "10:08:02", 1_051, told)], Calendar(), ["1m"])
    of_ten = [bar for bar in bars if bar.instrument is SHARE and bar.start == ms("10:00")]
    assert [(bar.source, bar.volume) for bar in of_ten] == [("ticks", 50), ("broker", 50)]


def test_after_a_restart_the_brokers_bars_come_once_and_what_is_told_later_corrects() -> None:
    builder = Builder()
    now = ms("10:01:03")
    builder.candles.add([*TEN, tick(101.0, "10:01:02", 1_051, minute("10:00"))], now)
    builder.candles.pass_over([ms("10:01:01"), 0])
    assert builder.candles.closed(now) == []
    assert builder.candles.confirmed() == []
    bars = builder.take(tick(101.0, "10:02:01", 1_060), tick(101.0, "10:02:03", 1_070, minute("10:01")))
    assert [(bar.source, bar.correction, bar.start) for bar in bars] == [("broker", False, ms("10:01"))]


def test_each_instrument_has_its_own_last_minute() -> None:
    builder = Builder()
    bars = builder.take(
        tick(101.0, "10:02:00.100", 1_000, minute("10:01")),
        tick(51.0, "10:02:00.200", 500, minute("10:00", volume=65), of=OPTION),
    )
    assert [(bar.instrument.symbol, bar.source) for bar in bars] == [
        ("RELIANCE", "broker"), ("NIFTY26NOV24000CE", "broker"),
    ]  # fmt: skip
