"""A recorded day played again: every update in its order, at any speed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mdactors.market.instrument import InstrumentRow
from mdactors.market.quote import BrokerToken
from mdactors.runtime import Clock, HeldClock
from mdactors.simulator.events import Event, Recorded, Tick, Update
from mdactors.simulator.ladder import Ladder, Sizes
from mdactors.simulator.listing import moved
from mdactors.simulator.recorded_frames import Cut
from mdactors.simulator.recording import Recording
from mdactors.simulator.routes import CutFrame, Piece
from mdactors.simulator.security import begin_day, note_price
from mdactors.simulator.session import DAY_MS, Session, day_number
from mdactors.simulator.sources import open_recording
from mdactors.simulator.state import PriceState
from mdactors.simulator.venue import Change, Venue
from mdactors.store.frames import RawFrame

LEAD_MS = 1_000
"""So long before the first event the clock of a replay begins."""
_NS_PER_MS = 1_000_000


class Replay(Venue):
    """Plays one recording; after its last event nothing changes any more.

    Its time stands still just before the first event until the server lets it go, once somebody has
    subscribed; under a clock that was set it is that clock's. Each event is a change of its own.
    Recorded ticks keep their books; bars and last prices get a made-up one around the price.

    Args:
        recording: what to play, or where it is.
        session: the hours that it claims to have.
        clock: by which it is played; None: one of its own.
        speed: of its own clock.
        shift_days: so much later is everything that is not a raw frame.
        cut: cuts raw frames for a client that wants a part of them.
    """

    recorded = True
    clock: Clock

    def __init__(
        self,
        recording: Recording | Path,
        *,
        session: Session | None = None,
        clock: Clock | None = None,
        speed: float = 1.0,
        shift_days: int = 0,
        cut: Cut = CutFrame,
    ) -> None:
        if isinstance(recording, Path):
            recording = open_recording(recording, cut=cut)
        self.recording = recording
        self.raw = recording.raw
        self.played = 0
        """Events so far."""
        self.over = False
        """Whether all of it has been played and taken."""
        self.wanted = 0
        """How often somebody has subscribed."""
        self.shift_days = shift_days
        self._shift_ms = shift_days * DAY_MS
        begins_ms = recording.begins_ms + self._shift_ms
        start_ms = begins_ms - 1
        if clock is None:
            self.clock = HeldClock((begins_ms - LEAD_MS) * _NS_PER_MS, speed)
        else:
            self.clock = clock
            start_ms = min(start_ms, clock.time_ns() // _NS_PER_MS)
        sizes = Sizes(random.Random(1))
        firsts = recording.firsts
        self._states_by_name = {
            name: _opening(moved(row, shift_days), firsts.get(name), sizes, self._shift_ms)
            for name, row in recording.instruments.items()
        }
        super().__init__(self._states_by_name.values(), start_ms, session or Session())
        self._cut = cut
        self._said: dict[BrokerToken, Piece] = {}
        self._events = recording.events()
        self._next = next(self._events, None)
        self._day = day_number(begins_ms)
        self._unopened = set(self._states_by_name)

    @property
    def ended(self) -> bool:
        """Whether everything recorded has been played."""
        return self._next is None

    @property
    def share(self) -> float:
        """How much of the recording's time has been played, from 0 to 1."""
        begins_ms = self.recording.begins_ms + self._shift_ms
        return min(
            max(self.now_ms - begins_ms, 0) / max(self.recording.ends_ms - self.recording.begins_ms, 1), 1.0
        )

    @property
    def due_ns(self) -> int:
        """When the next event is to be played; now where there is none."""
        return self.now_ms * _NS_PER_MS if self._next is None else self._time_ms(self._next) * _NS_PER_MS

    def updates(self, to_ms: int) -> Iterator[Change]:
        """Play what was recorded until then, one event after another."""
        while self._next is not None and (time_ms := self._time_ms(self._next)) <= to_ms:
            event, self._next = self._next, next(self._events, None)
            self.played += 1
            self.now_ms = max(self.now_ms, time_ms)
            if isinstance(event, RawFrame):
                yield self._frame(event)
            else:
                yield [self._play(event, time_ms)]
        self.now_ms = max(self.now_ms, to_ms)

    def advance(self, to_ms: int) -> list[PriceState]:
        """Move time on; the instruments that changed since the last call, each once."""
        changed: dict[int, PriceState] = {}
        for change in self.updates(to_ms):
            if not isinstance(change, CutFrame):
                changed.update((state.token, state) for state in change)
        return list(changed.values())

    def subscribed(self) -> None:
        """Somebody wants to be told."""
        self.wanted += 1

    def last_said(self, names: Iterable[BrokerToken]) -> list[Piece]:
        """The newest part of a raw frame on each of these, by the broker's words for them."""
        return [self._said[name] for name in names if name in self._said]

    def _time_ms(self, event: Recorded) -> int:
        if isinstance(event, RawFrame):
            return event.received_ns // _NS_PER_MS + self._shift_ms
        return event.time_ms + self._shift_ms

    def _frame(self, event: RawFrame) -> CutFrame:
        frame = self._cut(event.data)
        self._said.update((piece.name, piece) for piece in frame.pieces if piece.name is not None)
        return frame

    def _play(self, update: Update, time_ms: int) -> PriceState:
        state = self._states_by_name[update.name]
        if day_number(time_ms) > self._day:
            self._begin_day(day_number(time_ms))
        price = update.price or state.last_price
        if update.name in self._unopened:
            self._unopened.remove(update.name)
            state.open = state.high = state.low = price
        quantity = _traded(state, update)
        note_price(state, price, quantity, time_ms)
        if isinstance(update, Tick):
            _take_words(state, update, self._shift_ms)
            return state
        state.last_trade_time = time_ms
        state.last_quantity = quantity
        if isinstance(state.book, Ladder):
            state.book.move(max(int(round(price * 100) / round(state.instrument.tick_size * 100)), 1))
            state.buy_quantity, state.sell_quantity = state.book.totals()
        return state

    def _begin_day(self, day: int) -> None:
        self._day = day
        self._unopened = set(self._states_by_name)
        for state in self._states_by_name.values():
            begin_day(state, state.last_price)


def _traded(state: PriceState, update: Update) -> int:
    """What an update adds to the running minute."""
    if state.instrument.type == "INDEX":
        return 0
    if isinstance(update, Event):
        return update.quantity
    # Two updates were stored in swapped order at times: a minute takes nothing back.
    return max(update.volume - state.volume, 0)


def _take_words(state: PriceState, tick: Tick, shift_ms: int) -> None:
    """Everything else that was recorded, as it was recorded."""
    state.volume = tick.volume
    state.last_quantity = tick.quantity
    state.last_trade_time = tick.traded_ms + shift_ms if tick.traded_ms else 0
    if tick.exchange_ms:
        state.exchange_time = tick.exchange_ms + shift_ms
    state.previous_close = tick.previous_close or state.previous_close
    state.average_price = tick.average_price or state.average_price
    state.open = tick.open or state.open
    state.high = tick.high or state.high
    state.low = tick.low or state.low
    state.open_interest = tick.open_interest or state.open_interest
    state.open_interest_high = tick.open_interest_high or max(state.open_interest_high, state.open_interest)
    state.open_interest_low = tick.open_interest_low or min(
        state.open_interest_low or state.open_interest, state.open_interest
    )
    state.buy_quantity, state.sell_quantity = tick.buy_quantity, tick.sell_quantity
    state.book = tick.book
    state.greeks, state.iv = tick.greeks, tick.iv
    state.minute = state.last_minute = None
    if tick.minute is not None:
        start_ms = tick.minute.start_ms + shift_ms
        state.last_minute = msgspec.structs.replace(tick.minute, start_ms=start_ms)


def _opening(instrument: InstrumentRow, first: Update | None, sizes: Sizes, shift_ms: int) -> PriceState:
    """What a client is told that subscribes before the first update: the moment before it."""
    if first is None:
        return PriceState(instrument, 0.0, 0.0, 0.0, 0.0, 0.0)
    price, before_ms = first.price, first.time_ms + shift_ms - LEAD_MS
    state = PriceState(instrument, price, price, price, price, price, exchange_time=before_ms)
    if isinstance(first, Tick):
        _take_words(state, first, shift_ms)
        state.exchange_time = before_ms
        state.last_trade_time = 0
        state.volume = max(first.volume - first.quantity, 0)
    elif instrument.type != "INDEX":
        state.book = Ladder(instrument.tick_size, instrument.lot_size, sizes, instrument.token)
    return state
