"""The broker's own bars of minutes that are over: which are taken, and what they make of bars of ticks."""

from __future__ import annotations

from mdactors.market import ist
from mdactors.market.calendar import Calendar, Part
from mdactors.market.day_volume import LARGEST, TIMES
from mdactors.market.forming import FormingBar
from mdactors.market.instrument import Instrument
from mdactors.market.interval import MINUTE_MS, NS_PER_MS
from mdactors.market.quote import BrokerBar
from mdactors.market.tape import Tape
from mdactors.market.tick import Tick
from mdactors.market.trading_class import trading_class_of


class BrokerMinutes:
    """Puts the broker's minutes in the place of those of ticks, which are made of a sample of the trades.

    Taken is a minute that is newer than the last one of its instrument, over by the time of the frame that
    brought it, of that frame's day and within a part of it. One without volume, but for an index's, says
    that nothing was traded: it makes no bar, nor does one of a volume that no minute can have.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def take(self, tape: Tape, tick: Tick) -> tuple[FormingBar, bool] | None:
        """The bar that is the broker's from now on, and whether its values are new; None where none is."""
        minute = tick.quote.minute
        assert minute is not None, "the caller looked"
        told = _told_ms(tick, minute)
        if told < minute.start + MINUTE_MS:
            return None  # it may be over by a later frame's time
        tape.heard = minute.start
        part = self._part(minute, tick.instrument, told)
        if part is None or not _is_traded(minute, tick.instrument) or _is_wild(minute.volume, tick):
            return None
        row = tape.minutes
        bar = row.find(minute.start)
        if bar is not None:
            return bar, bar.settle(minute)
        bar = row.of_broker(tick.instrument, minute, part.phase)
        return (bar, True) if row.insert(bar) else None

    def _part(self, minute: BrokerBar, instrument: Instrument, told: int) -> Part | None:
        """The part of the frame's day that holds it: a snapshot in the morning may bring yesterday's."""
        begin_ns = minute.start * NS_PER_MS
        part = self._calendar.part(trading_class_of(instrument), begin_ns)
        is_of_day = part.phase != "closed" and ist.date(begin_ns) == ist.date(told * NS_PER_MS)
        return part if is_of_day else None


def _told_ms(tick: Tick, minute: BrokerBar) -> int:
    """What time it was for the exchange when it told the minute; epoch milliseconds."""
    told = tick.quote.exchange_time or 0
    if told and not (tick.snapshot and told < minute.start + MINUTE_MS):
        return told
    # What a snapshot says is its last trade's, which may lie long before.
    return tick.received_ns // NS_PER_MS


def _is_traded(minute: BrokerBar, instrument: Instrument) -> bool:
    is_bar = (
        minute.start % MINUTE_MS == 0
        and 0 < minute.low <= min(minute.open, minute.close)
        and max(minute.open, minute.close) <= minute.high
    )
    return is_bar and (minute.volume > 0 or (instrument.type == "INDEX" and minute.volume == 0))


def _is_wild(volume: int, tick: Tick) -> bool:
    """Whether it is more than any share trades in a day, and the day's figure is far from it."""
    return volume > LARGEST and volume > TIMES * (tick.quote.volume or 0)
