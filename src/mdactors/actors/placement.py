"""Which instrument streams on which connection, and which has to wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mdactors.adapter import BrokerAdapter, BrokerToken, Mode
from mdactors.market.instruments import InstrumentTable, Kind, counts_by_type
from mdactors.market.interest import Filter, Slot, allocate
from mdactors.market.quote import richer, serving
from mdactors.runtime import Address, Clock

EVERYTHING = Filter()


class Upstream(msgspec.Struct, frozen=True):
    """One broker connection as seen from here."""

    address: Address
    adapter: BrokerAdapter


class Placement:
    """What is wanted, where each of it is placed, and what lingers until its grace time is over.

    Belongs to one actor. What is placed stays where it is.

    Args:
        upstreams: the connections, the first one preferred.
        least: the mode in which everything is asked of the brokers, at least.
        grace_seconds: how long a subscription outlives the last who wanted it.
        clock: of the actor.
    """

    def __init__(
        self, upstreams: Sequence[Upstream], least: Mode, grace_seconds: float, clock: Clock
    ) -> None:
        self._upstreams = {upstream.address.name: upstream for upstream in upstreams}
        self._least = least
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._table = InstrumentTable.build({})
        self._listed: Mapping[Kind, int] = {}
        self._wanted: dict[int, Mode] = {}
        self._leaving: dict[int, float] = {}
        self.placed: Mapping[int, str] = {}
        """Instrument token -> the name of its connection."""
        self.refused: Mapping[int, str] = {}
        """Instrument token -> why it is placed nowhere, of everything wanted that is not."""

    def use(self, table: InstrumentTable) -> None:
        """Go by this table from the next `place` on."""
        self._table = table
        self._listed = table.kinds({upstream.adapter.name for upstream in self._upstreams.values()})

    def upstream_mode(self, mode: Mode) -> Mode:
        """The mode in which a wish for this mode is asked of the brokers."""
        return richer(mode, self._least)

    def place(self, wanted: Mapping[int, Mode]) -> None:
        """Work out what of everything wanted fits where.

        Whose wish for a richer mode does not fit keeps its place and mode; who lingers makes room.
        """
        wanted = dict(wanted)
        lingering = self._lingering(wanted)
        placed, refused = self._allocate(wanted | lingering)
        if refused and lingering:
            self._leaving.clear()
            lingering = {}
            placed, refused = self._allocate(wanted)
        if lost := {token: self._wanted[token] for token in refused if token in self.placed}:
            wanted |= lost
            placed, still_refused = self._allocate(wanted | lingering)
            refused |= still_refused
        self._wanted, self.placed, self.refused = wanted | lingering, placed, refused

    def _allocate(self, wanted: Mapping[int, Mode]) -> tuple[dict[int, str], dict[int, str]]:
        return allocate(wanted, self._slots(), {t: at for t, at in self.placed.items() if t in wanted})

    def _lingering(self, wanted: Mapping[int, Mode]) -> dict[int, Mode]:
        """What nobody wants any more and whose grace time is not over."""
        now = self._clock.monotonic()
        lingering = {}
        for token in self.placed:
            if token in wanted:
                self._leaving.pop(token, None)
            elif self._leaving.setdefault(token, now + self._grace_seconds) > now:
                lingering[token] = self._wanted[token]
        self._leaving = {token: until for token, until in self._leaving.items() if token in lingering}
        return lingering

    def _slots(self) -> list[Slot]:
        return [
            Slot(
                name=name,
                fits=upstream.adapter.limits.fits,
                serves=self._table.broker_tokens(upstream.adapter.name).__contains__,
                modes=upstream.adapter.modes,
            )
            for name, upstream in self._upstreams.items()
        ]

    def lacks(self, token: int, mode: Mode) -> bool:
        """Whether it does not stream in this mode, or a richer one."""
        held = self._wanted.get(token)
        return token not in self.placed or held is None or held != richer(held, self.upstream_mode(mode))

    def refusals(self, wanted: Mapping[int, Mode]) -> dict[int, str]:
        """Why each of these that does not stream in its mode, does not."""
        return {
            token: self.refused.get(token, "not streamed in this mode")
            for token, mode in wanted.items()
            if self.lacks(token, mode)
        }

    def downgraded(self, wanted: Mapping[int, Mode]) -> dict[int, Mode]:
        """The mode in which each of these streams whose broker lacks the one that is wanted."""
        downgraded: dict[int, Mode] = {}
        for token, mode in wanted.items():
            if (name := self.placed.get(token)) is not None:
                served = serving(self._upstreams[name].adapter.modes, mode)
                if richer(mode, served) != served:
                    downgraded[token] = served
        return downgraded

    @property
    def lingers(self) -> bool:
        """Whether anything waits for the end of its grace time."""
        return bool(self._leaving)

    def by_connection(self) -> dict[str, dict[BrokerToken, Mode]]:
        """Connection -> everything that it shall stream, in the broker's words."""
        wanted: dict[str, dict[BrokerToken, Mode]] = {name: {} for name in self._upstreams}
        for token, name in self.placed.items():
            adapter = self._upstreams[name].adapter
            broker_token = self._table.broker_tokens(adapter.name).get(token)
            if broker_token is not None:
                wanted[name][broker_token] = serving(adapter.modes, self._wanted[token])
        return wanted

    def by_type(self, everything: Filter = EVERYTHING) -> dict[str, dict[str, int]]:
        """Indices, stocks, futures and options: how many ``streamed`` of how many ``listed``.

        Args:
            everything: only what this admits. What no connected broker lists is not counted.
        """
        found = (self._table.by_token.get(token) for token in self.placed)
        streamed = Counter(
            Kind(each.type, each.exchange) for each in found if each is not None and everything.admits(each)
        )
        listed = {
            kind: count
            for kind, count in self._listed.items()
            if kind.type in everything.types and everything.exchange in ("", kind.exchange)
        }
        streaming, all_there_are = counts_by_type(streamed), counts_by_type(listed)
        return {name: {"streamed": streaming[name], "listed": all_there_are[name]} for name in streaming}

    def describe(self) -> dict[str, Any]:
        """Counts for ``/api/status``."""
        return {
            "wanted": len(self._wanted),
            "streamed": len(self.placed),
            "leaving": len(self._leaving),
            "types": self.by_type(),
        }
