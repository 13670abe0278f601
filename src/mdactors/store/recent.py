"""Ticks that were received of late, out of the store and the journal behind it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from mdactors.errors import StoreError
from mdactors.market.ist import SECOND_NS
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.runtime import MACHINE, Clock
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import segments
from mdactors.store.progress import Progress
from mdactors.store.ticks import StoredTick, TickStore

_logger = logging.getLogger(__name__)

PAGE = 5_000
SKEW_NS = 3 * SECOND_NS
"""No tick stands in the journal behind one that was received so much (of real time) later: one broker's
frames may wait longer to be decoded than another's."""


class Recent:
    """Reads ticks by their time of receipt while others write them; usable from any thread.

    ``folder`` is the journal's; ``quotes`` names the class of each source's quotes, which reads its book.
    Without a store only the journal is read.
    """

    def __init__(
        self,
        store: TickStore | None,
        folder: Path,
        quotes: Mapping[str, type[Quote]],
        clock: Clock = MACHINE,
    ) -> None:
        self._store = store
        self._folder = folder
        self._quotes = quotes
        self._clock = clock
        self.skew_ns = clock.span_ns(SKEW_NS)

    def between(self, from_ns: int, to_ns: int) -> Iterator[list[Tick]]:
        """Everything received within these times, both ends inclusive; each step blocks for one page.

        The ticks of one instrument from one source come in their order, each of them once, although
        others are stored and leave the journal meanwhile. Out of the store, times of receipt are whole
        milliseconds. Pages may be empty: much may have to be read to find little.

        A store that is away at the begin is left out: the newest ticks are in the journal.

        Raises:
            StoreError: the store or the journal cannot be read; what came before stays good.
        """
        try:
            self.stored()
        except StoreError as error:
            _logger.warning("only the journal is read again: %s", error)
            yield from Recent(None, self._folder, self._quotes, self._clock).all_between(from_ns, to_ns)
            return
        yield from self.all_between(from_ns, to_ns)

    def all_between(self, from_ns: int, to_ns: int) -> Iterator[list[Tick]]:
        """The same, and a failure where the store is away from the begin.

        Raises:
            StoreError: the store or the journal cannot be read; what came before stays good.
        """
        with contextlib.closing(JournalReader(self._folder)) as reader:
            reading = _Reading(self, reader, from_ns, to_ns)
            while not reading.ended:
                yield from reading.pages()

    def newest(self, since_ns: int, before_ns: int) -> list[Tick]:
        """Each instrument's newest tick of those received since then and before the other time; blocks.

        They are in the order of their receipt.

        Raises:
            StoreError: the store or the journal cannot be read.
        """
        found: dict[int, Tick] = {}
        if self._store is not None:
            rows = self._store.newest(since_ns, before_ns)
            found = {row.instrument_token: row.tick(self._quotes.get(row.source, Quote)) for row in rows}
        with contextlib.closing(JournalReader(self._folder)) as reader:
            for ticks in _Reading(self, reader, since_ns, before_ns - 1).unstored():
                found.update((tick.instrument.token, tick) for tick in ticks)
        return sorted(found.values(), key=lambda tick: tick.received_ns)

    # --- For a reading

    def stored(self) -> Position | None:
        """How far the journal that is there is stored."""
        found = segments(self._folder)
        return self._store.position(found[0].journal) if found and self._store is not None else None

    def rows(self, from_ns: int, to_ns: int) -> Iterator[list[Tick]]:
        """Pages of what the store holds."""
        after: StoredTick | None = None
        while self._store is not None and from_ns <= to_ns:
            rows = self._store.received(from_ns, to_ns, PAGE, after)
            if rows:
                yield [row.tick(self._quotes.get(row.source, Quote)) for row in rows]
                after = rows[-1]
            if len(rows) < PAGE:
                return

    def with_books(self, ticks: list[Tick]) -> list[Tick]:
        """The same ticks, just read from the journal, with quotes that can read their books."""
        for tick in ticks:
            if (kind := self._quotes.get(tick.source)) is not None:
                tick.quote = kind(*msgspec.structs.astuple(tick.quote))
        return ticks

    def now_ns(self) -> int:
        """Wall time."""
        return self._clock.time_ns()


class _Overtaken(Exception):
    """What was to be read next has left the journal for the store."""


class _Reading:
    """One walk through store and journal."""

    def __init__(self, recent: Recent, reader: JournalReader, from_ns: int, to_ns: int) -> None:
        self.ended = False
        self._recent = recent
        self._skew_ns = recent.skew_ns
        self._reader = reader
        self._from_ns = from_ns
        self._to_ns = to_ns
        self._next_ns = from_ns
        self._progress = Progress()
        self._stored: Position | None = None
        """Everything before it is in the store: where the journal is taken up."""

    def pages(self) -> Iterator[list[Tick]]:
        """The pages up to the end, or to where the store overtook us: then it is to be called again."""
        try:
            first_ns = yield from self._settled()
            yield from self._around(first_ns)
            for ticks in self._tail(self._to_ns + self._skew_ns):
                self._next_ns = max(self._next_ns, ticks[-1].received_ns)
                yield from self._fresh(self._recent.with_books(ticks))
            self.ended = True
        except _Overtaken:
            self._next_ns -= 2 * self._skew_ns

    def unstored(self) -> Iterator[list[Tick]]:
        """What is in the journal alone, of what was received within the times."""
        self._stored = self._recent.stored()
        try:
            for ticks in self._tail(self._to_ns + self._skew_ns):
                yield from self._fresh(self._recent.with_books(ticks))
        except _Overtaken:
            yield from self.unstored()

    def _settled(self) -> Generator[list[Tick], None, int]:
        """What was received long before the first tick that is not stored; returns when that was."""
        while True:
            self._stored = self._recent.stored()
            head, _ = self._reader.read(self._stored, None, 1)
            first_ns = min((tick.received_ns for tick in head), default=self._recent.now_ns())
            until_ns = min(self._to_ns, first_ns - self._skew_ns)
            count = 0
            for page in self._recent.rows(self._next_ns, until_ns):
                count += len(page)
                yield from self._fresh(page)
            self._next_ns = max(self._next_ns, until_ns + 1)
            if count < PAGE:  # else this took a while, in which more was stored
                return first_ns

    def _around(self, first_ns: int) -> Iterator[list[Tick]]:
        """What is stored around the place where the journal is taken up.

        Rows that were stored since we looked are in the journal as well, and left to it: they would
        come before ticks that they follow.
        """
        last_ns = min(self._to_ns, first_ns + self._skew_ns)
        rows = [tick for page in self._recent.rows(self._next_ns, last_ns) for tick in page]
        if not rows:
            return
        behind = {_number(tick) for ticks in self._tail(last_ns + self._skew_ns) for tick in ticks}
        yield from self._fresh(tick for tick in rows if _number(tick) not in behind)

    def _tail(self, until_ns: int) -> Iterator[list[Tick]]:
        """The journal from where it is taken up, until ticks were received later than this."""
        place, received_ns = self._stored, 0
        while received_ns <= until_ns:
            ticks, end = self._reader.read(place, None, PAGE)
            if not ticks:
                return
            before = 0 if place is None else place.ticks
            if end is not None and end.ticks - before != len(ticks) and self._recent.stored() != self._stored:
                raise _Overtaken
            place, received_ns = end, ticks[-1].received_ns
            yield ticks

    def _fresh(self, ticks: Iterable[Tick]) -> Iterator[list[Tick]]:
        yield self._progress.fresh(tick for tick in ticks if self._from_ns <= tick.received_ns <= self._to_ns)


def _number(tick: Tick) -> tuple[str, int, int, int]:
    return tick.source, tick.instrument.token, tick.epoch, tick.seq
