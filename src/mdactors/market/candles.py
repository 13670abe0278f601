"""Ticks become bars of a second and of a minute: what is a trade, when it was, what volume it added.

A *trade* is an update, no snapshot, that names a price and says one of these: its last trade time
moved; the day's volume moved beyond the highest seen; it is an index, of which every update counts; it
has neither time nor volume (a last price alone), so that every update is an observation. Anything else
is the book's news. Its time is the last trade time, for an index also the exchange's time of the update,
else the receipt.

Only trades within the calendar's continuous session, the open included and the close not, make bars. A
bar's *volume* is what the day's cumulative figure rose by; the first figure is the baseline, and so is the
last one before the session: what a pre-open auction traded is in no bar. A figure that steps back adds
nothing, and nothing is added again before it is beyond the highest seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from mdactors.market.calendar import Calendar, Session
from mdactors.market.candle import Bar, Interval
from mdactors.market.flow import LATEST_MS, Flow
from mdactors.market.forming import FormingBar, Row
from mdactors.market.interval import MINUTE_MS, NS_PER_MS
from mdactors.market.tick import Tick

HANDOVER_MS = 10_000
"""Bars that closed so shortly before their builder was replaced are published once more."""
_FRESH_MS = 2_000
"""The first that is heard of an instrument is a trade unless it lies further behind the flow."""
_UNKNOWN = -1
_CHUNK = 1_000


class Track:
    """What is remembered of one instrument."""

    __slots__ = ("by_receipt", "closes", "is_index", "minutes", "opens", "seconds", "traded", "volume")

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
            elif (quote.last_trade_time or told) // MINUTE_MS != self._newest() // MINUTE_MS:
                self.volume = max(self.volume, volume)
        self.traded = quote.last_trade_time

    def _newest(self) -> int:
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
        if time < opens and self._newest() < opens:
            self.volume = figure
        return opens <= time < closes


class Candles:
    """Owns the bars of all instruments that still take trades. Pure; the caller tells ``now``.

    Trades make bars of a second; each of these, once its grace is over, adds to its minute.

    Args:
        calendar: whose sessions clip the bars.
        intervals: which of ``1s`` and ``1m`` to hand out.
        grace_seconds: how long after its end, in the time of its flow, a bar waits for late trades. Later
            ones correct it, up to some minutes behind the flow.
    """

    def __init__(self, calendar: Calendar, intervals: Collection[Interval], grace_seconds: float) -> None:
        self.refused = 0
        """Trades that no bar took: too late, or of a time that no other trade confirmed."""
        self._calendar = calendar
        self._wanted = frozenset(intervals)
        self._grace_ms = grace_seconds * 1000
        self._tracks: dict[int, Track] = {}
        self._exchange = Flow()
        """Trades with the exchange's time; its clock and ours may be seconds apart."""
        self._receipts = Flow()
        self._flows = (self._exchange, self._receipts)
        self._since = 0
        """Before it, what a predecessor built is better than what is known here."""
        self._finished: list[FormingBar] = []
        self._touched: list[FormingBar] = []
        """Bars that late trades may have changed."""

    def add(self, ticks: Iterable[Tick], now: float) -> None:
        """Take ticks in the order in which they came; ``now``: steady milliseconds. The hot loop."""
        tracks = self._tracks
        for tick in ticks:
            track = tracks.get(tick.instrument.token) or self._meet(tick)
            if tick.snapshot:
                track.note(tick)
                continue
            time = track.trade_time(tick)
            if time is None:
                continue
            flow = self._receipts if track.by_receipt else self._exchange
            newest = flow.newest
            if not newest - LATEST_MS <= time <= newest and not self._follow(flow, tick, time, now):
                continue
            if flow.strays:
                self.refused += len(flow.strays)
                flow.strays.clear()
            quote = tick.quote
            track.traded = quote.last_trade_time
            if not track.opens <= time < track.closes and not self._enter(track, tick, time):
                continue
            price = quote.last_price
            assert price is not None, "a trade has a price"
            gain = track.gain(quote.volume)
            row = track.seconds
            bar = row.bar
            if bar is None or time >= bar.end:
                bar = row.of_trade(tick.instrument, time, price, gain)
                row.append(bar)
                flow.seconds.expect(bar)
            elif time >= bar.start and not bar.published:
                bar.take(time, price, gain)
            else:
                self._take_late(track, flow, row.of_trade(tick.instrument, time, price, gain))

    def _meet(self, tick: Tick) -> Track:
        """Begin the track of an instrument with the first tick of it."""
        track = self._tracks[tick.instrument.token] = Track(is_index=tick.instrument.type == "INDEX")
        traded = tick.quote.last_trade_time
        track.note(tick)
        if traded is not None and traded >= self._exchange.newest - _FRESH_MS:
            track.traded = None
        return track

    def _follow(self, flow: Flow, tick: Tick, time: int, now: float) -> bool:
        """Whether a trade at the edge of its flow belongs to it, and moves it on."""
        ahead = time > flow.newest
        if ahead and flow.reach(time, now):
            return True
        if believed := flow.hold(tick):
            if not ahead:
                self._begin_anew()
            self.add(believed, now)
        return False

    def _enter(self, track: Track, tick: Tick, time: int) -> bool:
        session = self._calendar.session(tick.instrument.segment, time * NS_PER_MS)
        return session is not None and track.enter(session, time, tick.quote.volume)

    def _take_late(self, track: Track, flow: Flow, late: FormingBar) -> None:
        if late.opened < self._since:
            self.refused += 1
            return
        bar = track.seconds.find(late.opened)
        if bar is not None:
            self._merge(bar, late)
        elif track.seconds.insert(late):
            flow.seconds.expect(late)
            return
        if bar is None or bar.published:  # its second is forgotten, or has been added to the minute
            self._widen(track, flow, late)

    def _widen(self, track: Track, flow: Flow, second: FormingBar) -> None:
        """Add a second that is over to its minute."""
        row = track.minutes
        bar = row.find(second.start)
        if bar is not None:
            self._merge(bar, second)
        elif row.insert(bar := row.of_bar(second)):
            flow.minutes.expect(bar)
        else:
            self.refused += 1

    def _merge(self, bar: FormingBar, other: FormingBar) -> None:
        bar.merge(other)
        if bar.published:
            self._touched.append(bar)

    def _over(self, limits: Sequence[float]) -> list[FormingBar]:
        """Take the bars that end by each flow's limit as published."""
        over: list[FormingBar] = []
        # All seconds before any minute: an instrument whose mode changed has some in either flow.
        for flow, limit in zip(self._flows, limits, strict=True):
            for second in flow.seconds.over(limit):
                second.published = True
                self._widen(self._tracks[second.instrument.token], flow, second)
                over.append(second)
        for flow, limit in zip(self._flows, limits, strict=True):
            for minute in flow.minutes.over(limit):
                minute.published = True
                over.append(minute)
        return over

    def _limits(self, now: float) -> list[float]:
        return [flow.at(now) - self._grace_ms for flow in self._flows]

    def _begin_anew(self) -> None:
        """Time went back, as when a recorded day is played again: what was is over."""
        self._finished += self._over([float("inf")] * len(self._flows))
        self._tracks.clear()

    def closed(self, now: float) -> list[Bar]:
        """The bars whose grace is over, each once, and published ones that changed since, as corrections."""
        over, self._finished = self._finished, []
        over += self._over(self._limits(now))
        bars = [bar.bar(correction=False) for bar in over if bar.interval in self._wanted]
        if self._touched:
            bars += self._corrections()
        return bars

    def _corrections(self) -> list[Bar]:
        touched, self._touched = self._touched, []
        bars = []
        for bar in touched:
            if bar.changed and bar.interval in self._wanted:
                bars.append(bar.bar(correction=True))
            bar.changed = False
        return bars

    def resume(self, now: float) -> list[Bar]:
        """Go on where a predecessor that took the same ticks was: what it published is not handed out again.

        The bars that closed just before may not have got through: they are handed out as corrections.
        """
        limits = self._limits(now)
        if not any(limit > 0 for limit in limits):
            return []
        since = min(limit for limit in limits if limit > 0) - HANDOVER_MS
        self._since = int(since) - MINUTE_MS
        again = [bar for bar in self._over(limits) if bar.end > since and bar.interval in self._wanted]
        self._corrections()
        self._finished = []
        return [bar.bar(correction=True) for bar in again]

    def rest(self) -> list[Bar]:
        """Every bar that is still open, as it is: nothing more comes."""
        for flow in self._flows:
            self.add(flow.restart(), 0.0)
        self._begin_anew()
        return self.closed(0.0)

    def describe(self) -> dict[str, int]:
        """How many instruments were met, how many bars are open, and how many trades were refused."""
        return {
            "instruments": len(self._tracks),
            "open": sum(len(flow.seconds) + len(flow.minutes) for flow in self._flows),
            "refused": self.refused,
        }


def bars_of(ticks: Iterable[Tick], calendar: Calendar, intervals: Collection[Interval]) -> Iterator[Bar]:
    """The final bars of recorded ticks, given in the order of their receipt: the same rules, no corrections.

    Bars come roughly in the order of their ends. Those in which the ticks begin are made of what was given.
    """
    # With a grace as long as late trades are taken, nothing is handed out that could still change.
    candles = Candles(calendar, intervals, LATEST_MS / 1000)
    left = iter(ticks)
    while chunk := list(islice(left, _CHUNK)):
        candles.add(chunk, 0.0)
        yield from candles.closed(0.0)
    yield from candles.rest()
