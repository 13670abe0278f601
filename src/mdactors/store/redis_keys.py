"""The keys that the cache has in Redis, and what a batch of ticks writes to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from mdactors.market import ist
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import Depth
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store.packed import QUOTE, pack

LIST_SECONDS = 2 * ist.DAY_SECONDS
WHOLE_DAY = ist.DAY_SECONDS // 60
CUT_EVERY_NS = 60 * ist.SECOND_NS
MOST_DAYS = 64
MOST_LISTS = 200_000
"""What is remembered of more is forgotten: it only spares work."""
NS_PER_MS = 1_000_000

_FLAT = View(shape="flat")
_depth_json: Callable[[Depth], bytes] = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Keys:
    """Names keys, says which elements lists hold and when their heads are to be cut.

    A list holds one instrument's ticks of one date in India, which is that of the tick's own time: the
    exchange's where it was said, else the receipt.
    """

    def __init__(
        self, prefix: str, today: Literal["json", "packed", "off"], minutes: float, now_ns: Callable[[], int]
    ) -> None:
        self.written = f"{prefix}mdactors:cache"
        """The hash that says what is written."""
        self.today = today
        self._lists = f"{prefix}ticks:"
        self._newest = f"{prefix}LIVE:TICK:"
        self._depth = f"{prefix}LIVE:DEPTH:"
        self._minutes = minutes
        self._now_ns = now_ns
        self._days: dict[int, str] = {}
        self._cut_ns: dict[str, int] = {}

    def list_of(self, tick: Tick) -> str:
        """The list that a tick goes to."""
        time = tick.quote.exchange_time
        day = self._day(tick.received_ns if time is None else time * NS_PER_MS) or self._day(tick.received_ns)
        return f"{self._lists}{day}:{tick.instrument.answered}"

    def lists_of(self, instrument: Instrument, newest: Tick | None) -> Iterator[str]:
        """Where an instrument's ticks of today are: under today's date, or where its newest tick went.

        They differ on a market that is played back, and before the first tick of a day.
        """
        today = f"{self._lists}{self._day(self._now_ns())}:{instrument.answered}"
        yield today
        if newest is not None and (other := self.list_of(newest)) != today:
            yield other

    def _day(self, at_ns: int) -> str:
        """A date; empty for a broker's nonsense that no calendar reaches."""
        number = ist.day_number(at_ns)
        text = self._days.get(number)
        if text is None:
            try:
                text = ist.date(at_ns).isoformat()
            except OverflowError:
                text = ""
            if len(self._days) >= MOST_DAYS:
                self._days.clear()
            self._days[number] = text
        return text

    def element(self, tick: Tick) -> bytes:
        """What a list holds of a tick."""
        return encode(tick, QUOTE) if self.today == "json" else pack(tick)

    def values(self, tick: Tick) -> Iterator[tuple[str, bytes]]:
        """The keys of newest values, and what they hold of a tick."""
        name = tick.instrument.segment_key
        yield self._newest + name, encode(tick, _FLAT)
        if (depth := tick.quote.depth()) is not None:
            yield self._depth + name, _depth_json(depth)

    def limits(self, key: str) -> str:
        """The receipts before which a list is to be cut now, as in its elements; empty for not now."""
        if self._minutes >= WHOLE_DAY:
            return ""
        now = self._now_ns()
        if now - self._cut_ns.get(key, 0) < CUT_EVERY_NS:
            return ""
        if len(self._cut_ns) >= MOST_LISTS:
            self._cut_ns.clear()
        self._cut_ns[key] = now
        oldest = now - int(self._minutes * 60 * ist.SECOND_NS)
        return f"{ist.iso(oldest // NS_PER_MS)} {oldest}"


class Batch:
    """What one run of the script writes: ticks to their lists, newest values, and that it was written."""

    def __init__(self, keys: Keys, ticks: Sequence[Tick], shown: Iterable[Tick] = ()) -> None:
        self._keys = keys
        self._fields = {
            f"{tick.source}:{tick.instrument.token}": pack(tick)
            for tick in {(tick.source, tick.instrument.token): tick for tick in ticks}.values()
        }
        self._lists: dict[str, list[bytes]] = {}
        self._values: dict[str, bytes] = {}
        if keys.today != "off":
            for tick in ticks:
                self._lists.setdefault(keys.list_of(tick), []).append(keys.element(tick))
        for tick in shown:
            self._values.update(keys.values(tick))

    def packed(self, before: str, name: str, from_ns: int, upto_ns: int) -> tuple[bytes, bytes]:
        """The script's arguments, see there; ``before`` names the batch that must be the last."""
        # Two arguments for all: the client takes longer for each than all the rest of a tick does.
        fields = {
            "@batch": name.encode(), "@from": b"%d" % from_ns, "@upto": b"%d" % upto_ns, **self._fields,
        }  # fmt: skip
        plan = (
            before,
            [(field, len(value)) for field, value in fields.items()],
            LIST_SECONDS,
            [(key, self._keys.limits(key), list(map(len, held))) for key, held in self._lists.items()],
            [(key, len(value)) for key, value in self._values.items()],
        )
        elements = itertools.chain.from_iterable(self._lists.values())
        return _pack(plan), b"".join((*fields.values(), *elements, *self._values.values()))
