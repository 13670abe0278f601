"""How far a journal is stored, read off the ticks themselves: for a store that has lost its position."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store.journal_reader import JournalReader, PackedTicks
from mdactors.store.ticks import NS_PER_MS, StoredTick, TickStore

PAGE_TICKS = 5000
_Key = tuple[int, int, int, str, int]


def find_position(store: TickStore, folder: Path, upto: Position | None) -> Position | None:
    """Behind the last record of a journal of which the store holds a tick; None where it holds none.

    A store holds the begin of what a journal has, if anything of it: as soon as a page has nothing that is
    stored, the search is over.

    Raises:
        StoreError: the journal or the store cannot be read.
    """
    found: Position | None = None
    place: Position | None = None
    with closing(JournalReader(folder)) as reader:
        while True:
            ticks, reached = reader.read_packed(place, upto, PAGE_TICKS)
            last = (
                None if reached is None or reached == place else _last_stored(store, ticks, reached.journal)
            )
            if last is None:
                return found
            found, place = last, reached


def _last_stored(store: TickStore, ticks: PackedTicks, journal: str) -> Position | None:
    records = list(ticks.ends(journal))
    times = [tick.received_ns for _, record in records for tick in record]
    if not times:
        return None
    stored = _stored(store, min(times), max(times))
    for end, record in reversed(records):
        if any(_key(tick) in stored for tick in record):
            return end
    return None


def _stored(store: TickStore, from_ns: int, to_ns: int) -> set[_Key]:
    """What tells apart the ticks that are stored and were received within these times."""
    stored: set[_Key] = set()
    page: list[StoredTick] = []
    first_ms = from_ns // NS_PER_MS * NS_PER_MS  # a store knows milliseconds
    while page := store.received(first_ms, to_ns, PAGE_TICKS, page[-1] if page else None):
        stored |= {(row.instrument_token, row.epoch, row.seq, row.source, row.received_at) for row in page}
    return stored


def _key(tick: Tick) -> _Key:
    return tick.instrument.token, tick.epoch, tick.seq, tick.source, tick.received_ns // NS_PER_MS
