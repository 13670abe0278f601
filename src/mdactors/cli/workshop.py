"""Where stored ticks become bars again, one day and one instrument at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

import msgspec
from rich.progress import Progress

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar, BarSource, Interval, Preferred
from mdactors.market.candles import bars_of
from mdactors.market.interval import WIDTHS_MS
from mdactors.store.bars import BarStore, keys
from mdactors.store.pages import as_sent, ticks_between
from mdactors.store.ticks import NS_PER_MS, StoredTick, TickStore

DAY_NS = ist.DAY_SECONDS * ist.SECOND_NS
HEARD_DAYS = 7
"""How far back an instrument's last tick before a day is looked for: over any holidays."""
_BATCH = 5_000


class Rebuilt(msgspec.Struct):
    """What became of one day."""

    instruments: int = 0
    ticks: int = 0
    bars: int = 0


class Workshop:
    """Reads ticks, builds bars by the rules of the live ones, and puts them in the place of those stored."""

    def __init__(
        self,
        ticks: TickStore,
        bars: BarStore,
        calendar: Calendar,
        intervals: Sequence[Interval],
        prefer: Preferred = "broker",
    ) -> None:
        self._ticks = ticks
        self._bars = bars
        self._calendar = calendar
        self._intervals = intervals
        self._prefer = prefer
        # What others made, of higher rank, stays. Who prefers ticks has the broker's bars go, too.
        self._replaced: Sequence[BarSource] = ("ticks",) if prefer == "broker" else ("ticks", "broker")

    def instruments(self, since_ns: int) -> dict[int, str]:
        """Token -> symbol of everything that ticks were received of from a day before then on.

        Raises:
            StoreError: the store cannot be read.
        """
        return {
            row.instrument_token: row.tradingsymbol for row in self._ticks.newest(max(0, since_ns - DAY_NS))
        }

    def rebuild(self, day: int, tokens: Collection[int], *, everything: bool, bar: Progress) -> Rebuilt:
        """Make one day's bars (by `ist.day_number`) of these instruments again.

        Their bars of the day are deleted, with ``everything`` all others too, but none from before the first
        tick; and only those that the ticks outrank or have made.

        Raises:
            StoreError: the store failed; the day's bars are incomplete until it is rebuilt again.
        """
        begin_ns = day * DAY_NS - ist.OFFSET_SECONDS * ist.SECOND_NS
        task = bar.add_task(ist.date(begin_ns).isoformat(), total=len(tokens))
        rebuilt = Rebuilt()
        for token in tokens:
            rows = self._rows(token, begin_ns)
            if rows:
                if not everything:
                    self._delete_of(rows, begin_ns)
                elif not rebuilt.ticks:
                    self._delete(begin_ns)
                rebuilt.instruments += 1
                rebuilt.ticks += len(rows)
                rebuilt.bars += self._write(self._build(rows, begin_ns))
            bar.advance(task)
        bar.remove_task(task)
        return rebuilt

    def _rows(self, token: int, begin_ns: int) -> list[StoredTick]:
        """A day's ticks in the order in which they came, which is the one that bars are built in."""
        pages = ticks_between(self._ticks, token, begin_ns, begin_ns + DAY_NS - 1)
        return sorted(chain.from_iterable(pages), key=lambda row: (row.received_at, row.epoch, row.seq))

    def _delete(self, begin_ns: int) -> None:
        # Of a day at the edge of the retention bars may be there whose ticks are gone.
        for first in self._ticks.received(begin_ns, begin_ns + DAY_NS - 1, 1):
            self._delete_from(first, begin_ns, None)

    def _delete_of(self, rows: Sequence[StoredTick], begin_ns: int) -> None:
        self._delete_from(rows[0], begin_ns, keys(as_sent(rows[-1:], {})[0].instrument))

    def _delete_from(self, first: StoredTick, begin_ns: int, instrument_keys: Collection[str] | None) -> None:
        begin_ms = first.received_at // WIDTHS_MS["1m"] * WIDTHS_MS["1m"]
        last_ms = (begin_ns + DAY_NS - 1) // NS_PER_MS
        for interval in self._intervals:
            self._bars.delete(interval, begin_ms, last_ms, self._replaced, instrument_keys)

    def _build(self, rows: Sequence[StoredTick], begin_ns: int) -> Iterator[Bar]:
        # Who listened before the day knows that its figure began at nothing.
        before = self._ticks.last(rows[0].instrument_token, begin_ns - HEARD_DAYS * DAY_NS, begin_ns - 1)
        rows = rows if before is None else [before, *rows]
        for bar in bars_of(as_sent(rows, {}), self._calendar, self._intervals, self._prefer):
            # The last trade of an earlier day may be said again in the morning.
            if 0 <= bar.start * NS_PER_MS - begin_ns < DAY_NS:
                yield bar

    def _write(self, bars: Iterable[Bar]) -> int:
        left, count = iter(bars), 0
        while batch := list(islice(left, _BATCH)):
            self._bars.write(batch)
            count += len(batch)
        return count
