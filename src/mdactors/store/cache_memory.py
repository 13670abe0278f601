"""Today's ticks in this process's memory, bounded by time and by size."""

from __future__ import annotations

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
PER_RECORD = 41
"""Bytes that a record costs beside its own: the object's head and its place in a list."""
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


_pack_into = msgspec.msgpack.Encoder().encode_into
_unpack = msgspec.msgpack.Decoder(_Record).decode


class _Slice:
    """The ticks of about a minute; dropped as a whole."""

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self.ended_ns = began_ns
        self.count = 0
        self.size = 0
        self.records: dict[int, list[bytes]] = {}


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
        packed = [(tick.instrument, record) for tick, record in zip(ticks, _packed(ticks), strict=True)]
        with self._lock:
            now = self._open_slice(ticks[-1].received_ns)
            records, size = now.records, 0
            for instrument, record in packed:
                held = records.get(instrument.token)
                if held is None:
                    held = records[instrument.token] = []
                    self._instruments[instrument.token] = instrument
                held.append(record)
                size += len(record)
            size += PER_RECORD * len(packed)
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

    def today(self, token: int, since_ns: int | None = None) -> list[bytes]:
        """One instrument's ticks as JSON in the quote view, in the order in which they came."""
        since = since_ns or 0
        with self._lock:
            records = [
                record
                for held in self._slices
                if held.ended_ns >= since
                for record in held.records.get(token, ())
            ]
            instrument = self._instruments.get(token)
        if instrument is None:
            return []
        kept = (_unpack(record) for record in records)
        return [encode(_tick(instrument, record), _QUOTE) for record in kept if record.received_ns >= since]

    def newest(self, token: int) -> bytes | None:
        """The newest of them, None where there is none."""
        with self._lock:
            instrument = self._instruments.get(token)
            held = (known[-1] for slice_ in reversed(self._slices) if (known := slice_.records.get(token)))
            record = next(held, None)
        if instrument is None or record is None:
            return None
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


def _packed(ticks: Sequence[Tick]) -> Iterator[bytes]:
    # A copy out of a buffer: the bytes that `encode` returns hold fifty more that nobody uses.
    buffer = bytearray()
    for tick in ticks:
        _pack_into(_record(tick), buffer)
        yield bytes(buffer)


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
