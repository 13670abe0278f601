"""What clients want, and which of it fits on which connection."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal

import msgspec

from mdactors.market.candle import Interval
from mdactors.market.instrument import Instrument, InstrumentType
from mdactors.market.quote import MODES, Mode, richer, serving

Shape = Literal["tick", "flat"]


class View(msgspec.Struct, frozen=True):
    """How a tick is written for a client: how much of it, in which shape."""

    mode: Mode = "quote"
    shape: Shape = "tick"


class Filter(msgspec.Struct, frozen=True):
    """Which instruments a path carries."""

    types: frozenset[InstrumentType] = frozenset({"INDEX", "STOCK", "FUTURE", "OPTION"})
    exchange: str = ""
    tokens: frozenset[int] | None = None
    """Only these; None for no such bound."""

    def admits(self, instrument: Instrument) -> bool:
        """Whether the path carries this instrument."""
        return (
            instrument.type in self.types
            and self.exchange in ("", instrument.exchange)
            and (self.tokens is None or instrument.token in self.tokens)
        )


class BarChannel(msgspec.Struct, frozen=True):
    """A channel of bars of one width: of one instrument, or of all."""

    interval: Interval
    token: int | None = None
    """The instrument's; None for all."""


class Interest(msgspec.Struct, frozen=True):
    """One session's whole interest: instruments one by one, and everything streamed that a filter admits."""

    tokens: Mapping[int, Mode] = {}
    everything: Filter | None = None
    everything_view: View = View()
    shape: Shape = "tick"
    """Of what is named one by one."""
    events: bool = False
    """Whether the session gets welcome, heartbeat, status, gap and alarm events."""
    channels: frozenset[BarChannel] = frozenset()
    pinned: bool = False
    """Whether the session gets what is pinned, in the flat shape."""
    views: frozenset[str] = frozenset()
    """Channels of views of the market, by name: ``movers:gainers``, ``sector:BANKING`` …"""
    behind: Mapping[int, Mode] = {}
    """What channels are made of: streamed for them, and not sent."""
    version: int = 0
    """Grows with each change of the session's wishes."""

    def wanted(self) -> Iterator[tuple[int, Mode]]:
        """Token and mode of all that must stream for the session; one may come twice."""
        return chain(self.tokens.items(), self.behind.items())

    def settled(self, before: Interest, refused: Container[int]) -> Interest:
        """Without what was refused: such an instrument keeps the mode it had before, if it had one."""
        kept = {token: mode for token, mode in self.tokens.items() if token not in refused}
        kept |= {token: mode for token, mode in before.tokens.items() if token in refused}
        return msgspec.structs.replace(self, tokens=kept)

    def with_pins(self, pinned: frozenset[int]) -> Interest:
        """This, and what is pinned where the session gets that."""
        if not self.pinned or not pinned:
            return self
        return msgspec.structs.replace(
            self, everything=Filter(tokens=pinned), everything_view=View(shape="flat")
        )


class Slot(msgspec.Struct, frozen=True):
    """One connection as far as placing is concerned."""

    name: str
    fits: Callable[[Mapping[Mode, int]], bool]
    """Whether it may hold so many instruments of each of the broker's modes."""
    serves: Callable[[int], bool]
    """Whether the broker lists an instrument token."""
    modes: Mapping[Mode, Mode]
    """Wanted mode -> the broker's mode that holds all of it, see `serving`."""


class _Load:
    """What one connection holds while instruments are being placed."""

    def __init__(self, slot: Slot) -> None:
        self.name = slot.name
        self.serves = slot.serves
        self._fits = slot.fits
        self._served = {mode: serving(slot.modes, mode) for mode in MODES}
        self.has = {mode for mode, served in self._served.items() if richer(mode, served) == served}
        """The modes that the broker has; of the others it serves the richest below."""
        self._counts: dict[Mode, int] = {}
        self._full: set[Mode] = set()

    def take_all(self, wanted: Mapping[int, Mode]) -> bool:
        """Hold all of these, or none: one question instead of thousands."""
        counts: dict[Mode, int] = {}
        for mode in wanted.values():
            served = self._served[mode]
            counts[served] = counts.get(served, 0) + 1
        if self._fits(counts):
            self._counts = counts
            return True
        return False

    def take(self, mode: Mode) -> bool:
        """Hold one more, if it fits."""
        served = self._served[mode]
        if served in self._full:
            return False
        more = {**self._counts, served: self._counts.get(served, 0) + 1}
        if not self._fits(more):
            self._full.add(served)
            return False
        if served not in self._counts:
            self._full.clear()  # a mix has other limits
        self._counts = more
        return True


def allocate(
    wanted: Mapping[int, Mode], connections: Sequence[Slot], placed: Mapping[int, str]
) -> tuple[dict[int, str], dict[int, str]]:
    """Place every wanted instrument on the first connection that serves it and has room.

    Those whose broker has not the mode come last, and serve the richest that it has. What is placed stays
    where it is, in whichever mode it is wanted now, as long as it fits there and nobody else has more of
    that mode; it moves before anything new is placed.

    Returns:
        Where each instrument is placed, and why each of the others is not.
    """
    loads = {slot.name: _Load(slot) for slot in connections}
    order = {mode: sorted(loads.values(), key=lambda load: mode not in load.has) for mode in MODES}
    kept: dict[str, dict[int, Mode]] = {name: {} for name in loads}
    for token, name in placed.items():
        mode = wanted.get(token)
        if mode is not None and name in loads and _may_stay(loads[name], token, mode, order[mode]):
            kept[name][token] = mode
    result: dict[int, str] = {}
    for name, held in kept.items():
        whole = loads[name].take_all(held)
        result.update({token: name for token, mode in held.items() if whole or loads[name].take(mode)})
    refused: dict[int, str] = {}
    moving = (token for token in placed if token in wanted and token not in result)
    for token in dict.fromkeys((*moving, *wanted)):
        if token in result:
            continue
        mode = wanted[token]
        able = [load for load in order[mode] if load.serves(token)]
        for load in able:
            if load.take(mode):
                result[token] = load.name
                break
        else:
            refused[token] = "no capacity" if able else "no broker lists it"
    return result, refused


def _may_stay(load: _Load, token: int, mode: Mode, order: Sequence[_Load]) -> bool:
    """Whether the connection serves it, and has the mode or nobody has."""
    if not load.serves(token):
        return False
    return mode in load.has or not any(mode in each.has and each.serves(token) for each in order)
