"""Rankings of shares, kept in order as they tick."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.movers import BY, By, Movers, Ranking
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

DAY_MS = 86_400_000
TEN_MS = 1_790_658_000_000
"""10:30 on a Tuesday in India."""


def share(number: int, **other: Any) -> Instrument:
    known = {"exchange": "NSE", "segment": "NSE_EQ", "type": "STOCK", "series": "EQ"} | other
    return Instrument(token=number << 8 | 1, symbol=f"S{number}", key=f"NSE_EQ|S{number}", **known)


def tick(
    instrument: Instrument, last: float | None = 100.0, close: float | None = 100.0, *, volume: int = 1,
    mean: float | None = None, traded: int | None = TEN_MS, received: int = TEN_MS,
) -> Tick:  # fmt: skip
    quote = Quote(
        instrument.token, "full", last, last_trade_time=traded, volume=volume, average_price=mean,
        previous_close=close,
    )  # fmt: skip
    return Tick(instrument, quote, "test", 1, 1, received * 1_000_000)


def names(movers: Movers, by: By, n: int = 10) -> list[str]:
    return [row.symbol for row in movers.top(by, n)]


def test_gainers_and_losers_are_by_the_change_in_per_cent_and_the_unchanged_are_neither() -> None:
    movers = Movers()
    for number, last in enumerate([103.0, 95.0, 100.0, 101.0, 99.0]):
        movers.update(tick(share(number), last))
    assert names(movers, "gainers") == ["S0", "S3"]
    assert names(movers, "losers") == ["S1", "S4"]
    assert names(movers, "gainers", 1) == ["S0"]


def test_most_active_are_by_what_was_paid_and_by_how_many_were_traded() -> None:
    movers = Movers()
    movers.update(tick(share(1), 10.0, 10.0, volume=900))
    movers.update(tick(share(2), 50.0, 50.0, volume=500, mean=51.0))
    movers.update(tick(share(3), 50.0, 50.0, volume=501, mean=40.0))
    movers.update(tick(share(4), volume=0))
    assert names(movers, "active") == ["S2", "S3", "S1"]
    assert names(movers, "volume") == ["S1", "S3", "S2"]


def test_a_row_has_the_numbers_of_the_tick_that_clients_got() -> None:
    movers = Movers()
    movers.update(tick(share(5), 101.236, 98.0, volume=7, mean=100.5))
    (row,) = movers.top("gainers", 10)
    assert msgspec.to_builtins(row) == {
        "symbol": "S5", "instrumentToken": 1281, "instrumentKey": "NSE_EQ|S5", "lastTradedPrice": 101.236,
        "change": 3.236, "changePercent": 3.3, "volume": 7, "value": 703.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "instrument",
    [
        share(1, exchange="BSE", segment="BSE_EQ", series="A"),
        share(1, etf=True),
        share(1, series="GB"),
        share(1, type="INDEX", segment="NSE_INDEX", series=""),
        share(1, type="FUTURE", segment="NSE_FO", series=""),
    ],
    ids=["bse", "fund", "bond", "index", "future"],
)
def test_only_shares_of_the_nse_are_ranked(instrument: Instrument) -> None:
    movers = Movers()
    movers.update(tick(instrument, 110.0))
    assert len(movers) == 0


def test_without_a_price_or_a_close_before_it_is_not_ranked_nor_does_it_stay() -> None:
    movers = Movers()
    movers.update(tick(share(1), None))
    movers.update(tick(share(2), 5.0, None))
    movers.update(tick(share(3), 5.0, 0.0))
    assert len(movers) == 0
    movers.update(tick(share(1), 110.0))
    movers.update(tick(share(1), None))
    assert [movers.top(by, 10) for by in BY] == [[]] * len(BY)


@pytest.mark.parametrize("mean", [float("nan"), float("inf"), 1e300])
def test_an_impossible_number_is_not_ranked_and_spoils_no_order(mean: float) -> None:
    movers = Movers()
    for number in range(1, 6):
        movers.update(tick(share(number), 100.0 + number, volume=number))
    for number in (2, 4):
        movers.update(tick(share(number), 120.0, volume=9, mean=mean))
    assert names(movers, "active") == ["S5", "S3", "S1"]
    movers.update(tick(share(4), 104.0, volume=4))
    assert names(movers, "active") == ["S5", "S4", "S3", "S1"]


def test_the_first_trade_of_a_new_day_ends_the_ranking_of_the_day_before() -> None:
    movers = Movers()
    tomorrow = TEN_MS + DAY_MS
    movers.update(tick(share(1), 120.0))
    movers.update(tick(share(2), 110.0))
    movers.update(tick(share(1), 120.0, received=tomorrow))  # a snapshot in the morning: no trade yet
    assert names(movers, "gainers") == ["S1", "S2"]
    movers.update(tick(share(3), 101.0, traded=tomorrow, received=tomorrow))
    assert names(movers, "gainers") == ["S3"]
    movers.update(tick(share(2), 110.0, received=tomorrow))
    assert names(movers, "gainers") == ["S3"]
    movers.update(tick(share(2), 102.0, traded=tomorrow, received=tomorrow))
    assert names(movers, "gainers") == ["S2", "S3"]


def test_a_trade_said_to_be_of_the_future_counts_on_the_day_it_was_received() -> None:
    movers = Movers()
    movers.update(tick(share(1), 120.0, traded=TEN_MS + 400 * DAY_MS))
    movers.update(tick(share(2), 110.0))
    assert names(movers, "gainers") == ["S1", "S2"]


PRICES = st.one_of(st.none(), st.sampled_from([0.0, 50.0, 99.99, 100.0, 100.004, 100.01, 250.0]))
UPDATES = st.lists(
    st.tuples(st.integers(0, 12), PRICES, PRICES, st.integers(0, 4), st.sampled_from([None, 1.0, 100.0])),
    max_size=80,
)


@given(UPDATES, st.integers(0, 15))
def test_after_any_ticks_each_ranking_is_what_sorting_the_newest_gives(updates: Any, n: int) -> None:
    movers, newest = Movers(), {}
    for number, last, close, volume, mean in updates:
        newest[number] = tick(share(number), last, close, volume=volume, mean=mean)
        movers.update(newest[number])
    rows = []
    for number, said in newest.items():
        quote = said.quote
        if quote.last_price is not None and quote.previous_close:
            percent = (
                ((quote.last_price - quote.previous_close) * 1e4 / quote.previous_close + 0.5) // 1 / 100
            )
            mean = quote.last_price if quote.average_price is None else quote.average_price
            rows.append(
                {"change": percent, "value": quote.volume * mean, "volume": quote.volume, "token": number}
            )
    assert len(movers) == len(rows)

    def best(figure: str) -> list[str]:
        ordered = sorted(
            (row for row in rows if row[figure] > 0), key=lambda row: (-row[figure], -row["token"])
        )
        return [f"S{row['token']}" for row in ordered][:n]

    losers = sorted((row["change"], row["token"]) for row in rows if row["change"] < 0)
    assert names(movers, "losers", n) == [f"S{token}" for _, token in losers][:n]
    assert names(movers, "gainers", n) == best("change")
    assert names(movers, "active", n) == best("value")
    assert names(movers, "volume", n) == best("volume")


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.floats(-5, 5)))))
def test_a_ranking_is_always_in_order(changes: list[tuple[int, float | None]]) -> None:
    ranking, held = Ranking(), {}
    for token, figure in changes:
        if figure is None:
            ranking.drop(token)
            held.pop(token, None)
        else:
            ranking.set(token, figure)
            held[token] = figure
    ordered = sorted((figure, token) for token, figure in held.items())
    assert list(ranking.upward()) == ordered
    assert list(ranking.downward()) == ordered[::-1]
