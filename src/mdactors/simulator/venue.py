"""What a simulator sees of the market behind it, be it made up (`Exchange`) or recorded (`Replay`)."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from mdactors.market.instrument import InstrumentRow
from mdactors.market.quote import BrokerToken
from mdactors.runtime import MACHINE, Clock
from mdactors.simulator.routes import CutFrame, Piece
from mdactors.simulator.session import Said, Session, Status, date_of
from mdactors.simulator.state import PriceState

Change: TypeAlias = Sequence[PriceState] | CutFrame
"""What happened at one moment: instruments that changed, or a recorded frame."""


class Venue(abc.ABC):
    """A market whose time moves only by `advance`. Not thread-safe: it lives on the server's loop."""

    session: Session
    now_ms: int
    """The exchange's time: that of the last `advance`."""
    clock: Clock = MACHINE
    """By which the judge's log is written."""
    live: bool = False
    """Whether its time is that clock's; else it is its own."""
    stride_ms: int = 86_400_000
    """A caller who wants to see every update advances by no more than this."""
    recorded: bool = False
    """Whether its updates were recorded: each is sent, also one that says nothing new."""
    raw: bool = False
    """Whether they are a broker's own frames."""

    def __init__(self, states: Iterable[PriceState], start_ms: int, session: Session) -> None:
        self.now_ms = start_ms
        self.session = session
        self._list(states)

    def _list(self, states: Iterable[PriceState]) -> None:
        self._states = {state.instrument.token: state for state in states}
        self._by_key = {state.instrument.key: state for state in self._states.values()}
        self._by_name = {(s.instrument.exchange, s.instrument.symbol): s for s in self._states.values()}

    def relist(self, changes: Mapping[int, InstrumentRow | None]) -> None:
        """List some instruments anew, by their tokens: under another token, in another series, or no more."""
        kept = []
        for token, state in self._states.items():
            now = changes.get(token, state.instrument)
            if now is not None:
                state.instrument = now
                kept.append(state)
        self._list(kept)

    @property
    def instruments(self) -> list[InstrumentRow]:
        """Everything listed here now: not what has expired."""
        today = date_of(self.now_ms).isoformat()
        listed = (state.instrument for state in self._states.values())
        return [each for each in listed if not each.expiry or each.expiry >= today]

    @property
    def states(self) -> Mapping[int, PriceState]:
        """The state of every instrument, by token."""
        return self._states

    def state(self, token: int) -> PriceState | None:
        """The state of the instrument with this token (Kite's numbers); None when not listed."""
        return self._states.get(token)

    def by_key(self, key: str) -> PriceState | None:
        """The state of the instrument with this key (``NSE_EQ|INE002A01018``); None when not listed."""
        return self._by_key.get(key)

    def by_name(self, exchange: str, symbol: str) -> PriceState | None:
        """The state of the instrument with this trading symbol; None when not listed."""
        return self._by_name.get((exchange, symbol))

    def statuses(self) -> dict[str, Status]:
        """The phase of every segment now."""
        return self.session.statuses(self.now_ms)

    def auction_words(self) -> tuple[dict[str, Said], dict[str, Said]]:
        """How far the closing auction and the pre-open are, of the segments that have had a word of them."""
        return self.session.closing_words(self.now_ms), self.session.pre_open_words(self.now_ms)

    def updates(self, to_ms: int) -> Iterator[Change]:
        """Move time on, in steps in each of which no instrument changes twice."""
        while True:
            yield self.advance(min(to_ms, self.now_ms + self.stride_ms))
            if self.now_ms >= to_ms:
                return

    def subscribed(self) -> None:  # noqa: B027 - what is made up waits for nobody
        """Somebody has subscribed."""

    def last_said(self, names: Iterable[BrokerToken]) -> list[Piece]:  # noqa: ARG002 - see `raw`
        """What the newest frames said of these, where they were recorded."""
        return []

    @abc.abstractmethod
    def advance(self, to_ms: int) -> list[PriceState]:
        """Move time on; the instruments that changed since the last call, each once.

        What happens until a time does not depend on how many calls lead there.
        """
