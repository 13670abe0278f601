"""What holds of the bars of any ticks."""

from __future__ import annotations

import random

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.candles import Candles, bars_of
from mdactors.market.instrument import Instrument
from mdactors.market.interval import combine
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
TEN_MS = 1_790_656_200_000
"""10:00 on a trading day."""
GRACE_MS = 1_500

Trade = tuple[int, float, int]
"""Milliseconds after the one before, price, quantity."""
prices = st.integers(1, 10_000).map(lambda paise: paise * 0.05)
trades = st.lists(st.tuples(st.integers(1, 4_000), prices, st.integers(1, 100)), min_size=1, max_size=40)
times = st.none() | st.integers(TEN_MS - 10**7, TEN_MS + 10**7) | st.integers(0, 2**53)
anything = st.lists(
    st.builds(
        lambda price, traded, volume, snapshot, received: Tick(
            SHARE, Quote(1, "full", price, last_trade_time=traded, volume=volume), "test", 1, 1,
            received * 1_000_000, snapshot,
        ),
        st.none() | prices, times, st.none() | st.integers(0, 10**9), st.booleans(),
        st.integers(TEN_MS - 10**6, TEN_MS + 10**8),
    ),
    max_size=40,
)  # fmt: skip


def ticks_of(trades: list[Trade]) -> list[Tick]:
    ticks, time, volume = [], TEN_MS, 1_000
    for wait, price, quantity in trades:
        time, volume = time + wait, volume + quantity
        quote = Quote(SHARE.token, "full", price, last_trade_time=time, volume=volume)
        ticks.append(Tick(SHARE, quote, "test", 1, len(ticks) + 1, time * 1_000_000))
    return ticks


def final(ticks: list[Tick]) -> dict[tuple[str, int], Bar]:
    bars = list(bars_of(ticks, Calendar(), ["1s", "1m"]))
    made = {(bar.interval, bar.start): bar for bar in bars}
    assert len(made) == len(bars), "each bar once"
    return made


def live(ticks: list[Tick], pace: int = 0) -> tuple[dict[tuple[str, int], Bar], int]:
    """The last word on each bar when they are handed out at every tick, and how many were corrections.

    Time stands still but for the ticks, or goes on as they were received (``pace`` 1).
    """
    candles = Candles(Calendar(), ["1s", "1m"], GRACE_MS / 1000)
    words: dict[tuple[str, int], Bar] = {}
    corrections = 0
    for tick in [*ticks, None]:
        now = tick.received_ns / 1e6 * pace if tick is not None else 0
        if tick is not None:
            candles.add([tick], now)
        for bar in candles.closed(now) if tick is not None else candles.rest():
            assert bar.correction == ((bar.interval, bar.start) in words), "corrected only what is known"
            words[bar.interval, bar.start] = bar
            corrections += bar.correction
    return words, corrections


MINUTES = [*range(-52, -40), *range(300, 335), *range(350, 360)]
"""Minutes after ten in which an auctioned share may trade: before and after the open, and up to its end."""
AUCTIONED = msgspec.structs.replace(SHARE, trading_class="auction_shares")
days = st.lists(
    st.tuples(st.sampled_from(MINUTES), st.integers(0, 59_999), prices, st.integers(1, 100)),
    min_size=1, max_size=40, unique_by=lambda trade: trade[:2],
).map(sorted)  # fmt: skip


def day_of(trades: list[tuple[int, int, float, int]]) -> list[Tick]:
    """Yesterday's state before the open, and trades of all parts of the day."""
    yesterday = Quote(SHARE.token, "full", 1.0, last_trade_time=TEN_MS - 10**8, volume=10**6)
    ticks = [Tick(AUCTIONED, yesterday, "test", 1, 1, (TEN_MS - 4_000_000) * 1_000_000, snapshot=True)]
    volume = 0
    for minute, within, price, quantity in trades:
        at, volume = TEN_MS + minute * 60_000 + within, volume + quantity
        quote = Quote(SHARE.token, "full", price, last_trade_time=at, volume=volume)
        ticks.append(Tick(AUCTIONED, quote, "test", 1, len(ticks) + 1, at * 1_000_000))
    return ticks


def prices_of(bars: dict[tuple[str, int], Bar]) -> dict[tuple[str, int], tuple[float, ...]]:
    return {key: (bar.open, bar.high, bar.low, bar.close) for key, bar in bars.items()}


def trade(price: float, traded_after: int, received_after: int) -> Tick:
    """A trade and its receipt, milliseconds after ten."""
    quote = Quote(SHARE.token, "full", price, last_trade_time=TEN_MS + traded_after)
    return Tick(SHARE, quote, "test", 1, 1, (TEN_MS + received_after) * 1_000_000)


FIRST = trade(1.0, 0, 0)
QUIET_THEN_LATE = [FIRST, trade(1.0, 0, 301_000), trade(2.0, 500, 302_000)]
"""Nothing trades for more than five minutes, and then one tells of the second of the last trade."""
LATE_AT_THE_END = [FIRST, trade(1.0, 1, 1), trade(1.0, 301_000, 1), trade(2.0, 0, 2)]
"""The last trade of all is of a second that lies more than five minutes behind."""


@given(anything)
@example(QUIET_THEN_LATE)
@example(LATE_AT_THE_END)
def test_bars_of_anything_are_possible_bars(ticks: list[Tick]) -> None:
    in_order = sorted(ticks, key=lambda tick: tick.received_ns)
    for bar in bars_of(in_order, Calendar(), ["1s", "1m"]):
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume >= 0
        assert not bar.correction


@given(trades)
def test_the_volumes_add_up_to_what_the_days_figure_rose_by(trades: list[Trade]) -> None:
    ticks = ticks_of(trades)
    volumes = [tick.quote.volume or 0 for tick in ticks]
    for interval in ("1s", "1m"):
        bars = [bar for bar in final(ticks).values() if bar.interval == interval]
        assert sum(bar.volume for bar in bars) == volumes[-1] - volumes[0]


@given(days)
def test_who_missed_nothing_has_the_days_figure_in_bars_each_of_its_own_part(
    trades: list[tuple[int, int, float, int]],
) -> None:
    ticks = day_of(trades)
    made = final(ticks)
    words, corrections = live(ticks)
    assert words == made
    assert corrections == 0
    for interval in ("1s", "1m"):
        volumes = [bar.volume for bar in made.values() if bar.interval == interval]
        assert sum(volumes) == ticks[-1].quote.volume
    minutes = sorted((bar for bar in made.values() if bar.interval == "1m"), key=lambda bar: bar.start)
    for bar in made.values():
        assert bar.phase == Calendar().phase("auction_shares", bar.start * 1_000_000)
    for day in combine(minutes, "1d", Calendar()):
        assert day.volume == ticks[-1].quote.volume
        assert (day.open, day.close) == (trades[0][2], trades[-1][2])
    hours = sum(bar.volume for bar in combine(minutes, "1h", Calendar()))
    assert hours == sum(bar.volume for bar in minutes if bar.phase == "open")


@given(days, st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_who_was_away_has_no_volume_twice_and_none_that_may_be_another_minutes(
    trades: list[tuple[int, int, float, int]], missed: set[int], snapshots: set[int]
) -> None:
    heard = [tick for place, tick in enumerate(day_of(trades)) if place not in missed]
    ticks = [
        msgspec.structs.replace(tick, snapshot=tick.snapshot or place in snapshots)
        for place, tick in enumerate(heard)
    ]
    made = final(ticks)
    assert live(ticks, pace=1)[0] == made
    traded: dict[int, int] = {}
    for minute, _, _, quantity in trades:
        start = TEN_MS + minute * 60_000
        traded[start] = traded.get(start, 0) + quantity
    gaps = [place for place in missed if place and place <= len(trades)]
    for bar in made.values():
        if bar.interval == "1m":
            assert bar.volume >= 0
            if not gaps:  # else updates that nobody heard count with the next one that is no snapshot
                assert bar.volume <= traded[bar.start]
    for interval in ("1s", "1m"):
        volumes = [bar.volume for bar in made.values() if bar.interval == interval]
        assert sum(volumes) <= sum(quantity for *_, quantity in trades)


@given(trades)
def test_live_bars_of_ticks_in_order_are_the_final_ones_and_need_no_correction(trades: list[Trade]) -> None:
    ticks = ticks_of(trades)
    words, corrections = live(ticks)
    assert words == final(ticks)
    assert corrections == 0


@given(trades, st.randoms())
def test_ticks_that_come_late_within_the_grace_change_nothing_and_correct_nothing(
    trades: list[Trade], chance: random.Random
) -> None:
    ticks = ticks_of(trades)
    late = [(tick.received_ns / 1e6 + chance.uniform(0, GRACE_MS - 1), tick) for tick in ticks[1:]]
    shuffled = ticks[:1] + [tick for _, tick in sorted(late, key=lambda pair: pair[0])]
    words, corrections = live(shuffled)
    assert words == final(ticks)
    assert corrections == 0


@given(trades, st.randoms())
def test_ticks_that_come_later_than_the_grace_are_put_right_by_corrections(
    trades: list[Trade], chance: random.Random
) -> None:
    ticks = ticks_of(trades)
    late = [(tick.received_ns / 1e6 + chance.uniform(0, 10 * GRACE_MS), tick) for tick in ticks[1:]]
    shuffled = ticks[:1] + [tick for _, tick in sorted(late, key=lambda pair: pair[0])]
    words, _ = live(shuffled)
    assert prices_of(words) == prices_of(final(ticks))
    for interval in ("1s", "1m"):
        volumes = [bar.volume for bar in words.values() if bar.interval == interval]
        assert min(volumes) >= 0
        assert sum(volumes) == (ticks[-1].quote.volume or 0) - (ticks[0].quote.volume or 0)
    unmarked = {key: msgspec.structs.replace(bar, correction=False) for key, bar in words.items()}
    assert unmarked == final(shuffled)


@given(trades, st.integers(0, 39))
def test_ticks_that_come_twice_change_no_price_and_no_volume(trades: list[Trade], again: int) -> None:
    ticks = ticks_of(trades)
    assert final([*ticks, *ticks[again:]]) == final(ticks)
