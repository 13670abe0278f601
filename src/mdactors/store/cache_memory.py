"""Today's ticks in this process's memory, bounded by time and by size."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.runtime import MACHINE, Clock
from mdactors.store.cache import OVERLAP_NS, Cache, kept_from
from mdactors.store.packed import QUOTE, pack, unpack
from mdactors.store.progress import Progress

SLICE_NS = 60 * ist.SECOND_NS
SLICES_OF_SIZE = 16
"""No slice grows over this part of the bound, so that dropping one frees no more than that."""
PER_INSTRUMENT = 112
"""Bytes that an instrument costs a slice beside its records: an object's head and its place in a dict."""
LENGTH_BYTES = 2


class _Slice:
    """The ticks of about a minute; dropped as a whole.

    An instrument's records stand one after another, each behind its length: a day has millions, and the
    garbage collector would look at each list of them again and again.
    """

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self.ended_ns = began_ns
        self.count = 0
        self.size = 0
        self.records: dict[int, bytearray] = {}

    def add(self, token: int, record: bytes) -> int:
        """Take a record; how many bytes that costs."""
        held = self.records.get(token)
        if held is None:
            held, before = self.records.setdefault(token, bytearray()), -PER_INSTRUMENT
        else:
            before = held.__alloc__()
        held += len(record).to_bytes(LENGTH_BYTES) + record
        return held.__alloc__() - before


class MemoryCache(Cache):
    """Keeps the last ``minutes`` of one trading day packed, and never more than ``max_bytes``.

    Without ``today`` it keeps each instrument's newest tick and nothing else.
    """

    def __init__(
        self,
        minutes: float,
        max_bytes: int = 512 * 1024 * 1024,
        *,
        today: bool = True,
        clock: Clock = MACHINE,
    ) -> None:
        self._minutes = minutes
        self._keep_ns = int(minutes * 60 * ist.SECOND_NS)
        self._max_bytes = max_bytes
        self._today = today
        self._clock = clock
        self._lock = threading.Lock()
        self._slices: deque[_Slice] = deque()
        self._newest: dict[int, Tick] = {}
        self._progress = Progress()
        self._upto_ns: int | None = None
        """The newest receipt; None while nothing was ever written."""
        self._from_ns = 0
        """Everything received from then on is held, once it is complete."""
        self._complete = False
        self._count = 0
        self._size = 0
        self._written = 0

    @property
    def keeps_today(self) -> bool:
        """Whether more than the newest ticks is kept."""
        return self._today

    def resume(self, cold_from_ns: int) -> int:
        """Take up writing where it was left."""
        with self._lock:
            self._complete = False
            oldest = kept_from(self._clock.time_ns(), self._minutes)
            if self._upto_ns is None:
                begin = self._from_ns = max(cold_from_ns, oldest)
            else:
                begin = max(self._upto_ns - self._clock.span_ns(OVERLAP_NS), oldest)
                if begin > self._upto_ns:
                    self._from_ns = begin
            return begin

    def complete(self, from_ns: int | None = None) -> None:
        """Nothing is missing any more."""
        with self._lock:
            self._complete = True
            if from_ns is not None:
                self._from_ns = from_ns

    def write(self, ticks: Sequence[Tick]) -> None:
        """Take ticks in the order in which they came."""
        with self._lock:
            if self._complete:
                self._progress.take(ticks)
            else:
                ticks = self._progress.fresh(ticks)
            if not ticks:
                return
            for tick in ticks:
                self._newest[tick.instrument.token] = tick
            self._upto_ns = max(self._upto_ns or 0, ticks[-1].received_ns)
            self._written += len(ticks)
            if self._today:
                self._keep(ticks)

    def _keep(self, ticks: Sequence[Tick]) -> None:
        now = self._open_slice(ticks[-1].received_ns)
        size = 0
        for tick in ticks:
            size += now.add(tick.instrument.token, pack(tick))
        now.size += size
        now.count += len(ticks)
        self._size += size
        self._count += len(ticks)

    def _open_slice(self, received_ns: int) -> _Slice:
        """The slice to write to, after dropping what is too old or too much."""
        slices = self._slices
        newest = slices[-1] if slices else None
        if newest is not None and ist.day_number(newest.ended_ns) != ist.day_number(received_ns):
            while slices:
                self._drop_oldest()
            newest = None
        if (
            newest is None
            or received_ns - newest.began_ns >= SLICE_NS
            or newest.size >= self._max_bytes // SLICES_OF_SIZE
        ):
            newest = _Slice(received_ns)
            slices.append(newest)
            while slices[0].ended_ns < received_ns - self._keep_ns:
                self._drop_oldest()
        while self._size > self._max_bytes and len(slices) > 1:
            self._drop_oldest()
        newest.ended_ns = max(newest.ended_ns, received_ns)
        return newest

    def _drop_oldest(self) -> None:
        dropped = self._slices.popleft()
        self._count -= dropped.count
        self._size -= dropped.size
        self._from_ns = max(self._from_ns, dropped.ended_ns + 1)

    def today(
        self, instrument: Instrument, since_ns: int | None = None, limit: int | None = None
    ) -> list[bytes]:
        """One instrument's newest ticks as JSON in the quote view, in the order in which they came."""
        since = since_ns or 0
        with self._lock:
            held = [
                bytes(known)
                for slice_ in self._slices
                if slice_.ended_ns >= since and (known := slice_.records.get(instrument.token)) is not None
            ]
        # Unpacked is only what is asked for: of a long day few ticks are.
        records = map(unpack, deque(itertools.chain.from_iterable(map(_records, held)), limit))
        return [record.json(instrument) for record in records if record.received_ns >= since]

    def newest(self, instrument: Instrument) -> bytes | None:
        """The newest of them, None where there is none."""
        tick = self._newest.get(instrument.token)
        return None if tick is None else encode(tick, QUOTE)

    def newest_ticks(self, instruments: Mapping[int, Instrument]) -> list[Tick]:
        """The newest tick of each of these instruments that has one."""
        with self._lock:
            return [
                msgspec.structs.replace(tick, instrument=instruments[token])
                for token, tick in self._newest.items()
                if token in instruments
            ]

    def covered_from(self) -> int | None:
        """From when on every tick is here; None while older ones are still being read."""
        return self._from_ns if self._complete and self._today else None

    def stats(self) -> dict[str, Any]:
        """How much is kept, and from when on."""
        with self._lock:
            return {
                "kind": "memory",
                "ticks": self._count,
                "bytes": self._size,
                "instruments": len(self._newest),
                "written": self._written,
                "oldest": self._slices[0].began_ns // 1_000_000 if self._slices else 0,
            }

    def close(self) -> None:
        """Nothing to give back that the process's end would not."""


def _records(held: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(held):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(held[at:begin])
        yield held[begin:at]
