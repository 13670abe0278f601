"""One instrument of the made-up market: its worth becomes prices, trades, a book and candles."""

from __future__ import annotations

import random
from typing import Protocol

from mdactors.market.quote import Auction
from mdactors.simulator.fair import FairValue, OptionValue
from mdactors.simulator.ladder import AuctionBook, Ladder, Sizes
from mdactors.simulator.session import Stage, traded_share
from mdactors.simulator.state import MINUTE_MS, Candle, PriceState

_DAY_SECONDS = 22_500
_BOOK_ONLY = 0.25  # of the updates are no trade


class Quoted(Protocol):
    """Something listed whose state moves on when its turn comes."""

    state: PriceState

    def update(self, now_ms: int, intensity: float) -> None:
        """Its turn: bring the state up to now; ``intensity`` says how busy the market is."""

    def take_part(self, stage: Stage, now_ms: int) -> bool:
        """Its turn outside of continuous trading; whether anything changed."""

    def open_day(self) -> None:
        """A new day: yesterday's last price becomes the previous close."""


def note_price(state: PriceState, price: float, volume: int, now_ms: int) -> None:
    """Enter a price and what was traded at it into the day's and the minute's figures."""
    state.last_price = price
    if not state.open:
        state.open = state.low = price
    if price > state.high:
        state.high = price
    if price < state.low:
        state.low = price
    if volume:
        state.volume += volume
        state.turnover += price * volume
        state.average_price = round(state.turnover / state.volume, 2)
    minute = state.minute
    if minute is None or now_ms - minute.start_ms >= MINUTE_MS:
        state.last_minute = minute
        state.minute = Candle(price, price, price, price, volume, now_ms - now_ms % MINUTE_MS)
    else:
        minute.close = price
        minute.volume += volume
        if price > minute.high:
            minute.high = price
        if price < minute.low:
            minute.low = price
    state.exchange_time = now_ms
    state.version += 1


def begin_day(state: PriceState, opening: float) -> None:
    """Forget yesterday but its last price, which becomes the previous close."""
    state.previous_close = state.last_price
    state.open = state.high = state.low = state.last_price = opening
    state.volume = 0
    state.turnover = state.average_price = 0.0
    state.open_interest_high = state.open_interest_low = state.open_interest


def await_opening(state: PriceState) -> None:
    """Have nothing but the previous close, as before the first trade of a day."""
    state.open = state.high = state.low = 0.0
    state.last_price = state.previous_close


class IndexLevel:
    """An index: a level without trades or book."""

    def __init__(self, state: PriceState, value: FairValue) -> None:
        self.state = state
        self._value = value

    def update(self, now_ms: int, intensity: float) -> None:  # noqa: ARG002 - an index trades nothing
        """Work out the level now."""
        state = self.state
        note_price(state, round(self._value.at(now_ms), 2), 0, now_ms)
        state.last_trade_time = now_ms

    def take_part(self, stage: Stage, now_ms: int) -> bool:
        """An index moves when its members are matched."""
        if stage != "match":
            return False
        self.update(now_ms, 1.0)
        return True

    def open_day(self) -> None:
        """A new day."""
        begin_day(self.state, self.state.last_price)


class Security:
    """A share, future or option: trades hit the bid or the ask, which follow its worth."""

    def __init__(
        self, state: PriceState, value: FairValue, volume: int, sizes: Sizes, rng: random.Random
    ) -> None:
        instrument = state.instrument
        self.state = state
        self._value = value
        self._option = value if isinstance(value, OptionValue) else None
        self._rng = rng
        self._tick = round(instrument.tick_size * 100)
        self._lot = instrument.lot_size
        self._pace = volume / _DAY_SECONDS / 1000
        self._traded_ms = state.exchange_time
        unit = max(1, int(self._pace * 4000 / self._lot)) * self._lot
        self._ladder = Ladder(instrument.tick_size, unit, sizes, rng.randrange(1 << 20))
        self._ladder.bid = round(state.last_price * 100 / self._tick)  # there is a book before the first turn
        state.buy_quantity, state.sell_quantity = self._ladder.totals()
        state.book = self._ladder

    def update(self, now_ms: int, intensity: float) -> None:
        """Move the book to the worth now and, most times, trade."""
        state, ladder = self.state, self._ladder
        if state.auction is not None:
            self._end_auction()
        self._move(now_ms)
        chance = self._rng.random()
        volume = 0
        if chance >= _BOOK_ONLY or not ladder.bid <= round(state.last_price * 100 / self._tick) <= ladder.ask:
            volume = self._trade(now_ms, intensity)
        rung = ladder.bid if chance < (1 + _BOOK_ONLY) / 2 else ladder.ask
        note_price(state, rung * self._tick / 100 if volume else state.last_price, volume, now_ms)
        state.buy_quantity, state.sell_quantity = ladder.totals()
        if self._option is not None:
            state.greeks, state.iv = self._option.greeks, self._option.iv

    def take_part(self, stage: Stage, now_ms: int) -> bool:
        """Collect an auction's orders, match them, or trade at the close."""
        if stage == "match":
            return self._match(now_ms)
        if stage == "post_close":
            self._exchange(self.state.last_price, self._lot * self._rng.randint(1, 20), now_ms)
        else:
            self._collect(stage, now_ms)
        return True

    def _move(self, now_ms: int) -> None:
        bid = int(self._value.at(now_ms) * 100 / self._tick)
        self._ladder.move(bid if bid > 0 else 1)

    def _collect(self, stage: Stage, now_ms: int) -> None:
        """One more order: the price at which most would be matched follows the worth."""
        state, ladder, rng = self.state, self._ladder, self._rng
        before = state.auction or Auction(None, None if stage == "orders" else state.last_price, 0)
        if stage == "reference":
            state.auction = before
        else:
            self._move(now_ms)
            unit = ladder.unit
            matched = (before.matched or 0) + rng.randint(1, 5) * unit
            left, at_market = rng.randint(-5, 5) * unit, rng.randint(-9, 9) * unit
            price = ladder.bid * self._tick / 100
            state.auction = Auction(price, before.reference_price, matched, left, at_market)
            state.book = AuctionBook(ladder, rng.randint(1, 9) * unit, rng.randint(1, 9) * unit)
            state.buy_quantity, state.sell_quantity = ladder.totals()
        state.exchange_time = now_ms
        state.version += 1

    def _match(self, now_ms: int) -> bool:
        """Trade once what can be traded of the orders."""
        auction = self.state.auction
        if auction is None:
            return False
        self._end_auction()
        if auction.price is not None and auction.matched:
            self._exchange(auction.price, auction.matched // self._lot * self._lot, now_ms)
        return True

    def _end_auction(self) -> None:
        self.state.auction, self.state.book = None, self._ladder

    def _exchange(self, price: float, volume: int, now_ms: int) -> None:
        state = self.state
        self._traded_ms = state.last_trade_time = now_ms
        state.last_quantity = volume
        note_price(state, price, volume, now_ms)

    def _trade(self, now_ms: int, intensity: float) -> int:
        state, lot = self.state, self._lot
        expected = self._pace * (now_ms - self._traded_ms) * intensity
        lots = int(expected * self._rng.expovariate(1.0) / lot) or 1
        self._traded_ms = state.last_trade_time = now_ms
        state.last_quantity = lot * (lots if lots < 3 else 1 + lots // 2)
        if state.open_interest:
            interest = max(lot, state.open_interest + lot * self._rng.randint(-lots, lots) // 2 // lot * lot)
            state.open_interest = interest
            state.open_interest_high = max(interest, state.open_interest_high)
            state.open_interest_low = min(interest, state.open_interest_low)
        return lots * lot

    def open_day(self) -> None:
        """A new day."""
        begin_day(self.state, self.state.last_price)


def open_inside_day(state: PriceState, opened: float, volume: int, now_ms: int, rng: random.Random) -> None:
    """Give a state the day it would have had until now, where the exchange starts inside one."""
    share = traded_share(now_ms)
    if share <= 0:
        return
    state.open = opened
    state.high = max(opened, state.last_price)
    state.low = min(opened, state.last_price)
    lot = state.instrument.lot_size
    state.volume = int(volume * share * (0.8 + 0.4 * rng.random()) / lot) * lot
    if state.volume:
        state.average_price = round((opened + state.last_price) / 2, 2)
        state.turnover = state.average_price * state.volume
