"""Which of an instrument's updates are trades, when they were, and what they added to the day's volume.

A *trade* is an update, no snapshot, that names a price and says one of these: its last trade time
moved; the day's volume moved beyond the highest seen; it is an index, of which every update counts; it
has neither time nor volume (a last price alone), so that every update is an observation. Anything else
is the book's news. Its time is the last trade time, for an index also the exchange's time of the update,
else the receipt.

A trade's *volume* is what the day's cumulative figure rose by beyond the highest seen: a figure that
steps back adds nothing. The first figure of a day is the baseline, and so is the last one before the
session: what a pre-open auction traded is in no bar.
"""

from __future__ import annotations

from mdactors.market.calendar import Session
from mdactors.market.forming import Row
from mdactors.market.interval import MINUTE_MS, NS_PER_MS
from mdactors.market.tick import Tick

_UNKNOWN = -1


class Tape:
    """What is remembered of one instrument: its last trade, the day's volume, its bars."""

    __slots__ = (
        "by_receipt", "closes", "heard", "is_index", "minutes", "opens", "seconds", "traded", "volume",
    )  # fmt: skip

    def __init__(self, *, is_index: bool) -> None:
        self.is_index = is_index
        self.seconds, self.minutes = Row("1s"), Row("1m")
        self.by_receipt = False
        """Whether its last trade is timed by the receipt, for want of anything better."""
        self.traded: int | None = None
        """The last trade time that was said."""
        self.volume = _UNKNOWN
        """The highest of the day's figure, or its baseline."""
        self.opens = self.closes = 0
        """The session that it is in, epoch milliseconds; 0 before the first, and when its day is over."""
        self.heard: float = -1
        """The begin of the newest minute of which the broker told a bar; infinite where none is wanted."""

    def trade_time(self, tick: Tick) -> int | None:
        """When the trade was of which an update tells; None where it tells of none. Epoch milliseconds."""
        quote = tick.quote
        if not quote.last_price:
            return None
        traded = quote.last_trade_time
        if self.is_index:
            time = traded or quote.exchange_time
        else:
            volume = quote.volume
            if traded is not None:
                if traded == self.traded and (volume is None or volume <= self.volume):
                    return None
            elif volume is not None and volume <= self.volume:
                if volume < self.volume:
                    self._fall(tick, volume)
                return None
            time = traded
        self.by_receipt = not time
        return time or tick.received_ns // NS_PER_MS

    def _fall(self, tick: Tick, volume: int) -> None:
        """The figure fell without a trade: outside of the session, a new day has begun."""
        told = tick.quote.exchange_time or tick.received_ns // NS_PER_MS
        if not self.opens <= told < self.closes:
            self.volume = volume
            self.opens = self.closes = 0

    def note(self, tick: Tick) -> None:
        """Take the first figure, or a snapshot's, as the baseline of what comes.

        What was traded while nobody listened counts with the next trade if it is of the same minute as
        the last one; else nobody knows whose it is, and it is in no bar.
        """
        quote = tick.quote
        volume = quote.volume
        told = quote.exchange_time or tick.received_ns // NS_PER_MS
        if volume is not None and not self.is_index:
            if told >= self.closes:
                self.volume = volume
                self.opens = self.closes = 0
            elif (quote.last_trade_time or told) // MINUTE_MS != self.newest() // MINUTE_MS:
                self.volume = max(self.volume, volume)
        self.traded = quote.last_trade_time
        if self.is_index:
            self.traded = self.traded or quote.exchange_time

    def newest(self) -> int:
        """When its newest trade was, in epoch milliseconds; 0 where none is known."""
        return self.seconds.bar.closed if self.seconds.bar is not None else 0

    def gain(self, volume: int | None) -> int:
        """What a trade's figure adds to the volume."""
        before = self.volume
        if volume is None or volume <= before or self.is_index:
            return 0
        self.volume = volume
        return volume - before if before != _UNKNOWN else 0

    def enter(self, session: Session, time: int, volume: int | None) -> bool:
        """Take a trade out of the session so far; whether it lies within ``session``, that of its date."""
        opens, closes = session.open_ns // NS_PER_MS, session.close_ns // NS_PER_MS
        if opens < self.opens:
            return False
        figure = _UNKNOWN if volume is None else volume
        if opens > self.opens:
            # The figure of an earlier day tells nothing, but that of a quiet morning is the baseline.
            if self.closes or figure < self.volume:
                self.volume = figure
            self.opens, self.closes = opens, closes
        if time < opens and self.newest() < opens:
            self.volume = figure
        return opens <= time < closes
