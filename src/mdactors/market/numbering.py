"""Quotes become ticks: identity, merge, number and flags, for one broker and one epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerToken, Quote
from mdactors.market.tick import Tick


class Track:
    """What is remembered of one instrument."""

    __slots__ = ("base", "instrument", "newest", "seq")

    def __init__(self, instrument: Instrument, seq: int) -> None:
        self.instrument = instrument
        self.seq = seq
        self.newest: Tick | None = None
        self.base: Quote | None = None
        """What partial quotes are merged into; None when nothing may complete them."""

    def rename(self, instrument: Instrument) -> None:
        """Take the same instrument as a new table has it, for what has come as well."""
        self.instrument = instrument
        if self.newest is not None:
            self.newest = msgspec.structs.replace(self.newest, instrument=instrument)


class Numbering:
    """Owns the last merged quote and the number of every instrument that one broker streams.

    Nothing that came in is dropped but a partial quote without a base, which would be published
    with holes: those tokens wait in `without_base` until somebody takes them.
    """

    def __init__(self, source: str, epoch: int, instruments: Mapping[BrokerToken, Instrument]) -> None:
        self.epoch = epoch
        self.without_base: list[BrokerToken] = []
        self.newest_time = 0
        """The newest exchange time (ms) among the updates of the last call, 0 where none had one."""
        self.unknown = 0
        """Quotes of tokens that no instrument has."""
        self._source = source
        self._instruments = instruments
        self._tracks: dict[BrokerToken, Track] = {}
        self._fresh: set[BrokerToken] = set()
        """Just subscribed: the next quote is the broker's cached state, not an update."""
        self._retired: dict[int, int] = {}
        """Instrument token -> last seq, of what streams no more: the numbers go on if it comes back."""

    def number(self, quotes: Sequence[Quote], received_ns: int) -> list[Tick]:
        """The ticks of one frame's quotes, in their order: the hot loop."""
        ticks: list[Tick] = []
        tracks, fresh, source, epoch = self._tracks, self._fresh, self._source, self.epoch
        newest_time = 0
        for said in quotes:
            track = tracks.get(said.token) or self._meet(said.token)
            if track is None:
                continue
            quote = said
            if not said.complete:
                if track.base is None:
                    self.without_base.append(said.token)
                    continue
                quote = said.merged(track.base)
            snapshot = quote.snapshot
            if fresh and said.token in fresh:
                fresh.discard(said.token)
                snapshot = True
            time = quote.exchange_time
            repeat = late = False
            if (before := track.newest) is not None:
                repeat = quote.same_content(before.quote)
                late = time is not None and time < (before.quote.exchange_time or 0)
            if time is not None and time > newest_time and not snapshot:
                newest_time = time
            track.seq = seq = track.seq + 1
            track.base = quote
            track.newest = tick = Tick(
                track.instrument, quote, source, epoch, seq, received_ns, snapshot, repeat, late
            )
            ticks.append(tick)
        self.newest_time = newest_time
        return ticks

    def _meet(self, token: BrokerToken) -> Track | None:
        instrument = self._instruments.get(token)
        if instrument is None:
            self.unknown += 1
            return None
        track = self._tracks[token] = Track(instrument, self._retired.pop(instrument.token, 0))
        return track

    def expect_snapshots(self, tokens: Collection[BrokerToken], *, drop_bases: bool) -> None:
        """The next quote of each token is cached state; after a change of mode nothing completes it."""
        self._fresh.update(tokens)
        if drop_bases:
            for token in tokens:
                if (track := self._tracks.get(token)) is not None:
                    track.base = None

    def retire(self, tokens: Iterable[BrokerToken]) -> None:
        """These stream no more; only their numbers are kept."""
        for token in tokens:
            self._fresh.discard(token)
            if (track := self._tracks.pop(token, None)) is not None:
                self._retired[track.instrument.token] = track.seq

    def drop_bases(self) -> None:
        """The day rolled: yesterday's words complete nothing of today's."""
        for track in self._tracks.values():
            track.base = None

    def use(self, instruments: Mapping[BrokerToken, Instrument]) -> None:
        """Take a new table; a token that means another instrument now starts afresh."""
        self._instruments = instruments
        for token, track in list(self._tracks.items()):
            instrument = instruments.get(token)
            if instrument is None or not _is_same(instrument, track.instrument):
                self.retire([token])
            elif instrument != track.instrument:  # else old and new would live on side by side, in bars
                track.rename(instrument)

    def newest(self) -> list[Tick]:
        """Every instrument's newest tick."""
        return [track.newest for track in self._tracks.values() if track.newest is not None]

    def instrument(self, token: BrokerToken) -> Instrument | None:
        """What a token means, sooner found where it has ticked; None where nothing has it."""
        track = self._tracks.get(token)
        return self._instruments.get(token) if track is None else track.instrument

    def __len__(self) -> int:
        return len(self._tracks)


def _is_same(one: Instrument, other: Instrument) -> bool:
    """Whether they are one instrument: the exchange gives an expired contract's token to another."""
    return (one.token, one.expiry) == (other.token, other.expiry)
