"""What is made of the broker's own minutes while a recorded feed is played: how soon, and what they fill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from bench._recorded import Update, instrument_of
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.candles import Candles
from mdactors.market.interval import MINUTE_MS
from mdactors.market.numbering import Numbering
from mdactors.market.tick import Tick
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings

GRACE_SECONDS = 1.5
BEAT_MS = 250
AROUND_MS = 3 * MINUTE_MS
LATE_MS = 65_000
"""What comes later after its minute's end did not come with the first update of the next one."""


class Minutes:
    """One instrument's minutes as they were published while these updates came.

    Args:
        key: the instrument's.
        played: its updates, perhaps without those of an outage.
    """

    def __init__(self, key: str, played: Sequence[Update]) -> None:
        self.bars: dict[int, Bar] = {}
        """Begin -> the last word on that minute."""
        self.settled: dict[int, int] = {}
        """Begin -> what time it was for the exchange when the minute was the broker's, or found equal."""
        self.corrections = 0
        for told_ms, bar in _published(key, played):
            self.corrections += bar.correction
            self.bars[bar.start] = bar
            if bar.source == "broker" and bar.start + MINUTE_MS > played[0].told_ms:
                self.settled.setdefault(bar.start, told_ms)

    def late(self) -> int:
        """How many were the broker's later than 65 s after their end."""
        return sum(at - start - MINUTE_MS > LATE_MS for start, at in self.settled.items())

    def slowest_seconds(self) -> float:
        """How long after its end the last of all was the broker's."""
        return max((at - start - MINUTE_MS for start, at in self.settled.items()), default=0) / 1000


def ticks(key: str, played: Iterable[Update]) -> Iterator[Tick]:
    """The updates as the pipeline makes ticks of them: one of each."""
    decode = UpstoxAdapter(UpstoxSettings()).decode
    numbering = Numbering("upstox", 1, {key: instrument_of(key)})
    for update in played:
        yield from numbering.number(decode(update.frame).quotes, update.received_ns)


def _published(key: str, played: Sequence[Update]) -> Iterator[tuple[int, Bar]]:
    candles = Candles(Calendar(), ["1m"], GRACE_SECONDS)
    beat = played[0].received_ns / 1e6
    for update, each in zip(played, ticks(key, played), strict=True):
        now = update.received_ns / 1e6
        while beat < now:
            for bar in candles.closed(beat):
                yield update.told_ms - round(now - beat), bar
            beat += BEAT_MS
        candles.add([each], now)
        for bar in (*candles.closed(now), *candles.confirmed()):
            yield update.told_ms, bar
    for bar in candles.rest():
        yield played[-1].told_ms, bar


def told(played: Iterable[Update]) -> dict[int, Bar]:
    """Begin -> the minute as the broker told it."""
    return {update.minute.start: update.minute for update in played if update.minute is not None}


def apart(played: Sequence[Update], bars: dict[int, Bar]) -> int:
    """By how many pieces the told minutes differ in all from what the day's figure rose by."""
    # The first was over before the recording, the second began before it.
    first, *_, last = sorted(told(played))[2:]
    figures = [_figure(played, at) for at in (first, last + MINUTE_MS)]
    return sum(bar.volume for start, bar in bars.items() if first <= start <= last) - (
        figures[1] - figures[0]
    )


def _figure(played: Iterable[Update], before_ms: int) -> int:
    """The day's volume as it was then."""
    return max(update.volume for update in played if update.traded_ms < before_ms)


def around(played: Sequence[Update], from_ms: int, seconds: int) -> list[Update]:
    """The updates of some minutes without those of an outage."""
    to_ms = from_ms + seconds * 1000
    return [
        update
        for update in played
        if from_ms - AROUND_MS <= update.told_ms < from_ms or to_ms <= update.told_ms < to_ms + AROUND_MS
    ]


def missing(
    key: str, played: Sequence[Update], lengths: Sequence[int], step: int
) -> dict[int, tuple[int, int]]:
    """Seconds of an outage -> how many minutes they touched, and how many of these had no bar.

    One outage at a time, at every ``step`` seconds of the recording.
    """
    minutes = sorted(told(played))[1:-1]
    found = dict.fromkeys(lengths, (0, 0))
    starts = range(minutes[0] + MINUTE_MS, minutes[-1] - MINUTE_MS, step * 1000)
    for seconds, from_ms in product(lengths, starts):
        made = Minutes(key, around(played, from_ms, seconds)).bars
        hit = [at for at in minutes if at < from_ms + seconds * 1000 and from_ms < at + MINUTE_MS]
        touched, lost = found[seconds]
        found[seconds] = touched + len(hit), lost + sum(at not in made for at in hit)
    return found
