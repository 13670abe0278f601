"""What is in an auction now, kept as it ticks."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mdactors.market.ist import iso
from mdactors.market.phase import Phase
from mdactors.market.tick import Tick
from mdactors.market.trading_class import trading_class_of
from mdactors.market.view import NS_PER_MS, Side, auction_words

PhaseOf = Callable[[str], Phase]
"""Trading class -> where in its day it is now."""


class InAuction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """One instrument's auction; what the broker does not say is left out. Prices are rupees."""

    symbol: str
    instrument_token: int
    instrument_key: str
    timestamp: str
    phase: Phase = "open"
    last_traded_price: float | None = None
    close: float | None = None
    """The previous session's."""
    price: float | None = None
    reference_price: float | None = None
    matched: int | None = None
    imbalance: int | None = None
    side: Side | None = None


class Auctions:
    """The newest ticks of what a broker says to be in an auction.

    An instrument leaves with its first tick without one. Where none comes, as of a share that nobody trades,
    it leaves when its class trades continuously, or is closed, and did not when it ticked.
    """

    def __init__(self) -> None:
        self._ticks: dict[int, Tick] = {}

    def update(self, tick: Tick) -> None:
        """Take an instrument's newest tick."""
        if tick.quote.auction is not None:
            self._ticks[tick.instrument.token] = tick
        elif self._ticks:
            self._ticks.pop(tick.instrument.token, None)

    def rows(self, phase_of: PhaseOf) -> list[InAuction]:
        """All of them, by symbol."""
        phases: dict[str, Phase] = {}
        for token, tick in list(self._ticks.items()):
            trading_class = trading_class_of(tick.instrument)
            if trading_class not in phases:
                phases[trading_class] = phase_of(trading_class)
            if _is_over(tick, phases[trading_class]):
                del self._ticks[token]
        return sorted(map(_row, self._ticks.values()), key=lambda row: row.symbol)

    def row(self, token: int, phase_of: PhaseOf) -> list[InAuction]:
        """The one of an instrument, where it is in an auction."""
        tick = self._ticks.get(token)
        if tick is None or _is_over(tick, phase_of(trading_class_of(tick.instrument))):
            return []
        return [_row(tick)]


def _is_over(tick: Tick, phase: Phase) -> bool:
    return phase != tick.phase and phase in ("open", "closed")


def _row(tick: Tick) -> InAuction:
    instrument, quote = tick.instrument, tick.quote
    assert quote.auction is not None, "only such are kept"
    said = auction_words(quote.auction)
    time = quote.exchange_time
    return InAuction(
        instrument.answered, instrument.token, instrument.key,
        iso(tick.received_ns // NS_PER_MS if time is None else time), tick.phase,
        quote.last_price, quote.previous_close,
        said.price, said.reference_price, said.matched, said.imbalance, said.side,
    )  # fmt: skip
