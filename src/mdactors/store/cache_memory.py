"""Today's ticks in this process's memory, bounded by time and by size."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store.cache import Cache

SLICE_NS = 60 * ist.SECOND_NS
SLICES_OF_SIZE = 16
"""No slice grows over this part of the bound, so that dropping one frees no more than that."""
PER_INSTRUMENT = 112
"""Bytes that an instrument costs a slice beside its records: an object's head and its place in a dict."""
LENGTH_BYTES = 2
_QUOTE = View("quote")


class _Record(msgspec.Struct, array_like=True, gc=False):
    """What the quote view needs of a tick.

    Packed, a tick takes 140 bytes and 1.1 us; as JSON it would take 550 bytes and 2.4 us, and the live
    objects would take 1.1 kB. Few ticks are ever asked for: those become JSON then.
    """

    source: str
    epoch: int
    seq: int
    received_ns: int
    snapshot: bool
    repeat: bool
    late: bool
    exchange_time: int | None
    last_trade_time: int | None
    last_price: float | None
    volume: int | None
    open: float | None
    high: float | None
    low: float | None
    previous_close: float | None


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Record).decode


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

    def add(self, instrument: int, record: bytes) -> int:
        """Take a record; how many bytes that costs."""
        held = self.records.get(instrument)
        if held is None:
            held, before = self.records.setdefault(instrument, bytearray()), -PER_INSTRUMENT
        else:
            before = held.__alloc__()
        held += len(record).to_bytes(LENGTH_BYTES) + record
        return held.__alloc__() - before


class MemoryCache(Cache):
    """Keeps the last ``minutes`` of one trading day, and never more than ``max_bytes``."""

    def __init__(self, minutes: float, max_bytes: int = 512 * 1024 * 1024) -> None:
        self._keep_ns = int(minutes * 60 * ist.SECOND_NS)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._slices: deque[_Slice] = deque()
        self._instruments: dict[int, Instrument] = {}
        self._count = 0
        self._size = 0
        self._written = 0

    def write(self, ticks: Sequence[Tick]) -> None:
        """Take the ticks of one frame."""
        if not ticks:
            return
        packed = [(tick.instrument, _pack(_record(tick))) for tick in ticks]
        with self._lock:
            now = self._open_slice(ticks[-1].received_ns)
            size = 0
            for instrument, record in packed:
                size += now.add(instrument.token, record)
                self._instruments[instrument.token] = instrument
            now.size += size
            now.count += len(packed)
            self._size += size
            self._count += len(packed)
            self._written += len(packed)

    def _open_slice(self, received_ns: int) -> _Slice:
        """The slice to write to, after dropping what is too old or too much."""
        slices = self._slices
        newest = slices[-1] if slices else None
        if newest is not None and ist.day_number(newest.ended_ns) != ist.day_number(received_ns):
            while slices:
                self._drop_oldest()
            self._instruments.clear()
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

    def today(self, token: int, since_ns: int | None = None, limit: int | None = None) -> list[bytes]:
        """One instrument's newest ticks as JSON in the quote view, in the order in which they came."""
        since = since_ns or 0
        with self._lock:
            held = [
                bytes(known)
                for slice_ in self._slices
                if slice_.ended_ns >= since and (known := slice_.records.get(token)) is not None
            ]
            instrument = self._instruments.get(token)
        if instrument is None:
            return []
        # Unpacked is only what is asked for: of a long day few ticks are.
        records = deque(itertools.chain.from_iterable(map(_records, held)), limit)
        kept = (_unpack(record) for record in records)
        return [encode(_tick(instrument, record), _QUOTE) for record in kept if record.received_ns >= since]

    def newest(self, token: int) -> bytes | None:
        """The newest of them, None where there is none."""
        with self._lock:
            instrument = self._instruments.get(token)
            found = (known for slice_ in reversed(self._slices) if (known := slice_.records.get(token)))
            held = bytes(next(found, b""))
        if instrument is None or not held:
            return None
        *_, record = _records(held)
        return encode(_tick(instrument, _unpack(record)), _QUOTE)

    def stats(self) -> dict[str, Any]:
        """How much is kept, and from when on."""
        with self._lock:
            return {
                "kind": "memory",
                "ticks": self._count,
                "bytes": self._size,
                "instruments": len(self._instruments),
                "written": self._written,
                "oldest": self._slices[0].began_ns // 1_000_000 if self._slices else 0,
            }


def _records(held: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(held):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(held[at:begin])
        yield held[begin:at]


def _record(tick: Tick) -> _Record:
    quote = tick.quote
    return _Record(
        tick.source, tick.epoch, tick.seq, tick.received_ns, tick.snapshot, tick.repeat, tick.late,
        quote.exchange_time, quote.last_trade_time, quote.last_price, quote.volume,
        quote.open, quote.high, quote.low, quote.previous_close,
    )  # fmt: skip


def _tick(instrument: Instrument, record: _Record) -> Tick:
    quote = Quote(
        instrument.token,
        "quote",
        record.last_price,
        last_trade_time=record.last_trade_time,
        volume=record.volume,
        open=record.open,
        high=record.high,
        low=record.low,
        previous_close=record.previous_close,
        exchange_time=record.exchange_time,
    )
    return Tick(
        instrument, quote, record.source, record.epoch, record.seq, record.received_ns,
        record.snapshot, record.repeat, record.late,
    )  # fmt: skip
