"""Today's ticks and the newest values in a Redis-compatible server, for other programs to read as well."""

from __future__ import annotations

import importlib.resources
import itertools
import logging
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
import redis

from mdactors.config import CacheSettings
from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.runtime import MACHINE, Clock
from mdactors.store.cache import OVERLAP_NS, Cache, CacheAway, kept_from
from mdactors.store.circuit_breaker import CircuitBreaker
from mdactors.store.packed import QUOTE, Packed, unpack
from mdactors.store.progress import Progress
from mdactors.store.redis_client import FAILURES, connect
from mdactors.store.redis_keys import NS_PER_MS, Batch, Keys

TICKS_OF_BATCH = 1_000
"""How many ticks one script writes: some milliseconds, in which the server does nothing else."""
FIRST_ELEMENTS = 1_024
"""How many of a list are read first, where only those since some time are wanted."""

_SCRIPT = importlib.resources.files(__package__).joinpath("cache_redis.lua").read_text(encoding="utf-8")
_logger = logging.getLogger(__name__)


class RedisCache(Cache):
    """Writes the contract's keys, and one hash of its own that says what is written.

    That hash holds the newest tick of each instrument from each source, packed, and the name of the
    last batch. A script writes a batch and its name together, if the batch before is the one that was
    written last: a batch whose answer was lost is never written twice, even where a server that hung
    comes to it late. Two writers must not share a prefix.
    """

    beat_seconds = 0.1

    def __init__(self, settings: CacheSettings, clock: Clock = MACHINE) -> None:
        server = settings.redis
        self._keys = Keys(settings.prefix, settings.today or "json", settings.today_minutes, clock.time_ns)
        self._minutes = settings.today_minutes
        self._clock = clock
        self._what = f"Redis {server.host}:{server.port}"
        self._breaker = CircuitBreaker(self._what, FAILURES, CacheAway)
        # Readers have connections of their own: none waits for a batch.
        self._writer, self._reader = connect(server), connect(server)
        self._lock = threading.Lock()
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._last = ""
        """The name of the batch that was written last; empty where nothing was."""
        self._progress = Progress()
        self._from_ns = 0
        self._upto_ns = 0
        self._complete = False
        self._newest: dict[int, Tick] = {}
        self._restored: dict[int, Packed] = {}
        self._shown: dict[int, int] = {}
        """Token -> receipt of the newest value that is written."""
        self._pending: dict[int, Tick] = {}
        """Newest ticks that were read again."""
        self._refused: set[bytes] = set()
        self._written = 0

    @property
    def keeps_today(self) -> bool:
        """Whether there are lists of today."""
        return self._keys.today != "off"

    # --- The writer's side

    def resume(self, cold_from_ns: int) -> int:
        """Read what is written, and take up writing there."""
        with self._lock:
            self._complete = False
            with self._breaker.call():
                held = cast("dict[bytes, bytes]", self._writer.hgetall(self._keys.written))
            self._last = held.pop(b"@batch", b"").decode()
            from_ns, upto_ns = int(held.pop(b"@from", b"") or 0), int(held.pop(b"@upto", b"") or 0)
            self._restore(held)
            self._shown.clear()
            self._pending.clear()
            oldest = kept_from(self._clock.time_ns(), self._minutes)
            self._upto_ns = upto_ns
            if upto_ns == 0:
                self._pending.update(self._newest)
            if upto_ns == 0 or (from_ns == 0 and self._keys.today != "off"):
                begin = from_ns = max(cold_from_ns, oldest)
            else:
                begin = max(upto_ns - self._clock.span_ns(OVERLAP_NS), oldest)
                from_ns = begin if begin > upto_ns else from_ns
            self._from_ns = from_ns
            return begin

    def _restore(self, held: Mapping[bytes, bytes]) -> None:
        self._progress.clear()
        for field, value in held.items():
            try:
                record = unpack(value)
                token = int(field.rpartition(b":")[2])
            except (msgspec.DecodeError, ValueError):
                continue  # not ours, or of another version: its ticks are written as if it were not there
            self._progress.note(record.source, token, record.epoch, record.seq)
            known = self._restored.get(token)
            if known is None or known.received_ns <= record.received_ns:
                self._restored[token] = record

    def complete(self, from_ns: int | None = None) -> None:
        """Nothing is missing any more; newest values that were read again are written now."""
        with self._lock:
            if from_ns is not None:
                self._from_ns = from_ns
            unshown = self._unshown(self._pending.values())
            self._pending.clear()
            parts = range(0, len(unshown) or 1, TICKS_OF_BATCH)
            self._send([Batch(self._keys, (), unshown[part : part + TICKS_OF_BATCH]) for part in parts])
            self._complete = True

    def write(self, ticks: Sequence[Tick]) -> None:
        """Write them in one round trip: each to its list, the newest of each instrument as newest value.

        Until it is complete, the newest values wait for that: they would be written again and again.
        """
        with self._lock:
            fresh = ticks if self._complete else self._progress.fresh(ticks)
            if not fresh:
                return
            self._upto_ns = max(self._upto_ns, max(tick.received_ns for tick in fresh))
            *parts, last = range(0, len(fresh), TICKS_OF_BATCH)
            batches = [Batch(self._keys, fresh[part : part + TICKS_OF_BATCH]) for part in parts]
            unshown: Sequence[Tick] = ()
            if self._complete:
                unshown = self._unshown(fresh)
            else:
                self._pending.update({tick.instrument.token: tick for tick in fresh})
            self._send([*batches, Batch(self._keys, fresh[last:], unshown)])
            self._written += len(fresh)

    def show(self, ticks: Iterable[Tick]) -> None:
        """Write newest values alone."""
        with self._lock:
            if unshown := self._unshown(ticks):
                self._send([Batch(self._keys, (), unshown)])

    def _unshown(self, ticks: Iterable[Tick]) -> list[Tick]:
        """The newest of each instrument, where no newer one is shown."""
        newest = {tick.instrument.token: tick for tick in ticks}
        shown = self._shown
        unshown = {token: tick for token, tick in newest.items() if tick.received_ns >= shown.get(token, 0)}
        shown.update({token: tick.received_ns for token, tick in unshown.items()})
        self._newest.update(unshown)
        return list(unshown.values())

    def _send(self, batches: Sequence[Batch]) -> None:
        try:
            self._last = self._run(batches)
        except CacheAway:
            self._complete = False
            raise

    def _run(self, batches: Sequence[Batch]) -> str:
        """Run the script for each; the name of the last."""
        pipeline = self._writer.pipeline(transaction=False)
        from_ns = 0 if self._keys.today == "off" else self._from_ns
        last = self._last
        for batch in batches:
            name = f"{self._process}:{next(self._numbers)}"
            pipeline.eval(_SCRIPT, 1, self._keys.written, *batch.packed(last, name, from_ns, self._upto_ns))
            last = name
        with self._breaker.call():
            answers = cast("list[bytes | Exception]", pipeline.execute(raise_on_error=False))
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        if b"0" in answers:
            raise CacheAway(f"{self._what}: lost what was written, or somebody else writes the same keys")
        self._note_refused(cast("list[bytes]", answers))
        return last

    def _note_refused(self, answers: Sequence[bytes]) -> None:
        """Lists that cannot be pushed to: somebody else's keys."""
        refused = {key for answer in answers for key in answer.split(b"\n") if key} - self._refused
        if refused:
            self._refused |= refused
            _logger.warning(
                "%s: %d keys are not our lists and stay as they are, the first is %s; set cache.prefix",
                self._what, len(refused), min(refused).decode(errors="replace"),
            )  # fmt: skip

    # --- The readers' side

    def today(
        self, instrument: Instrument, since_ns: int | None = None, limit: int | None = None
    ) -> list[bytes]:
        """One instrument's ticks of today as JSON in the quote view."""
        for key in self._keys.lists_of(instrument, self._newest.get(instrument.token)):
            if elements := self._read(key, since_ns or 0, limit):
                return [_json(element, instrument) for element in elements]
        return []

    def _read(self, key: str, since_ns: int, limit: int | None) -> list[bytes]:
        """The newest elements of a list that were received since then."""
        since = ist.iso(-(-since_ns // NS_PER_MS))
        wanted = limit or (FIRST_ELEMENTS if since_ns else 0)
        while True:
            elements = self._elements(key, wanted)
            if limit or len(elements) < wanted or not wanted or _received_at(elements[0]) < since:
                break
            wanted *= 4
        return [element for element in elements if not since_ns or _received_at(element) >= since]

    def _elements(self, key: str, newest: int) -> list[bytes]:
        """The newest so many elements of a list; all of them for 0."""
        refusal: redis.ResponseError
        with self._breaker.call():
            try:
                return cast("list[bytes]", self._reader.lrange(key, -newest, -1))
            except redis.ResponseError as error:
                refusal = error  # the server is there: this list alone failed
        raise CacheAway(f"{self._what}: {key}: {refusal}")

    def newest(self, instrument: Instrument) -> bytes | None:
        """The newest of them, from what this process wrote or found at its start."""
        tick = self._newest.get(instrument.token)
        if tick is not None:
            return encode(tick, QUOTE)
        record = self._restored.get(instrument.token)
        return None if record is None else record.json(instrument)

    def newest_ticks(self, instruments: Mapping[int, Instrument]) -> list[Tick]:
        """The newest tick of each of these instruments that has one."""
        with self._lock:
            restored = {
                token: record.tick(instruments[token])
                for token, record in self._restored.items()
                if token in instruments
            }
            newest = {
                token: msgspec.structs.replace(tick, instrument=instruments[token])
                for token, tick in self._newest.items()
                if token in instruments
            }
        return list((restored | newest).values())

    def covered_from(self) -> int | None:
        """From when on every tick is there."""
        if not self._complete or self._keys.today == "off" or self._breaker.is_open:
            return None
        return max(self._from_ns, kept_from(self._clock.time_ns(), self._minutes))

    def stats(self) -> dict[str, Any]:
        """Counters of this process; asks the server nothing."""
        return {
            "kind": "redis",
            "today": self._keys.today,
            "away": self._breaker.is_open,
            "failed": self._breaker.failed,
            "instruments": len(self._newest),
            "written": self._written,
            "refused": len(self._refused),
        }

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._reader.close()


def _json(element: bytes, instrument: Instrument) -> bytes:
    return element if element.startswith(b"{") else unpack(element).json(instrument)


def _received_at(element: bytes) -> str:
    if element.startswith(b"{"):
        return _time_of(element).received_at
    return ist.iso(unpack(element).received_ns // NS_PER_MS)


class _Time(msgspec.Struct, rename="camel", gc=False):
    received_at: str


_time_of = msgspec.json.Decoder(_Time).decode
