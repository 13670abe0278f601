"""REST of bars, ``/api/candles/{symbol}``: stored ones, and wider ones made of minute bars when asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import cast, get_args

import msgspec

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, BarSource, Interval
from mdactors.market.day_bar import by_figures
from mdactors.market.instrument import Instrument
from mdactors.market.interval import WIDTHS_MS, combine, midnight_ms
from mdactors.market.phase import Phase
from mdactors.market.quote import Quote
from mdactors.market.tick_formats import CONTENT_TYPES, json_array
from mdactors.market.trading_class import trading_class_of
from mdactors.market.view import NS_PER_MS
from mdactors.store.bars import BarStore
from mdactors.store.pages import bars_between
from mdactors.store.ticks import TickStore
from mdactors.web.handler import Failure
from mdactors.web.streamed import StreamedHandler

SETTLED_NS = 10 * ist.SECOND_NS
"""How long (of real time) after its end a wider bar is answered: its last minute waits for late ticks (at
most 4 s, by the settings) and to be stored (at most 5 s)."""
_BATCH = 1_000

_encode = msgspec.json.Encoder().encode


class _Candle(msgspec.Struct, gc=False):
    time: str
    open: float
    high: float
    low: float
    close: float
    volume: int
    source: BarSource
    phase: Phase | msgspec.UnsetType


class Candles(StreamedHandler):
    """``GET /api/candles/{symbol}?interval=&from=&to=``."""

    parameters = ("interval", "from", "to", "limit")

    async def get(self, symbol: str) -> None:
        """Answer the bars that begin within a range of time, oldest first, without the one still open."""
        interval = cast(Interval, self.choice("interval", get_args(Interval), "1m"))
        limit = self.whole_number("limit")
        now_ns = self.now_ns
        from_ms, to_ms = self._range(now_ns)
        instrument = await self.instrument(symbol, "symbol")
        gateway = self.parts.gateway
        shelf = Shelf(self._store(interval), gateway.history, gateway.calendar, instrument)
        settled_ns = now_ns - self.parts.gateway.clock.span_ns(SETTLED_NS)
        bars = shelf.bars(interval, from_ms, to_ms, settled_ns // NS_PER_MS)
        bars = bars if limit is None else _newest(bars, limit)
        await self.stream(json_array(_batches(map(_json, bars))), CONTENT_TYPES["json"])

    def _range(self, now_ns: int) -> tuple[int, int]:
        """Begin and end, both inclusive, in epoch milliseconds; by default today until now."""
        from_ns = self.moment("from")
        if from_ns is None:
            from_ns = (now_ns // ist.SECOND_NS - ist.second_of_day(now_ns)) * ist.SECOND_NS
        to_ns = self.moment("to", last=True)
        to_ns = now_ns if to_ns is None else to_ns
        if from_ns > to_ns:
            message = "from, by default today's begin, is after to, by default now"
            raise Failure(400, "invalid_parameter", message, field="from")
        return -(-from_ns // NS_PER_MS), to_ns // NS_PER_MS

    def _store(self, interval: Interval) -> BarStore:
        gateway = self.parts.gateway
        if gateway.bars is None:
            raise Failure(503, "unavailable", "bars are not stored here: see store.ticks")
        kept: Interval = "1s" if interval == "1s" else "1m"
        if kept not in gateway.intervals:
            message = f"{interval} wants bars of {kept}, which are not stored here: see store.bars"
            raise Failure(400, "invalid_parameter", message, field="interval")
        return gateway.bars


class Shelf:
    """One instrument's stored bars, and the wider ones made of them; read page by page, blocks."""

    def __init__(
        self, store: BarStore, ticks: TickStore | None, calendar: Calendar, instrument: Instrument
    ) -> None:
        self._store = store
        self._ticks = ticks
        self._calendar = calendar
        self._instrument = instrument

    def bars(self, interval: Interval, from_ms: int, to_ms: int, settled_ms: int) -> Iterator[Bar]:
        """The bars that begin within these times, both inclusive, oldest first.

        A wider one that ends after ``settled_ms`` is still open.

        Raises:
            StoreError: the store cannot be read.
        """
        if interval in ("1s", "1m"):
            return self._stored(interval, from_ms, to_ms)
        # A bar that begins within may end behind, and one that begins before may hold minutes within.
        minutes = self._stored("1m", midnight_ms(from_ms), to_ms + WIDTHS_MS[interval])
        wider = combine(minutes, interval, self._calendar)
        bars = (bar for bar in wider if from_ms <= bar.start <= to_ms and self._end_ms(bar) <= settled_ms)
        return map(self._of_day, bars) if interval == "1d" else bars

    def _of_day(self, bar: Bar) -> Bar:
        """A day's bar by the figures of its newest tick, as long as that is kept."""
        if self._ticks is None:
            return bar
        begin_ns = midnight_ms(bar.start) * NS_PER_MS
        end_ns = begin_ns + WIDTHS_MS["1d"] * NS_PER_MS
        newest = self._ticks.last(self._instrument.token, begin_ns, end_ns - 1)
        return bar if newest is None else by_figures(bar, newest.tick(Quote).quote)

    def _stored(self, interval: Interval, from_ms: int, to_ms: int) -> Iterator[Bar]:
        for row in bars_between(self._store, self._instrument, interval, from_ms, to_ms):
            yield Bar(
                self._instrument, interval, row.ts, row.open, row.high, row.low, row.close, row.volume,
                source=row.source, phase=row.phase,
            )  # fmt: skip

    def _end_ms(self, bar: Bar) -> int:
        end, at_ns = bar.start + WIDTHS_MS[bar.interval], bar.start * NS_PER_MS
        trading_class = trading_class_of(self._instrument)
        parts = self._calendar.parts(trading_class, at_ns)
        if not parts:
            return end
        last = parts[-1] if bar.interval == "1d" else self._calendar.part(trading_class, at_ns)
        return min(end, last.end_ns // NS_PER_MS)


def _newest(bars: Iterator[Bar], limit: int) -> Iterator[Bar]:
    """The last so many; like the bars themselves, made when they are asked for."""
    yield from deque(bars, limit)


def _batches(rows: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _json(bar: Bar) -> bytes:
    phase = msgspec.UNSET if bar.phase == "open" else bar.phase
    return _encode(
        _Candle(ist.iso(bar.start), bar.open, bar.high, bar.low, bar.close, bar.volume, bar.source, phase)
    )
