"""Which of an instrument's updates are trades, when they were, and what they added to the day's volume.

A *trade* is an update, no snapshot, that names a price and says one of these: its last trade time
moved; the day's volume moved beyond the highest seen; it is an index, of which every update counts once
the day's figures are there; it has neither time nor volume (a last price alone), so that every update is
an observation. Anything else is the book's news. Its time is the last trade time, for an index also the
exchange's time of the update, else the receipt.

What only repeats what was said before its day began is not of that day: an index that was not computed yet,
a last price that nobody traded at. So is the previous close, as long as nothing else was said.

A trade's *volume* is what the day's cumulative figure rose by beyond the highest seen: a figure that
steps back adds nothing. The figure of each day begins at 0 with the first part of the day in which the
instrument's class trades. So who listened before knows it all; for others the first figure of a day is a
baseline, unless its last trade was in that part's first minute. What was traded while nobody listened
counts where it must have been within one minute: that of the last update before and of the last trade.
Else nobody knows whose it is, and it is in no bar.
"""

from __future__ import annotations

from collections.abc import Sequence

from mdactors.market.calendar import Part
from mdactors.market.day_volume import follows
from mdactors.market.forming import FormingBar, Row
from mdactors.market.interval import MINUTE_MS, NS_PER_MS, midnight_ms
from mdactors.market.phase import Phase
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

_UNKNOWN = -1
_AT_ONCE_NS = 100_000_000
_STALE_MS = 5 * MINUTE_MS
"""What lies so long before the update that tells of it is the past."""


def told_ms(tick: Tick) -> int:
    """What time it was for the exchange, or for want of that at the receipt; epoch milliseconds."""
    return tick.quote.exchange_time or tick.received_ns // NS_PER_MS


class Tape:
    """What is remembered of one instrument: its last update and trade, the day's volume, its bars."""

    __slots__ = (
        "begins", "by_receipt", "closes", "ends", "heard", "is_index", "last", "minutes", "opens", "phase",
        "seconds", "traded", "unbroken", "volume",
    )  # fmt: skip

    def __init__(self, *, is_index: bool) -> None:
        self.is_index = is_index
        self.seconds, self.minutes = Row("1s"), Row("1m")
        self.last: Tick | None = None
        """The last update of all, be it a trade or not."""
        self.by_receipt = False
        """Whether its last trade is timed by the receipt, for want of anything better."""
        self.traded: int | None = None
        """The last trade time that was said."""
        self.volume = _UNKNOWN
        """The highest of the day's figure, or its baseline."""
        self.unbroken = 0
        """Since when, in epoch milliseconds, the volumes of its bars leave nothing of the figure out."""
        self.begins = self.ends = 0
        """The day that the figure is of, from its first part to its last; 0 where it is of none."""
        self.opens = self.closes = 0
        """The part of that day in which the last trade was."""
        self.phase: Phase = "open"
        """Of that part."""
        self.heard: float = -1
        """The begin of the newest minute of which the broker told a bar; infinite where none is wanted."""

    def trade_time(self, tick: Tick, before: Tick | None) -> int | None:
        """When the trade was of which an update tells; None where it tells of none. Epoch milliseconds."""
        quote = tick.quote
        if not quote.last_price:
            return None
        traded = time = quote.last_trade_time
        if self.is_index:
            # Who has no figures of the day yet, but could, still says the day before's.
            if quote.volume is not None and not (quote.open or quote.high or quote.low):
                return None
            time = traded or quote.exchange_time
        elif traded is None or traded == self.traded:
            volume = quote.volume
            if volume is None:
                if traded is not None:
                    return None
            elif volume == self.volume or not self._moves(tick, volume, before):
                return None
            elif not self.begins <= told_ms(tick) < self.ends:
                time = quote.exchange_time  # that of a trade of the day before stands there still
        self.by_receipt = not time
        return time or tick.received_ns // NS_PER_MS

    def _moves(self, tick: Tick, volume: int, before: Tick | None) -> bool:
        """Whether another figure tells of a trade: a lower one does where a new day has begun."""
        if volume > self.volume:
            return True
        if self.begins <= told_ms(tick) < self.ends:
            self._take_back(tick, before)
            return False
        if not volume:
            self.volume = 0
        return volume > 0

    def note(self, tick: Tick, before: Tick | None, day: Sequence[Part]) -> bool:
        """Take in what was while nobody listened: the first update, or a snapshot.

        Args:
            tick: what says it.
            before: the last update that was heard before, if any.
            day: the parts of the date on which it says it.

        Returns:
            Whether it tells of a trade whose volume has a place: it is to be taken for one.
        """
        quote = tick.quote
        traded, volume = quote.last_trade_time, quote.volume
        self.traded = traded or quote.exchange_time if self.is_index else traded
        told = self.traded if self.is_index else told_ms(tick)
        begins = day[0].begin_ns // NS_PER_MS if day else 0
        is_past = told is None or told < begins or (traded is not None and traded < midnight_ms(begins))
        if not begins or is_past or begins < self.begins:
            if volume is not None and begins != self.begins:
                self.volume = volume
            return False
        assert told is not None, "what has no time is past"
        since, known = self._known(begins, before)
        if begins > self.begins:
            self.begins, self.ends = begins, day[-1].end_ns // NS_PER_MS
            self.opens = self.closes = 0
            self.volume = _UNKNOWN
        if self.is_index or volume is None:
            return False
        if since is not None and volume > known:
            minutes = since // MINUTE_MS - (traded or told) // MINUTE_MS
            if 0 <= minutes * MINUTE_MS < _STALE_MS:
                self.volume, self.traded = known, None
                return True
        if volume > self.volume:
            self.volume = volume
            self.break_off()
        return False

    def _known(self, begins: int, before: Tick | None) -> tuple[int | None, int]:
        """Until when the figure is known, and what it was then."""
        if begins > self.begins:
            # Where trading goes on round the clock, a figure may be of the day before as well.
            return (begins, 0) if begins > midnight_ms(begins) else (None, 0)
        if before is None or before.quote.volume is None or self.volume == _UNKNOWN:
            return None, 0
        return told_ms(before), self.volume

    def newest(self) -> int:
        """When its newest trade was, in epoch milliseconds; 0 where none is known."""
        return self.seconds.bar.closed if self.seconds.bar is not None else 0

    def gain(self, tick: Tick, before: Tick | None) -> int:
        """What a trade's figure adds to the volume; ``before`` is the update before."""
        volume, highest = tick.quote.volume, self.volume
        if volume is None or self.is_index:
            return 0
        if volume <= highest:
            if volume < highest:
                self._take_back(tick, before)
            return 0
        self.volume = volume
        return volume - highest if highest != _UNKNOWN else 0

    def _take_back(self, tick: Tick, before: Tick | None) -> None:
        """A figure below the highest: where that was none, the volume goes on from here.

        It was none where it cannot have come after this one, and where its own source says less than half of
        it a while later: that was confirmed, see `DayVolume`. Two updates in swapped order come at once, a
        late trade tells its time, and a feed that is only a little behind adds nothing.
        """
        quote = tick.quote
        volume = quote.volume
        assert volume is not None, "it is below another"
        if not follows(volume, self.volume):
            self.volume = volume
            return
        if before is None or before.source != tick.source or 2 * volume > self.volume:
            return
        said = before.quote
        is_later = tick.received_ns - before.received_ns > _AT_ONCE_NS and (quote.last_trade_time or 0) >= (
            said.last_trade_time or 0
        )
        if is_later and (said.volume is None or said.volume == self.volume):
            self.volume = volume

    def enter(self, day: Sequence[Part], part: Part, tick: Tick, before: Tick | None) -> bool:
        """Take a trade that is not in the part of the last one; False where it is of no day to come.

        Args:
            day: the parts of its date.
            part: the one that holds it.
            tick: what tells of it.
            before: the last update before.
        """
        begins, opens = day[0].begin_ns // NS_PER_MS, part.begin_ns // NS_PER_MS
        if begins < self.begins:
            return False
        newest = self.newest()
        figure = tick.quote.volume
        if opens > newest and self._is_old(tick.quote, before, is_new_day=begins > self.begins):
            return False
        if begins > self.begins:
            self._begin_day(begins, day[-1].end_ns // NS_PER_MS, figure, before)
        elif (
            figure is not None and figure < self.volume and part.phase == "open" and begins <= newest < opens
        ):
            self.volume = 0  # each session of the day has a figure of its own
        self.opens, self.closes, self.phase = opens, part.end_ns // NS_PER_MS, part.phase
        return True

    def _is_old(self, quote: Quote, before: Tick | None, *, is_new_day: bool) -> bool:
        """Whether an update that cannot show a trade, as a part begins, is still of the day before."""
        if not self.is_index and (quote.volume is not None or quote.last_trade_time is not None):
            return False
        if quote.open == quote.high == quote.low == quote.last_price:
            return False  # so is the first one of a day
        said = before and before.quote
        if said and (quote.last_price, quote.open, quote.high, quote.low) != (
            said.last_price, said.open, said.high, said.low,
        ):  # fmt: skip
            return False
        return quote.last_price == quote.previous_close or (is_new_day and said is not None)

    def _begin_day(self, begins: int, ends: int, figure: int | None, before: Tick | None) -> None:
        if begins == self.ends:
            # No night lies in between: the figure may go on.
            if figure is not None and figure < self.volume:
                self.volume = 0
        elif before is None or before.quote.volume is None:
            self.volume = _UNKNOWN
        elif (before.quote.last_trade_time or 0) < midnight_ms(begins):
            self.volume = 0
        self.begins, self.ends = begins, ends

    def pass_by(self, volume: int | None, time: int) -> None:
        """Take the figure of what is in no bar, out of all parts or too late: no other trade has it."""
        if volume is None or self.is_index:
            return
        if volume > self.volume or not self.begins <= time < self.ends:
            self.volume = volume
            self.break_off()

    def counted_late(self, time: int, volume: int) -> tuple[FormingBar | None, int]:
        """The second, behind that of ``time``, that counted a part of this figure, and how much of it.

        The figure says that so much was traded by then: what came first, counted too much.
        """
        level, found, excess = self.volume, None, 0
        for bar in self.seconds.backward():
            if bar.start <= time or bar.start < self.unbroken:
                break
            if found is not None and bar.volume:
                self.break_off()  # times and figures tell two orders
                break
            level -= bar.volume
            if found is None and volume > level:
                found, excess = bar, volume - level
        return found, excess

    def break_off(self) -> None:
        """From here on the figures of the seconds so far cannot be told from their volumes."""
        self.unbroken = self.newest() + 1

    def is_fresh(self, tick: Tick, newest: int) -> bool:
        """Whether the last trade that a first update tells of was just now, by the trades of others too."""
        traded = tick.quote.last_trade_time
        return traded is not None and traded >= max(newest, tick.received_ns // NS_PER_MS - _STALE_MS)
