"""What is believed of one instrument's figures of the day: the stage between decoding and numbering.

A broker's word about itself is not always the exchange's: a figure jumps or falls for one update
(`DayVolume`), a time lies in another century, and in the evening the day's close takes the place of the
previous one. What is not believed is *not known*: it is left out of the tick and of all that is computed
from it; the broker's bytes stay as they came.

Times of updates are believed that lie within the trading date, or a margin beyond it, by the daemon's clock.
A last trade may be of any day since the exchange began, but of none to come.

The previous close belongs to the trading date. Up to the first trade of the continuous session each value is
taken that the broker says: it corrects yesterday's, and adjusts it for dividends and bonuses. From then on
another one is taken only where two updates in a row say it. From the close on it stays as it is, whatever
comes: one that begins to listen in the evening cannot know which close it hears, and says none until it is
recalled, see `Figures.recall`.
"""

from __future__ import annotations

import copy
import datetime as dt

from mdactors.market import ist
from mdactors.market.day_volume import DayVolume
from mdactors.market.phase import Phase
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.trading_day import TradingDay, TradingDays

MS_NS = 1_000_000
FIRST_TRADE_MS = 783_801_000_000
"""3 November 1994, when NSE's shares began to trade: no last trade is older."""


class Figures:
    """The figures of one instrument. Times are epoch milliseconds.

    Args:
        days: by which its day is found.
        trading_class: of the instrument.
        counts_to: see `DayVolume`.
    """

    __slots__ = (
        "_close", "_close_held", "_close_said", "_days", "_interest", "_latest", "_listens", "_oldest",
        "_part_begins", "_part_ends", "_session", "_today", "_trades",
        "_trading_class", "_volume", "left_out", "phase",
    )  # fmt: skip

    def __init__(self, days: TradingDays, trading_class: str, counts_to: int = 0) -> None:
        self.phase: Phase = "open"
        """In which the newest update was."""
        self.left_out: tuple[str, ...] = ()
        """Fields that the newest quote named and that are not believed; the caller clears it."""
        self._trading_class = trading_class
        self._days = days
        self._today: TradingDay | None = None
        self._part_begins = self._part_ends = 0
        self._session = 0
        """When the newest continuous session of the trading date began that was heard of."""
        self._latest = self._oldest = 0
        """Between them lies a last trade that is believed."""
        self._volume = DayVolume(counts_to)
        self._close: float | None = None
        self._close_said: float | None = None
        """What is said like this needs no second look: the close, unless another one is held."""
        self._close_held: float | None = None
        self._interest: int | None = None
        """The open interest with which the trading date began."""
        self._trades = False
        """Whether the session's first trade has been told of, with a previous close."""
        self._listens = False
        """Whether nothing of the trading date's session was missed so far."""

    @property
    def previous_close(self) -> float | None:
        """The close of the session before the trading date's, as far as it is known."""
        return self._close

    def believe(self, said: Quote, received: int) -> Quote:
        """What was said, or a copy that leaves out or corrects what is not believed: the hot path."""
        volume, close, counted = said.volume, said.previous_close, self._volume
        time, traded = said.exchange_time, said.last_trade_time
        if time is None:
            time = received
        if (
            self._part_begins <= time < self._part_ends
            and (volume is None or counted.last <= volume <= counted.most)
            and (close is None or close == self._close_said)
            and (traded is None or self._oldest <= traded <= self._latest)
        ):
            if volume is not None:
                counted.last = volume
            return said
        return self._weigh(said, received)

    def interest_change(self, interest: int, received: int, *, snapshot: bool) -> int | None:
        """How far the open interest is from the first figure of the trading date; None where nobody knows.

        The first is the last one said before the first part of the session, else the first one after by
        somebody who has listened since before it.
        """
        today = self._day()
        if received < today.begins:
            self._interest = interest
        elif self._interest is None:
            if received < today.opens or (self._listens and not snapshot):
                self._interest = interest
            self._listens = False
        return None if self._interest is None else interest - self._interest

    def turn(self, received: int) -> None:
        """Another date in India, which may be another trading date."""
        before, today = self._today, self._days.of(self._trading_class, received)
        self._today = today
        self._part_ends = 0
        self._latest = today.latest
        self._oldest = min(FIRST_TRADE_MS, today.earliest)
        if before is None or before.number != today.number:
            self._volume.begin()
            self._close = self._close_said = self._close_held = self._interest = None
            self._session = 0
            self._trades = False
            self._listens = before is not None or received < today.opens

    def become(self, trading_class: str) -> None:
        """The instrument is of another class now."""
        if trading_class != self._trading_class:
            self._trading_class = trading_class
            if self._today is not None:
                self.turn(self._today.seen)

    @property
    def withholds(self) -> bool:
        """Whether a previous close was said that cannot be told from the day's own."""
        return self._close is None and self._close_held is not None

    @property
    def trading_date(self) -> dt.date:
        """The date that the figures are of."""
        return ist.date(self._day().midnight * MS_NS)

    def learn_close(self, close: float) -> None:
        """Take the previous close of the trading date from who knows it."""
        if self._close is None:
            self._take_close(close)

    def recall(self, tick: Tick, now: int, *, counted: bool) -> None:
        """Take what was believed earlier on the trading date: a tick that was published, the newest there is.

        Args:
            tick: of any date; that of another one tells nothing.
            now: the time.
            counted: whether the same broker counted its volume.
        """
        today = self._day()
        received = tick.received_ns // MS_NS
        if self._days.of(self._trading_class, received).number != today.number:
            return
        quote = tick.quote
        close, interest, change = quote.previous_close, quote.open_interest, tick.open_interest_change
        if close and (self._close is None or now >= today.closes):
            self._take_close(close)
        if counted and quote.volume and received >= today.opens:
            self._volume.recall(quote.volume)
        if interest is not None and change is not None and self._interest is None:
            self._interest = interest - change

    def _day(self) -> TradingDay:
        assert self._today is not None, "it turned before"
        return self._today

    def _weigh(self, said: Quote, received: int) -> Quote:
        today = self._day()
        volume, close, time, traded = (
            said.volume, said.previous_close, said.exchange_time, said.last_trade_time,
        )  # fmt: skip
        if time is not None and not today.earliest <= time <= today.latest:
            time = None
        at = received if time is None else time
        if not self._part_begins <= at < self._part_ends:
            self._enter(at)
        if traded is not None and not self._oldest <= traded <= self._latest:
            traded = None
        # Who has not traded yet still says the figures of the day on which it last did.
        in_session = received >= today.opens and (traded is None or traded >= today.midnight)
        if volume is not None:
            volume = self._volume.weigh(volume, in_session=in_session)
        if close:
            close = self._weigh_close(close, today, received)
            self._trades = self._trades or in_session
        believed = volume, close, time, traded
        if believed == (said.volume, said.previous_close, said.exchange_time, said.last_trade_time):
            return said
        quote = copy.copy(said)
        quote.volume, quote.previous_close, quote.exchange_time, quote.last_trade_time = believed
        self.left_out = tuple(
            name
            for name in ("volume", "exchange_time", "last_trade_time")
            if getattr(quote, name) is None and getattr(said, name) is not None
        )
        return quote

    def _enter(self, at: int) -> None:
        """Find the part of the day of this time."""
        self.phase, self._part_begins, self._part_ends = self._days.part(self._trading_class, at)
        if self.phase == "open" and self._part_begins > self._session:
            if self._session:
                self._volume.begin()  # where a date has two sessions, each may count by itself
            self._session = self._part_begins

    def _weigh_close(self, said: float, today: TradingDay, received: int) -> float | None:
        known = self._close
        if (
            said == known
            or (known is None and received < today.ends)
            or (received < today.closes and (not self._trades or said == self._close_held))
        ):
            self._take_close(said)
        else:
            self._close_held = said
            self._close_said = None
        return self._close

    def _take_close(self, close: float) -> None:
        self._close = self._close_said = close
        self._close_held = None
