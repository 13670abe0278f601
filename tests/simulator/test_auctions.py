"""The made-up market's auctions: what its instruments do from the first orders to the trades at the close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from mdactors.simulator import Exchange, PriceState, Session
from mdactors.simulator.session import IST_MS
from mdactors.simulator.universe import Universe

DAY = "2026-09-07"
WANTED = ("RELIANCE", "INFY", "RELIANCE26SEPFUT", "CARDAMOM26OCTFUT")


def at(time: str, day: str = DAY) -> int:
    india = dt.timezone(dt.timedelta(milliseconds=IST_MS))
    return round(dt.datetime.fromisoformat(f"{day} {time}").replace(tzinfo=india).timestamp() * 1000)


def small_exchange(time: str, seed: int = 1, day: str = DAY) -> Exchange:
    universe = Universe.built_in(dt.date.fromisoformat(day))
    listed = tuple(
        each
        for each in universe.listed
        if each.instrument.symbol in WANTED and each.instrument.exchange != "BSE"
    )
    session = Session(always_open=False, seed=seed)
    return Exchange(Universe(listed), rate=8, seed=seed, start_ms=at(time, day), session=session)


def share(exchange: Exchange, symbol: str = "RELIANCE") -> PriceState:
    state = exchange.by_name("NSE", symbol)
    assert state is not None
    return state


def seconds(exchange: Exchange, to: str, day: str = DAY) -> Iterator[None]:
    for now_ms in range(exchange.now_ms, at(to, day) + 1, 1000):
        exchange.advance(now_ms)
        yield


@pytest.mark.parametrize("symbol", ["RELIANCE", "INFY", "RELIANCE26SEPFUT"])
def test_a_pre_open_collects_orders_and_ends_with_one_trade(symbol: str) -> None:
    exchange = small_exchange("08:59:50")
    state = share(exchange, symbol)
    previous_close, volumes, auctions = state.previous_close, set(), set()
    for _ in seconds(exchange, "09:14:59"):
        volumes.add(state.volume)
        if state.auction is not None:
            auctions.add(state.auction)
            assert state.last_price == previous_close
            assert state.open == state.high == state.low == state.volume == 0
            assert 0.0 in [rung.price for rung in state.bids()]
            assert 0.0 in [rung.price for rung in state.asks()]
    last = max(auctions, key=lambda auction: auction.matched or 0)
    assert len(auctions) > 50
    assert volumes == {0, last.matched}
    assert state.open == state.high == state.low == state.last_price == last.price
    assert state.auction is None
    assert 0.0 not in [rung.price for rung in state.bids()]


def test_a_closing_auction_stops_the_price_and_ends_with_one_trade() -> None:
    exchange = small_exchange("15:10")
    state, other = share(exchange), share(exchange, "INFY")
    for _ in seconds(exchange, "15:15:00"):
        pass
    stopped, traded, others = state.last_price, state.volume, other.version
    references, prices = set(), set()
    for _ in seconds(exchange, "15:29:59"):
        assert (state.last_price, state.volume) == (stopped, traded)
        if state.auction is not None:
            references.add(state.auction.reference_price)
            prices.add(state.auction.price)
    last = state.auction
    assert references == {stopped}
    assert None in prices
    assert len(prices) > 2
    assert other.version > others + 100
    assert last is not None
    for _ in seconds(exchange, "15:34:59"):
        pass
    assert (state.last_price, state.volume) == (last.price, traded + (last.matched or 0))
    closed, matched = state.version, state.volume
    for _ in seconds(exchange, "15:49:59"):
        assert state.version == closed
    for _ in seconds(exchange, "16:00:10"):
        assert state.last_price == last.price
    assert state.volume > matched


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize(
    ("day", "begin", "earliest", "latest"),
    [
        ("2026-08-03", "08:59:59", "09:07", "09:07:59"),
        ("2026-09-07", "08:59:59", "09:09", "09:09:59"),
        ("2026-09-07", "15:19:59", "15:28", "15:29:59"),
    ],
)
def test_an_auction_stops_taking_orders_at_a_random_time_that_the_seed_gives(
    day: str, begin: str, earliest: str, latest: str, seed: int
) -> None:
    stops = []
    for _ in range(2):
        exchange = small_exchange(begin, seed, day)
        for _ in seconds(exchange, latest, day):
            state = share(exchange)
        stops.append(state.exchange_time)
    assert stops[0] == stops[1]
    assert at(earliest, day) - 1000 <= stops[0] <= at(latest, day)


def test_the_stops_differ_by_seed_and_are_told_when_they_come() -> None:
    found = set()
    for seed in range(1, 20):
        session = Session(always_open=False, seed=seed)
        said = session.closing_words(at("15:30"))["NSE_EQ"]
        before, after = session.closing_words(said.since_ms - 1), session.closing_words(said.since_ms)
        assert (before["NSE_EQ"].word, after["NSE_EQ"].word) == ("CAS_M_STOP", "CAS_STOP")
        assert session.stage("auction_shares", said.since_ms - 1) == "closing_orders"
        assert session.stage("auction_shares", said.since_ms) == "still"
        found.add(said.since_ms)
    assert len(found) > 15


def test_farm_goods_close_at_five_and_crude_oil_by_new_yorks_time() -> None:
    session = Session(always_open=False)
    assert session.stage("farm_goods", at("16:59:59")) == "trading"
    assert session.stage("farm_goods", at("17:00")) == "still"
    assert session.stage("commodities", at("23:30")) == "still"
    assert session.stage("commodities", at("23:30", "2026-11-02")) == "trading"
    assert session.status("MCX_FO", at("23:54", "2026-11-02")) == "NORMAL_OPEN"


def test_before_the_closing_auction_came_all_shares_traded_until_half_past_three() -> None:
    session = Session(always_open=False)
    assert session.stage("auction_shares", at("15:29:59", "2026-07-31")) == "trading"
    assert session.closing_words(at("15:29:59", "2026-07-31")) == {}
