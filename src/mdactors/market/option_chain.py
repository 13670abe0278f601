"""The options of one underlying and expiry side by side, made of their newest ticks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.quote import Depth, Greeks, Level
from mdactors.market.tick import Tick
from mdactors.market.underlyings import Underlying
from mdactors.market.view import FULL_RUNGS, change_since


class Contract(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """One option of a chain, named as in a tick; what is not known is None, and left out."""

    symbol: str
    instrument_token: int
    instrument_key: str
    last_traded_price: float | None = None
    change: float | None = None
    change_percent: float | None = None
    volume: int | None = None
    open_interest: int | None = None
    open_interest_change: int | None = None
    """Since the day began."""
    bid: float | None = None
    bid_quantity: int | None = None
    ask: float | None = None
    ask_quantity: int | None = None
    iv: float | None = None
    greeks: Greeks | None = None
    depth: Depth | None = None
    """Only in a chain with books: as a tick in mode full has it."""


class Strike(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row: the call and the put of a strike."""

    strike: float
    ce: Contract | None = None
    pe: Contract | None = None


class Total(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What all calls, or all puts, add up to, as far as it is known."""

    volume: int
    open_interest: int


class PutCallRatio(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """All puts to all calls; None where there are no calls."""

    open_interest: float | None = None
    volume: float | None = None


class OptionChain(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A whole chain; what is not known is None, and left out."""

    underlying: str
    expiry: str
    expiries: Sequence[str]
    rows: Sequence[Strike]
    ce: Total
    pe: Total
    pcr: PutCallRatio
    spot: float | None = None
    priced_by: str | None = None
    """The symbol of what says where the money is: the spot, or a future where there is no price of one."""
    price: float | None = None
    """Its price."""
    at_the_money: float | None = None
    """The strike that is nearest to that price; of two the lower."""
    max_pain: float | None = None
    """The strike at which those who hold options would be paid least, by open interest."""


def option_chain(
    underlying: Underlying,
    expiry: str,
    newest: Mapping[int, Tick],
    *,
    books: bool = False,
) -> OptionChain:
    """The chain of an expiry, one of the underlying's.

    Args:
        underlying: whose options they are.
        expiry: an ISO date.
        newest: instrument token -> its newest tick.
        books: whether each option's whole book is wanted, not only the best of it.
    """
    sides: dict[float, dict[str, Contract]] = {}
    for instrument in underlying.expiries[expiry]:
        tick = newest.get(instrument.token)
        contract = _contract(instrument, tick, books=books)
        sides.setdefault(instrument.strike, {})[instrument.option_type] = contract
    rows = [Strike(strike, side.get("CE"), side.get("PE")) for strike, side in sorted(sides.items())]
    calls, puts = _total(row.ce for row in rows), _total(row.pe for row in rows)
    by, price = _money(underlying, expiry, newest)
    return OptionChain(
        underlying=underlying.name,
        expiry=expiry,
        expiries=list(underlying.expiries),
        rows=rows,
        ce=calls,
        pe=puts,
        pcr=PutCallRatio(_ratio(puts.open_interest, calls.open_interest), _ratio(puts.volume, calls.volume)),
        spot=price if by is not None and by is underlying.spot else None,
        priced_by=None if by is None else by.answered,
        price=price,
        at_the_money=None if price is None else min(sides, key=lambda strike: (abs(strike - price), strike)),
        max_pain=max_pain([(row.strike, _interest(row.ce), _interest(row.pe)) for row in rows]),
    )


def _money(
    underlying: Underlying, expiry: str, newest: Mapping[int, Tick]
) -> tuple[Instrument | None, float | None]:
    """What says where the money is, and its price; of what could say so the best that has one."""
    for instrument in underlying.priced_by("", expiry):
        tick = newest.get(instrument.token)
        if tick is not None and tick.quote.last_price is not None and tick.quote.last_price > 0:
            return instrument, tick.quote.last_price
    return None, None


def max_pain(interests: Sequence[tuple[float, int, int]]) -> float | None:
    """The strike at which the open interest would be paid least; of equals the lowest.

    What is paid falls with the strike as long as more puts lie above than calls at or below it.

    Args:
        interests: strike, open interest of its call and of its put, by strike.

    Returns:
        None where there is no open interest.
    """
    calls, puts = 0, sum(put for _, _, put in interests)
    if not puts and not any(call for _, call, _ in interests):
        return None
    for strike, call, put in interests:
        calls += call
        puts -= put
        if calls >= puts:
            return strike
    return None


def _contract(instrument: Instrument, tick: Tick | None, *, books: bool) -> Contract:
    if tick is None:
        return Contract(instrument.answered, instrument.token, instrument.key)
    quote = tick.quote
    change, percent = change_since(quote.previous_close, quote.last_price)
    depth = quote.depth()
    bid, bid_quantity = _best(depth.buy if depth is not None else ())
    ask, ask_quantity = _best(depth.sell if depth is not None else ())
    return Contract(
        symbol=instrument.answered,
        instrument_token=instrument.token,
        instrument_key=instrument.key,
        last_traded_price=quote.last_price,
        change=change,
        change_percent=percent,
        volume=quote.volume,
        open_interest=quote.open_interest,
        open_interest_change=tick.open_interest_change,
        bid=bid,
        bid_quantity=bid_quantity,
        ask=ask,
        ask_quantity=ask_quantity,
        iv=quote.iv,
        greeks=quote.greeks(),
        depth=depth.best(FULL_RUNGS) if depth is not None and books else None,
    )


def _best(side: Sequence[Level]) -> tuple[float | None, int | None]:
    return (side[0].price, side[0].quantity) if side else (None, None)


def _total(contracts: Iterable[Contract | None]) -> Total:
    known = [contract for contract in contracts if contract is not None]
    return Total(
        volume=sum(contract.volume or 0 for contract in known),
        open_interest=sum(contract.open_interest or 0 for contract in known),
    )


def _interest(contract: Contract | None) -> int:
    return 0 if contract is None or contract.open_interest is None else contract.open_interest


def _ratio(puts: int, calls: int) -> float | None:
    return round(puts / calls, 4) if calls else None
