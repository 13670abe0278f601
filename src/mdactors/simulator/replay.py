"""A recorded day played again: minute bars or ticks, at any speed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

from mdactors.market.instrument import InstrumentRow
from mdactors.runtime import MACHINE, Clock
from mdactors.simulator.derivatives import Contract, contract_symbol, month_end, parse
from mdactors.simulator.ladder import Ladder, Sizes
from mdactors.simulator.recording import Event, Tick, read_recording
from mdactors.simulator.security import begin_day, note_price
from mdactors.simulator.session import Session, day_number
from mdactors.simulator.state import PriceState
from mdactors.simulator.universe import Universe
from mdactors.simulator.venue import Venue

_UNKNOWN_TOKEN = 800_001


class Replay(Venue):
    """Plays one recorded CSV file (may be gzipped): minute bars, full ticks or last prices.

    Time starts just before the first recorded update; after the last one nothing changes any more. Under a
    clock that was set it is live: what was recorded by the time that it shows is played.
    Recorded ticks keep their books; bars and last prices get a made-up one around the price.
    """

    def __init__(self, path: Path, *, session: Session | None = None, clock: Clock = MACHINE) -> None:
        self.clock = clock
        self.live = clock.timeline() is not None
        events, names = read_recording(path)
        first = {event.name: event for event in reversed(events)}
        instruments = dict(_identify(names))
        sizes = Sizes(random.Random(1))
        self._states_by_name = {
            name: _opening(instrument, first[name], sizes) for name, instrument in instruments.items()
        }
        start_ms = events[0].time_ms - 1
        if self.live:
            start_ms = min(start_ms, clock.time_ns() // 1_000_000)
        super().__init__(self._states_by_name.values(), start_ms, session or Session())
        self._events = events
        self._next = 0
        self._day = day_number(self.now_ms)
        self._unopened = set(self._states_by_name)

    @property
    def ended(self) -> bool:
        """Whether everything recorded has been played."""
        return self._next >= len(self._events)

    def advance(self, to_ms: int) -> list[PriceState]:
        """Move time on; the instruments that changed since the last call, each once."""
        changed: dict[int, PriceState] = {}
        while self._next < len(self._events) and self._events[self._next].time_ms <= to_ms:
            event = self._events[self._next]
            self._next += 1
            state = self._states_by_name[event.name]
            if day_number(event.time_ms) > self._day:
                self._begin_day(day_number(event.time_ms))
            if event.name in self._unopened:
                self._unopened.remove(event.name)
                state.open = state.high = state.low = event.price
            _play(state, event)
            changed[state.instrument.token] = state
        self.now_ms = max(self.now_ms, to_ms)
        return list(changed.values())

    def _begin_day(self, day: int) -> None:
        self._day = day
        self._unopened = set(self._states_by_name)
        for state in self._states_by_name.values():
            begin_day(state, state.last_price)


def _play(state: PriceState, event: Event | Tick) -> None:
    quantity = event.quantity if state.instrument.type != "INDEX" else 0
    if isinstance(event, Tick):
        # Two updates were stored in swapped order at times: a volume never falls.
        quantity = max(event.volume - state.volume, 0) if state.version else 0
    note_price(state, event.price, quantity, event.time_ms)
    if isinstance(event, Tick):
        _take_words(state, event)
        return
    state.last_trade_time = event.time_ms
    state.last_quantity = quantity
    if isinstance(state.book, Ladder):
        state.book.move(max(int(round(event.price * 100) / round(state.instrument.tick_size * 100)), 1))
        state.buy_quantity, state.sell_quantity = state.book.totals()


def _take_words(state: PriceState, tick: Tick) -> None:
    state.volume = max(tick.volume, state.volume)
    state.last_quantity = tick.quantity
    state.last_trade_time = tick.traded_ms
    state.previous_close = tick.previous_close or state.previous_close
    state.average_price = tick.average_price or state.average_price
    state.open_interest = tick.open_interest or state.open_interest
    state.open_interest_high = max(state.open_interest_high, state.open_interest)
    state.open_interest_low = min(state.open_interest_low or state.open_interest, state.open_interest)
    state.buy_quantity, state.sell_quantity = tick.buy_quantity, tick.sell_quantity
    state.book = tick.book


def _opening(instrument: InstrumentRow, event: Event | Tick, sizes: Sizes) -> PriceState:
    price = event.price
    close = event.previous_close if isinstance(event, Tick) else price
    state = PriceState(instrument, price, close, price, price, price, exchange_time=event.time_ms)
    if isinstance(event, Event) and instrument.type != "INDEX":
        state.book = Ladder(instrument.tick_size, instrument.lot_size, sizes, instrument.token)
    return state


def _identify(names: dict[str, str]) -> Iterator[tuple[str, InstrumentRow]]:
    """Each recorded name's instrument: the built-in listing, or one made from the name."""
    known = Universe.built_in(dt.date(2026, 1, 1)).listed
    cash = [item.instrument for item in known if item.instrument.segment != "NSE_FO"]
    by_hint = {hint: item for item in reversed(cash) for hint in (item.symbol, item.key, str(item.token))}
    for place, (name, hint) in enumerate(names.items()):
        contract = parse(name)
        if contract is not None:
            yield name, _contract(name, hint, contract)
        else:
            yield name, by_hint.get(hint) or by_hint.get(name) or _share(name, hint, place)


def _share(name: str, hint: str, place: int) -> InstrumentRow:
    token = int(hint) if hint.isdigit() else (_UNKNOWN_TOKEN + place) << 8 | 1
    key = hint if "|" in hint else f"NSE_EQ|{name}"
    return InstrumentRow(token, name, "NSE", "NSE_EQ", "STOCK", key, name=name, series="EQ")


def _contract(name: str, hint: str, contract: Contract) -> InstrumentRow:
    token = int(hint) if hint.isdigit() else int(hint.partition("|")[2]) << 8 | 2
    monthly = contract.expiry == month_end(contract.expiry.year, contract.expiry.month)
    return InstrumentRow(
        token=token,
        symbol=contract_symbol(contract) if monthly else name,
        exchange="NSE",
        segment="NSE_FO",
        type="OPTION" if contract.side else "FUTURE",
        key=f"NSE_FO|{token >> 8}",
        name=contract.underlying,
        expiry=contract.expiry.isoformat(),
        strike=contract.strike,
        option_type=contract.side,
        underlying=contract.underlying,
    )
