"""The made-up market: deterministic, on its grid, and shaped like a market."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest

from mdactors.runtime import FakeClock
from mdactors.simulator import Exchange, PriceState, Session
from mdactors.simulator.session import IST_MS
from mdactors.simulator.universe import Universe

INDIA = dt.timezone(dt.timedelta(milliseconds=IST_MS))


def at(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp() * 1000)


NOON = at("2026-11-20 12:00")
OPENING = at("2026-11-20 09:15")


def contents(exchange: Exchange) -> list[object]:
    return [
        (s.token, s.last_price, s.volume, s.version, s.minute and s.minute.close, s.bids(30), s.asks(30))
        for s in exchange.states.values()
    ]


def updates(exchange: Exchange, seconds: float, step_ms: int = 100) -> Iterator[PriceState]:
    end = exchange.now_ms + seconds * 1000
    while exchange.now_ms < end:
        yield from exchange.advance(min(exchange.now_ms + step_ms, round(end)))


def test_the_same_seed_gives_the_same_market() -> None:
    one, other = (Exchange(seed=7, rate=2000, start_ms=NOON) for _ in range(2))
    for exchange in (one, other):
        exchange.advance(NOON + 5000)
    assert contents(one) == contents(other)


def test_another_seed_gives_another_market() -> None:
    one, other = (Exchange(seed=seed, rate=2000, start_ms=NOON) for seed in (1, 2))
    for exchange in (one, other):
        exchange.advance(NOON + 5000)
    assert contents(one) != contents(other)


def test_what_happens_does_not_depend_on_the_calls_that_lead_there() -> None:
    one, other = (Exchange(seed=3, rate=997, start_ms=NOON) for _ in range(2))
    one.advance(NOON + 4000)
    for ms in (1, 2, 700, 703, 1999, 4000):
        other.advance(NOON + ms)
    assert contents(one) == contents(other)


def test_the_rate_is_kept() -> None:
    exchange = Exchange.of_size(2000, rate=20_000, start_ms=NOON)
    assert sum(1 for _ in updates(exchange, 2)) == 40_000


def test_everything_listed_changes_in_turn() -> None:
    exchange = Exchange(rate=len(Exchange(start_ms=NOON).instruments), start_ms=NOON)
    assert {s.token for s in exchange.advance(NOON + 1000)} == set(exchange.states)


def test_an_index_is_its_members_weighted() -> None:
    universe = Universe.built_in(dt.date(2026, 11, 20))
    count = len(universe.listed)
    exchange = Exchange(universe, rate=count, start_ms=NOON)
    exchange.advance(NOON + 10_000)  # ten whole rounds: indices come last in each
    for symbol in ("NIFTY 50", "NIFTY BANK", "NIFTY IT", "SENSEX"):
        index = exchange.by_name("BSE" if symbol == "SENSEX" else "NSE", symbol)
        assert index is not None
        members = [item for item in universe.listed if symbol in item.weights]
        whole = sum(item.weights[symbol] for item in members)
        level = 0.0
        for item in members:
            state = exchange.states[item.instrument.token]
            level += item.weights[symbol] / whole * state.last_price / state.previous_close
        assert index.last_price == pytest.approx(index.previous_close * level, abs=0.006)
        assert index.volume == 0
        assert index.bids() == index.asks() == []


def test_prices_stay_on_the_grid_and_near_their_start() -> None:
    exchange = Exchange(rate=3000, start_ms=OPENING)
    for state in updates(exchange, 30):
        tick = round(state.instrument.tick_size * 100)
        if state.instrument.type != "INDEX":
            assert round(state.last_price * 100, 6) % tick == 0
            assert round(state.previous_close * 100, 6) % tick == 0
        if state.instrument.type in ("INDEX", "STOCK"):
            assert abs(state.last_price / state.previous_close - 1) < 0.1
        assert state.low <= min(state.open, state.last_price)
        assert state.high >= max(state.open, state.last_price)


def test_books_are_ordered_and_stand_around_the_last_price() -> None:
    exchange = Exchange(rate=3000, start_ms=NOON)
    for state in updates(exchange, 5):
        if state.instrument.type == "INDEX":
            continue
        bids, asks = state.bids(30), state.asks(30)
        assert bids[0].price <= state.last_price <= asks[0].price
        assert [rung.price for rung in bids] == sorted((rung.price for rung in bids), reverse=True)
        assert [rung.price for rung in asks] == sorted(rung.price for rung in asks)
        assert bids[-1].price > 0
        assert asks[0].price - bids[0].price == pytest.approx(state.instrument.tick_size)
        assert len(asks) == 30
        for rung in (*bids, *asks):
            assert rung.quantity % state.instrument.lot_size == 0
            assert 0 < (rung.orders or 0) <= rung.quantity
        assert state.buy_quantity == sum(rung.quantity for rung in bids)
        assert state.sell_quantity == sum(rung.quantity for rung in asks)


def test_prices_move_both_ways_and_shares_move_together() -> None:
    exchange = Exchange(rate=500, start_ms=NOON)
    start = {token: state.last_price for token, state in exchange.states.items()}
    nifty = exchange.by_name("NSE", "NIFTY 50")
    assert nifty is not None
    levels = [nifty.last_price for _ in range(120) if exchange.advance(exchange.now_ms + 5000)]
    steps = [b - a for a, b in itertools.pairwise(levels)]
    assert min(steps) < 0 < max(steps)
    moved = sum(1 for token, state in exchange.states.items() if state.last_price != start[token])
    assert moved > 0.9 * len(start)


def test_candles_hold_the_minute_and_its_volume() -> None:
    exchange = Exchange(rate=1500, start_ms=OPENING)
    seen: dict[int, list[float]] = defaultdict(list)
    volume_before = {token: state.volume for token, state in exchange.states.items()}
    for state in updates(exchange, 59.999, exchange.stride_ms):
        seen[state.token].append(state.last_price)
    finished = {token: state.volume - volume_before[token] for token, state in exchange.states.items()}
    for state in exchange.states.values():
        minute = state.minute
        assert minute is not None
        assert minute.start_ms == OPENING
        assert minute.close == state.last_price
        assert minute.high == max(seen[state.token])
        assert minute.low == min(seen[state.token])
        assert minute.open == seen[state.token][0]
        assert minute.volume == finished[state.token]
    exchange.advance(OPENING + 61_000)
    for state in exchange.states.values():
        assert state.last_minute is not None
        assert state.last_minute.start_ms == OPENING
        assert state.last_minute.volume == finished[state.token]


def test_volume_grows_with_every_trade_and_the_average_lies_in_the_day() -> None:
    exchange = Exchange(rate=2000, start_ms=OPENING)
    volumes = {token: state.volume for token, state in exchange.states.items()}
    for state in updates(exchange, 10):
        if state.instrument.type == "INDEX":
            continue
        assert state.volume >= volumes[state.token]
        assert state.volume % state.instrument.lot_size == 0
        assert state.last_quantity % state.instrument.lot_size == 0
        if state.volume:
            assert state.low - 0.01 <= state.average_price <= state.high + 0.01
        volumes[state.token] = state.volume


def test_volume_is_u_shaped_over_the_day() -> None:
    exchange = Exchange(rate=20, start_ms=OPENING)
    volumes: list[int] = []
    before = 0
    for half_hour in range(1, 13):
        exchange.advance(OPENING + half_hour * 1_800_000)
        total = sum(s.volume for s in exchange.states.values() if s.instrument.segment == "NSE_EQ")
        volumes.append(total - before)
        before = total
    middle = sum(volumes[5:7]) / 2
    assert volumes[0] > 1.8 * middle
    assert volumes[-1] > 1.5 * middle
    assert min(volumes) in volumes[4:8]


def test_a_day_started_in_the_middle_has_its_volume_already() -> None:
    state = Exchange(start_ms=NOON).by_name("NSE", "RELIANCE")
    fresh = Exchange(start_ms=OPENING).by_name("NSE", "RELIANCE")
    assert state is not None
    assert fresh is not None
    assert state.volume > 100_000
    assert fresh.volume == 0
    assert fresh.open == fresh.last_price


def test_midnight_makes_the_last_price_the_previous_close() -> None:
    late = at("2026-11-20 23:59:58")
    exchange = Exchange(rate=500, start_ms=late)
    exchange.advance(late + 1999)
    closes = {token: state.last_price for token, state in exchange.states.items()}
    exchange.advance(late + 2010)
    assert {token: s.previous_close for token, s in exchange.states.items()} == closes
    assert sum(s.volume for s in exchange.states.values()) < 1_000_000


def test_nothing_is_traded_outside_the_hours_of_a_real_session() -> None:
    before = at("2026-11-20 09:14:50")
    exchange = Exchange(rate=1000, start_ms=before, session=Session(always_open=False))
    assert {state.instrument.exchange for state in exchange.advance(before + 9_990)} == {"MCX"}
    assert exchange.statuses()["NSE_EQ"] == "PRE_OPEN_END"
    assert len({state.instrument.segment for state in exchange.advance(before + 11_000)}) > 2
    assert exchange.statuses()["NSE_EQ"] == "NORMAL_OPEN"


def test_options_are_priced_by_their_spot() -> None:
    exchange = Exchange(rate=1000, start_ms=NOON)
    exchange.advance(NOON + 2000)
    options = [s for s in exchange.states.values() if s.instrument.type == "OPTION"]
    assert len(options) >= 10
    for state in options:
        assert state.greeks is not None
        assert state.iv is not None
        assert 0.05 < state.iv < 0.6
        delta = state.greeks.delta or 0.0
        assert 0 <= delta <= 1 if state.instrument.option_type == "CE" else -1 <= delta <= 0
        assert state.open_interest > 0
        assert state.open_interest_low <= state.open_interest <= state.open_interest_high


def test_a_twin_follows_its_share() -> None:
    exchange = Exchange(rate=2000, start_ms=NOON)
    exchange.advance(NOON + 10_000)
    for state in exchange.states.values():
        if state.instrument.segment == "BSE_EQ":
            first = exchange.by_name("NSE", state.instrument.symbol)
            assert first is not None
            assert state.last_price == pytest.approx(first.last_price, rel=2e-3)
            assert state.previous_close == first.previous_close


def test_the_well_known_names_have_their_true_numbers() -> None:
    exchange = Exchange(start_ms=NOON)
    tokens = {
        "RELIANCE": 738561, "INFY": 408065, "TCS": 2953217, "HDFCBANK": 341249, "SBIN": 779521,
        "NIFTY 50": 256265, "NIFTY BANK": 260105, "INDIA VIX": 264969, "NIFTY IT": 259849,
    }  # fmt: skip
    for symbol, token in tokens.items():
        state = exchange.by_name("NSE", symbol)
        assert state is not None
        assert state.token == token
        assert exchange.by_key(state.instrument.key) is state
        assert exchange.state(token) is state
    sensex = exchange.by_name("BSE", "SENSEX")
    assert sensex is not None
    assert sensex.token == 265
    reliance = exchange.by_key("NSE_EQ|INE002A01018")
    assert reliance is not None
    assert reliance.instrument.symbol == "RELIANCE"
    types = [instrument.type for instrument in exchange.instruments if instrument.exchange == "NSE"]
    assert types.count("STOCK") >= 60
    assert len(exchange.instruments) == len({i.token for i in exchange.instruments})
    assert len(exchange.instruments) == len({i.key for i in exchange.instruments})


def test_a_universe_of_any_size_can_be_made() -> None:
    exchange = Exchange.of_size(2000, start_ms=NOON)
    assert len(exchange.instruments) == 2000
    assert len({i.token for i in exchange.instruments}) == 2000
    assert len({i.isin for i in exchange.instruments if i.segment == "NSE_EQ"}) > 1800


def test_a_copy_is_a_moment_that_stays() -> None:
    exchange = Exchange(rate=2000, start_ms=NOON)
    state = exchange.by_name("NSE", "RELIANCE")
    assert state is not None
    exchange.advance(NOON + 1000)
    moment, bids, minute_volume = state.copy(), state.bids(30), state.minute and state.minute.volume
    exchange.advance(NOON + 20_000)
    assert moment.version < state.version
    assert moment.bids(30) == bids
    assert moment.minute is not None
    assert moment.minute.volume == minute_volume


def test_an_update_costs_less_than_a_quarter_of_what_25_000_a_second_allow() -> None:
    exchange = Exchange.of_size(2000, rate=25_000, start_ms=NOON)
    exchange.advance(NOON + 200)
    began = time.process_time()
    count = sum(1 for _ in updates(exchange, 1, exchange.stride_ms))
    assert count >= 25_000
    assert time.process_time() - began < 0.5


def test_what_expires_today_is_listed_until_midnight_and_then_no_more() -> None:
    late = at("2026-12-29 23:59:58")
    exchange = Exchange(rate=500, start_ms=late)
    assert {each.expiry for each in exchange.instruments if each.expiry} == {"2026-12-29", "2027-01-26"}
    exchange.advance(late + 3000)
    assert {each.expiry for each in exchange.instruments if each.expiry} == {"2027-01-26"}


def test_without_a_start_its_time_is_the_clocks() -> None:
    exchange = Exchange(clock=FakeClock(at("2027-03-30 11:00:00") * 1_000_000))
    assert exchange.live
    assert exchange.now_ms == at("2027-03-30 11:00:00")
    assert min(each.expiry for each in exchange.instruments if each.expiry) == "2027-03-30"
    assert not Exchange(start_ms=NOON).live
