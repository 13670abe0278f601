"""Ticks become bars of a second and of a minute: which trades they take, and when they are handed out.

The trades of a day's parts make bars, each part's begin included and its end not: of continuous trading, and
of auctions and what comes after the close, where the bars bear the phase. What a trade is, says `Tape`. A bar
is over when its flow is a grace past its end (`Flow`). A minute of which the broker tells its own bar is that
one from then on (`BrokerMinutes`), whatever trades still come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby

from mdactors.market import ist
from mdactors.market.broker_minutes import BrokerMinutes
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, Interval, Preferred
from mdactors.market.flow import LATEST_MS, Flow
from mdactors.market.forming import FormingBar
from mdactors.market.interval import MINUTE_MS, NS_PER_MS
from mdactors.market.tape import Tape, told_ms
from mdactors.market.tick import Tick
from mdactors.market.trading_class import trading_class_of

_FRESH_MS = 2_000
"""The first that is heard of an instrument is a trade unless it lies further behind the flow."""
_NEVER = float("-inf")
_NO_NEWER = float("inf")


class Candles:
    """Owns the bars of all instruments that still take trades. Pure; the caller tells ``now``.

    Trades make bars of a second; each of these, once its grace is over, adds to its minute.

    Args:
        calendar: whose sessions clip the bars.
        intervals: which of ``1s`` and ``1m`` to hand out.
        grace_seconds: how long after its end, by its flow, a bar waits for late trades. Later
            ones correct it, up to some minutes behind the flow.
        pace: seconds of the flow in a real one: the grace is real, ``now`` goes at the pace.
        prefer: whose minutes count where the broker tells its own.
    """

    def __init__(
        self,
        calendar: Calendar,
        intervals: Collection[Interval],
        grace_seconds: float,
        pace: float = 1.0,
        prefer: Preferred = "broker",
    ) -> None:
        self.refused = 0
        """Trades that no bar took: too late, or of a time that no other trade confirmed."""
        self._calendar = calendar
        self._wanted = frozenset(intervals)
        self._grace_ms = grace_seconds * 1000 * pace
        self.reaches_back_ms = LATEST_MS + MINUTE_MS + self._grace_ms
        """Who hands out bars from a time on needs the ticks of so long before: those of the bars that are
        open then, and of those that take late trades."""
        self._tapes: dict[int, Tape] = {}
        self._exchange = Flow()
        """Trades with the exchange's time; its clock and ours may be seconds apart."""
        self._receipts = Flow()
        self._flows = (self._exchange, self._receipts)
        self._finished: list[FormingBar] = []
        self._touched: list[FormingBar] = []
        """Published bars that late trades, or the broker, may have changed."""
        self._confirmed: list[FormingBar] = []
        """Published bars of which the broker says the same."""
        self._minutes = BrokerMinutes(calendar)
        self._heard = _NEVER if prefer == "broker" else _NO_NEWER

    def add(self, ticks: Iterable[Tick], now: float) -> None:
        """Take ticks in the order in which they came; ``now``: steady milliseconds. The hot loop."""
        tapes = self._tapes
        for tick in ticks:
            tape = tapes.get(tick.instrument.token) or self._meet(tick)
            minute = tick.quote.minute
            if minute is not None and minute.start > tape.heard:
                self._hear(tape, tick)
            before, tape.last = tape.last, tick
            if (tick.snapshot or before is None) and not self._note(tape, tick, before):
                continue
            time = tape.trade_time(tick, before)
            if time is None:
                continue
            flow = self._receipts if tape.by_receipt else self._exchange
            newest = flow.newest
            if not newest - LATEST_MS <= time <= newest and not self._follow(flow, tape, tick, time, now):
                continue
            if flow.strays:
                self.refused += len(flow.strays)
                flow.strays.clear()
            quote = tick.quote
            tape.traded = time if tape.is_index else quote.last_trade_time
            if not tape.opens <= time < tape.closes and not self._enter(tape, tick, time, before):
                continue
            price = quote.last_price
            assert price is not None, "a trade has a price"
            gain = tape.gain(tick, before)
            row = tape.seconds
            bar = row.bar
            if bar is None or time >= bar.end:
                bar = row.of_trade(tick.instrument, time, price, gain, tape.phase)
                row.append(bar)
                flow.seconds.expect(bar)
            elif time >= bar.start and not bar.published:
                bar.take(time, price, gain)
            else:
                late = row.of_trade(tick.instrument, time, price, gain, tape.phase)
                self._take_late(tape, flow, late, quote.volume)

    def _meet(self, tick: Tick) -> Tape:
        """Begin an instrument's tape with the first tick of it."""
        tape = self._tapes[tick.instrument.token] = Tape(is_index=tick.instrument.type == "INDEX")
        tape.heard = self._heard
        return tape

    def _note(self, tape: Tape, tick: Tick, before: Tick | None) -> bool:
        """Take in the first update, or a snapshot; whether it counts as a trade."""
        at_ns = told_ms(tick) * NS_PER_MS
        day = self._calendar.parts(trading_class_of(tick.instrument), at_ns)
        if tape.note(tick, before, day):
            return True
        if tick.snapshot:
            return False
        if tape.is_fresh(tick, self._exchange.newest - _FRESH_MS):
            tape.traded = None
        return True

    def _hear(self, tape: Tape, tick: Tick) -> None:
        """Take the broker's own bar, which is handed out at once: nothing will change it."""
        taken = self._minutes.take(tape, tick)
        if taken is None:
            return
        bar, differs = taken
        if not bar.published:
            bar.publish()
            self._finished.append(bar)
        elif differs:
            self._touched.append(bar)
        else:
            self._confirmed.append(bar)

    def _follow(self, flow: Flow, tape: Tape, tick: Tick, time: int, now: float) -> bool:
        """Whether a trade at the edge of its flow belongs to it, and moves it on."""
        ahead = time > flow.newest
        if not ahead and (time == tape.traded or (tape.newest() <= time and flow.moves(now))):
            # Who says its time again, or lags while others go on, is no witness that time went back.
            tape.traded = time
            if told_ms(tick) - time > LATEST_MS:
                tape.pass_by(tick.quote.volume, time)
            self.refused += 1
            return False
        if ahead and flow.reach(time, now):
            return True
        if believed := flow.hold(time, tick):
            if not ahead:
                self._begin_anew()
            self.add(believed, now)
        return False

    def _enter(self, tape: Tape, tick: Tick, time: int, before: Tick | None) -> bool:
        at_ns = time * NS_PER_MS
        trading_class = trading_class_of(tick.instrument)
        part = self._calendar.part(trading_class, at_ns)
        if part.phase == "closed":
            tape.pass_by(tick.quote.volume, time)
            return False
        return tape.enter(self._calendar.parts(trading_class, at_ns), part, tick, before)

    def _take_late(self, tape: Tape, flow: Flow, late: FormingBar, figure: int | None) -> None:
        if late.volume:
            tape.break_off()
        elif figure is not None and figure < tape.volume:
            self._move_volume(tape, late, figure)
        bar = tape.seconds.find(late.opened)
        if bar is not None:
            self._merge(bar, late)
        elif tape.seconds.insert(late):
            flow.seconds.expect(late)
            return
        if bar is None or bar.published:  # its second is forgotten, or has been added to the minute
            self._widen(tape, flow, late)

    def _move_volume(self, tape: Tape, late: FormingBar, figure: int) -> None:
        """Have a late trade's volume counted where it was traded, not where the figure came first."""
        second, volume = tape.counted_late(late.opened, figure)
        if second is None:
            return
        late.volume = volume
        second.lose(volume)
        if second.published:
            self._touched.append(second)
            if (minute := tape.minutes.find(second.start)) is not None:
                minute.lose(volume)
                if minute.published:
                    self._touched.append(minute)

    def _widen(self, tape: Tape, flow: Flow, second: FormingBar) -> None:
        """Add a second that is over to its minute."""
        row = tape.minutes
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
                second.publish()
                self._widen(self._tapes[second.instrument.token], flow, second)
                over.append(second)
        for flow, limit in zip(self._flows, limits, strict=True):
            for minute in flow.minutes.over(limit):
                if not minute.published:  # the broker's may have come before
                    minute.publish()
                    over.append(minute)
        return over

    def limits(self, now: float) -> list[float]:
        """By when a bar must have ended to be over: trades with the exchange's time, and by receipt."""
        return [flow.at(now) - self._grace_ms for flow in self._flows]

    def _begin_anew(self) -> None:
        """Time went back, as when a recorded day is played again: what was is over."""
        self._finished += self._over([float("inf")] * len(self._flows))
        self._tapes.clear()

    def closed(self, now: float) -> list[Bar]:
        """The bars whose grace is over, each once, and published ones that changed since, as corrections."""
        return self._hand_out(self.limits(now))

    def settled(self) -> list[Bar]:
        """The bars that no trade is taken for any more, however long ago the newest one was."""
        return self._hand_out([flow.newest - LATEST_MS for flow in self._flows])

    def confirmed(self) -> list[Bar]:
        """The published bars of which the broker has said the same since: their source alone is new."""
        confirmed, self._confirmed = self._confirmed, []
        return [bar.bar(correction=False) for bar in confirmed if bar.interval in self._wanted]

    def _hand_out(self, limits: Sequence[float]) -> list[Bar]:
        over, self._finished = self._finished, []
        over += self._over(limits)
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
            bar.publish()
        return bars

    def pass_over(self, limits: Sequence[float]) -> None:
        """Take for handed out what ends by these limits: who took the same ticks before has done that.

        What is added from then on corrects it as ever.
        """
        self._hand_out(limits)
        self._confirmed.clear()

    def rest(self) -> list[Bar]:
        """Every bar that is still open, as it is: nothing more comes."""
        for flow in self._flows:
            while flow.strays:
                self.refused += flow.drop_late()
                self.add(flow.restart(), 0.0)
        self._begin_anew()
        return self.closed(0.0)

    def describe(self) -> dict[str, int]:
        """How many instruments were met, how many bars are open, and how many trades were refused."""
        return {
            "instruments": len(self._tapes),
            "open": sum(len(flow.seconds) + len(flow.minutes) for flow in self._flows),
            "refused": self.refused,
        }


def bars_of(
    ticks: Iterable[Tick],
    calendar: Calendar,
    intervals: Collection[Interval],
    prefer: Preferred = "broker",
) -> Iterator[Bar]:
    """The final bars of recorded ticks, given in the order of their receipt: the same rules, no corrections.

    Bars come roughly in the order of their ends. Those in which the ticks begin are made of what was given.
    Should a broker tell a minute of its own later than all trades are waited for, that bar comes once more.
    """
    candles = Candles(calendar, intervals, LATEST_MS / 1000, prefer=prefer)
    # By the time of receipt, so that a quiet instrument's next trade is not taken for a leap.
    for now, chunk in groupby(ticks, lambda tick: tick.received_ns // ist.SECOND_NS * 1000):
        candles.add(chunk, now)
        # Not by `closed`: it goes on while nothing trades, and a late trade may still come after that.
        yield from candles.settled()
        yield from candles.confirmed()
    yield from candles.rest()
