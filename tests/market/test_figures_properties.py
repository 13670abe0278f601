"""What holds of the figures that are believed, whatever a broker says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.calendar import Calendar
from mdactors.market.day_volume import LARGEST, DayVolume
from mdactors.market.instrument import Instrument
from mdactors.market.numbering import Numbering
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")
TEN_MS = 1_790_656_200_000
"""10:00 on a trading day."""
ROUND = 1 << 32

figures = st.integers(0, 1 << 40) | st.integers(0, 10_000) | st.integers(ROUND - 1_000, ROUND + 1_000)
steps = st.lists(st.integers(0, 5_000_000), min_size=1, max_size=40)
wild = st.integers(LARGEST + 250_000_000, 1 << 52)
"""More than any sum of steps and the largest that is believed at once."""


def volumes(said: list[int], counts_to: int = 0) -> list[int | None]:
    day = DayVolume(counts_to)
    return [day.weigh(figure, in_session=True) for figure in said]


def sums(start: int, steps: list[int]) -> list[int]:
    figures = [start]
    for step in steps:
        figures.append(figures[-1] + step)
    return figures


@given(st.lists(figures, max_size=30), st.sampled_from([0, ROUND]))
def test_a_volume_falls_only_to_what_two_updates_in_a_row_say(said, counts_to):
    said = [figure % counts_to for figure in said] if counts_to else said
    believed = 0
    for before, figure in zip([None, *volumes(said, counts_to)], volumes(said, counts_to), strict=False):
        if figure is None:
            continue
        assert figure >= believed or before is None
        believed = figure


@given(steps, st.data())
def test_one_wild_volume_anywhere_changes_no_later_one(steps, data):
    said = sums(data.draw(st.integers(0, 1_000_000)), steps)
    place = data.draw(st.integers(0, len(said)))
    with_it = [*said[:place], data.draw(wild), *said[place:]]
    believed = volumes(with_it)
    assert believed.pop(place) is None
    assert believed == said


@given(steps, st.data())
def test_one_volume_that_falls_anywhere_changes_no_later_one(steps, data):
    said = sums(data.draw(st.integers(1, 1_000_000)), steps)
    place = data.draw(st.integers(1, len(said)))
    fallen = data.draw(st.integers(0, said[place - 1] - 1))
    believed = volumes([*said[:place], fallen, *said[place:]])
    assert believed.pop(place) is None
    assert believed == said


@given(st.lists(st.integers(0, 50_000_000), min_size=1, max_size=200), st.integers(0, ROUND // 2))
def test_a_count_of_32_bits_stands_for_all_that_was_counted(steps, start):
    day, true = DayVolume(ROUND), start
    day.recall(true)
    for step in steps:
        true += step
        assert day.weigh(true % ROUND, in_session=True) == true


def numbered(quotes: list[Quote]) -> list[Tick]:
    numbering = Numbering("test", 1, {1: SHARE}, Calendar())
    return [
        tick
        for second, quote in enumerate(quotes)
        for tick in numbering.number([quote], (TEN_MS + 1_000 * second) * 1_000_000)
    ]


def shown(tick: Tick) -> tuple[object, ...]:
    quote = tick.quote
    return (
        quote.last_price, quote.volume, quote.previous_close, quote.exchange_time, quote.last_trade_time,
        tick.phase,
    )  # fmt: skip


times = st.integers(0, 10**6) | st.integers(TEN_MS * 2, 2**53)


@given(steps, st.data())
def test_one_update_without_a_true_figure_in_it_changes_no_later_tick(steps, data):
    def quote(second: int, volume: int, *, complete: bool = True) -> Quote:
        time = TEN_MS + second * 1_000
        return Quote(
            1, "full", 100.0 + second, last_trade_time=time, volume=volume, previous_close=99.0,
            exchange_time=time, complete=complete,
        )  # fmt: skip

    partial = data.draw(st.booleans())
    true = [quote(n, volume, complete=not (n and partial)) for n, volume in enumerate(sums(1_000, steps))]
    place = data.draw(st.integers(1, len(true)))
    nonsense = Quote(
        1, "full", 100.0, last_trade_time=data.draw(times), volume=data.draw(wild),
        previous_close=data.draw(st.floats(1, 1e6)), exchange_time=data.draw(times), complete=not partial,
    )  # fmt: skip
    ticks = numbered([*true[:place], nonsense, *true[place:]])
    odd = ticks.pop(place)
    assert odd.quote.volume is odd.quote.exchange_time is odd.quote.last_trade_time is None
    assert [shown(tick) for tick in ticks] == [shown(tick) for tick in numbered(true)]
