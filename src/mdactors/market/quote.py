"""What a broker says of one instrument in one frame.

In a `Quote` ``None`` means *not said*: the adapter that decoded it is the only one who decides
between zero and absent. Prices are rupees, times are epoch milliseconds, quantities are pieces.

A price of 0 is *said, and not known*: nothing that was known before may take its place. So in a complete
quote it is None, as nothing fills it; in a partial one it stays 0 until `merged` has not filled it and makes
it None. No tick has a price of 0.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

Mode = Literal["ltp", "quote", "full", "depth30"]
"""How much of an instrument is wanted, from the least to the most."""

MODES: tuple[Mode, ...] = ("ltp", "quote", "full", "depth30")

BrokerToken = int | str
"""A broker's own number or key for an instrument."""


def richer(one: Mode, other: Mode) -> Mode:
    """The mode of the two that holds more."""
    return one if MODES.index(one) >= MODES.index(other) else other


def serving(modes: Mapping[Mode, Mode], mode: Mode) -> Mode:
    """The broker's mode in which a wish is served: the poorest that holds all of it, else the richest.

    Args:
        modes: wanted mode -> the broker's mode that holds all of it, see `BrokerAdapter.modes`.
        mode: what is wanted.
    """
    if mode in modes:
        return modes[mode]
    enough = [each for each in MODES[MODES.index(mode) :] if each in modes]
    return modes[enough[0]] if enough else max(modes.values(), key=MODES.index)


class Level(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One rung of one side of a book; ``orders`` is None where the broker does not count them."""

    price: float
    quantity: int
    orders: int | None = None


class Depth(msgspec.Struct, frozen=True):
    """A book, best price first, without empty rungs."""

    buy: tuple[Level, ...]
    sell: tuple[Level, ...]

    def best(self, rungs: int) -> Depth:
        """Only the best so many rungs of each side."""
        return Depth(self.buy[:rungs], self.sell[:rungs])


class Greeks(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An option's sensitivities as the broker computed them."""

    delta: float | None = None
    theta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    rho: float | None = None


class Auction(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an auction would make or made of the orders so far; None where the broker does not say it."""

    price: float | None = None
    """The indicative equilibrium price."""
    reference_price: float | None = None
    matched: int | None = None
    """What would be traded at ``price``."""
    imbalance: int | None = None
    """What is left over at ``price``: of the buyers where positive, of the sellers where negative."""
    market_imbalance: int | None = None
    """The part of it that has no price limit."""


class BrokerBar(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The broker's own bar of a minute that is over."""

    start: int
    """Epoch milliseconds of the minute's begin."""
    open: float
    high: float
    low: float
    close: float
    volume: int


class Quote(msgspec.Struct, gc=False, array_like=True):
    """One broker's words about one instrument; each adapter has a subclass that builds its own book.

    The order of the fields is the journal's format: new ones go last.

    ``complete`` says that everything of its mode is in it, so that it can be published without what
    was said before. ``book`` and ``sensitivities`` stay the broker's bytes until somebody encodes them.
    """

    counts_to: ClassVar[int] = 0
    """Where this broker's count of the day's volume begins again at 0; 0 where it never does.

    What goes up and down, as the quantities on offer and the open interest, is taken as it is said: of a fall
    nobody could tell that it is none.
    """

    token: BrokerToken
    mode: Mode
    last_price: float | None = None
    last_quantity: int | None = None
    last_trade_time: int | None = None
    volume: int | None = None
    average_price: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    open_interest: int | None = None
    buy_quantity: int | None = None
    sell_quantity: int | None = None
    exchange_time: int | None = None
    """The exchange's time of this update, where the broker says one."""
    iv: float | None = None
    """Implied volatility as a fraction."""
    book: bytes | None = None
    sensitivities: bytes | None = None
    raw: bytes = b""
    """The broker's bytes of this instrument in this frame."""
    complete: bool = False
    snapshot: bool = False
    """The broker's cached state after a subscription, not an update."""
    open_interest_high: int | None = None
    open_interest_low: int | None = None
    auction: Auction | None = None
    """Never merged: who speaks of one says all of it each time, and nobody when it is over."""
    minute: BrokerBar | None = None
    """The broker's bar of the newest minute that is over, where this frame has one; never merged either."""

    def depth(self) -> Depth | None:
        """Build the book; None when none was said."""
        return None

    def greeks(self) -> Greeks | None:
        """Build the sensitivities; None when none were said."""
        return None

    def merged(self, base: Quote) -> Quote:
        """This quote with everything that it leaves unsaid taken from ``base``, which stays as it is."""
        # Field by field: every partial update passes here, and a loop over names takes twice as long.
        whole = copy.copy(self)
        if (said := whole.last_price) is None:
            whole.last_price = base.last_price
        elif not said:
            whole.last_price = None
        if whole.last_quantity is None:
            whole.last_quantity = base.last_quantity
        if whole.last_trade_time is None:
            whole.last_trade_time = base.last_trade_time
        if whole.volume is None:
            whole.volume = base.volume
        if (said := whole.average_price) is None:
            whole.average_price = base.average_price
        elif not said:
            whole.average_price = None
        if (said := whole.open) is None:
            whole.open = base.open
        elif not said:
            whole.open = None
        if (said := whole.high) is None:
            whole.high = base.high
        elif not said:
            whole.high = None
        if (said := whole.low) is None:
            whole.low = base.low
        elif not said:
            whole.low = None
        if (said := whole.previous_close) is None:
            whole.previous_close = base.previous_close
        elif not said:
            whole.previous_close = None
        if whole.open_interest is None:
            whole.open_interest = base.open_interest
        if whole.buy_quantity is None:
            whole.buy_quantity = base.buy_quantity
        if whole.sell_quantity is None:
            whole.sell_quantity = base.sell_quantity
        if whole.exchange_time is None:
            whole.exchange_time = base.exchange_time
        if whole.iv is None:
            whole.iv = base.iv
        if whole.book is None:
            whole.book = base.book
        if whole.sensitivities is None:
            whole.sensitivities = base.sensitivities
        if whole.open_interest_high is None:
            whole.open_interest_high = base.open_interest_high
        if whole.open_interest_low is None:
            whole.open_interest_low = base.open_interest_low
        whole.complete = True
        return whole

    def same_content(self, other: Quote) -> bool:
        """Whether both say the same to clients, the time of the update apart."""
        # The fields that differ most often come first, so that most comparisons end at once.
        return (
            self.last_price == other.last_price
            and self.volume == other.volume
            and self.buy_quantity == other.buy_quantity
            and self.sell_quantity == other.sell_quantity
            and self.book == other.book
            and self.last_trade_time == other.last_trade_time
            and self.last_quantity == other.last_quantity
            and self.open_interest == other.open_interest
            and self.average_price == other.average_price
            and self.open == other.open
            and self.high == other.high
            and self.low == other.low
            and self.previous_close == other.previous_close
            and self.iv == other.iv
            and self.sensitivities == other.sensitivities
            and self.open_interest_high == other.open_interest_high
            and self.open_interest_low == other.open_interest_low
            and self.auction == other.auction
        )

    __hash__: ClassVar[Any] = None
