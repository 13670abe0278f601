"""Quotes become ticks: identity, belief, merge, number and flags, for one broker and one epoch."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.figures import MS_NS, Figures
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerToken, Quote
from mdactors.market.tick import Tick
from mdactors.market.trading_class import trading_class_of
from mdactors.market.trading_day import MARGIN_MS, TradingDays


class Track:
    """What is remembered of one instrument."""

    __slots__ = ("base", "figures", "instrument", "newest", "seq")

    def __init__(self, instrument: Instrument, seq: int, figures: Figures) -> None:
        self.instrument = instrument
        self.seq = seq
        self.figures = figures
        self.newest: Tick | None = None
        self.base: Quote | None = None
        """What partial quotes are merged into; None when nothing may complete them."""

    def rename(self, instrument: Instrument) -> None:
        """Take the same instrument as a new table has it, for what has come as well."""
        self.instrument = instrument
        self.figures.become(trading_class_of(instrument))
        if self.newest is not None:
            self.newest = msgspec.structs.replace(self.newest, instrument=instrument)

    def leave_out(self, quote: Quote) -> Quote:
        """The quote without what is not believed; what completes the next one is what was known before."""
        names, self.figures.left_out = self.figures.left_out, ()
        before, self.base, quote = self.base, copy.copy(quote), copy.copy(quote)
        for name in names:
            setattr(self.base, name, getattr(before, name, None))
            setattr(quote, name, None)
        return quote


class Numbering:
    """Owns the last merged quote and the number of every instrument that one broker streams.

    Nothing that came in is dropped but a partial quote without a base, which would be published
    with holes: those tokens wait in `without_base` until somebody takes them.
    """

    def __init__(
        self,
        source: str,
        epoch: int,
        instruments: Mapping[BrokerToken, Instrument],
        calendar: Calendar | None = None,
    ) -> None:
        self.epoch = epoch
        self.without_base: list[BrokerToken] = []
        self.newest_time = 0
        """The newest exchange time (ms) among the updates of the last call, 0 where none had one."""
        self.unknown = 0
        """Quotes of tokens that no instrument has."""
        self.doubted = 0
        """Figures that were left out, see `Figures`."""
        self._source = source
        self._days = TradingDays(calendar or Calendar())
        self._begins = self._ends = 0
        """The date in India with a margin before it, epoch milliseconds."""
        self._instruments = instruments
        self._tracks: dict[BrokerToken, Track] = {}
        self._fresh: set[BrokerToken] = set()
        """Just subscribed: the next quote is the broker's cached state, not an update."""
        self._retired: dict[int, Track] = {}
        """Instrument token -> what is remembered of what streams no more: it may come back."""
        self._recalled: dict[int, Tick] = {}
        """Instrument token -> its newest tick of before the start, of what has not streamed yet."""

    def number(self, quotes: Sequence[Quote], received_ns: int) -> list[Tick]:
        """The ticks of one frame's quotes, in their order: the hot loop."""
        ticks: list[Tick] = []
        tracks, fresh, source, epoch = self._tracks, self._fresh, self._source, self.epoch
        newest_time = 0
        received = received_ns // MS_NS
        if not self._begins <= received < self._ends:
            self._turn(received)
        for said in quotes:
            track = tracks.get(said.token) or self._meet(said, received)
            if track is None:
                continue
            base = track.base
            if base is None and not said.complete:
                self.without_base.append(said.token)
                continue
            figures = track.figures
            quote = figures.believe(said, received)
            if base is not None and not said.complete:
                quote = quote.merged(base)
            if figures.left_out:
                self.doubted += len(figures.left_out)
                quote = track.leave_out(quote)
            else:
                track.base = quote
            snapshot = quote.snapshot
            if fresh and said.token in fresh:
                fresh.discard(said.token)
                snapshot = True
            time = quote.exchange_time
            repeat = late = False
            if (before := track.newest) is not None:
                newest = before.quote  # most prices differ, and a look costs less than a call
                repeat = quote.last_price == newest.last_price and quote.same_content(newest)
                late = time is not None and time < (newest.exchange_time or 0)
            if time is not None and time > newest_time and not snapshot:
                newest_time = time
            change = quote.open_interest
            if change is not None:
                change = figures.interest_change(change, received, snapshot=snapshot)
            track.seq = seq = track.seq + 1
            track.newest = tick = Tick(
                track.instrument, quote, source, epoch, seq, received_ns, snapshot, repeat, late,
                figures.phase, change,
            )  # fmt: skip
            ticks.append(tick)
        self.newest_time = newest_time
        return ticks

    def _turn(self, received: int) -> None:
        """Another date in India."""
        midnight = ist.midnight_ns(ist.day_number(received * MS_NS)) // MS_NS
        # Frames of two connections may come in swapped order; a clock that goes back goes further.
        self._begins, self._ends = midnight - MARGIN_MS, midnight + ist.DAY_SECONDS * 1000
        for track in self._tracks.values():
            track.figures.turn(received)

    def _meet(self, said: Quote, received: int) -> Track | None:
        instrument = self._instruments.get(said.token)
        if instrument is None:
            self.unknown += 1
            return None
        before = self._retired.pop(instrument.token, None)
        if before is not None and _is_same(before.instrument, instrument):
            figures = before.figures
        else:  # a share's counter ends nowhere near: what falls there is no counter that begins again
            counts_to = said.counts_to if instrument.is_derivative else 0
            figures = Figures(self._days, trading_class_of(instrument), counts_to)
        track = self._tracks[said.token] = Track(instrument, 0 if before is None else before.seq, figures)
        figures.turn(received)
        if (recalled := self._recalled.pop(instrument.token, None)) is not None:
            figures.recall(recalled, received, counted=recalled.source == self._source)
        return track

    def recall(self, ticks: Iterable[Tick], now_ns: int) -> list[Tick]:
        """Take what was published before the start: each instrument's newest tick.

        Returns:
            Snapshots of what had to be published without its previous close.
        """
        now = now_ns // MS_NS
        tracks = {track.instrument.token: track for track in self._tracks.values()}
        lacking: list[Track] = []
        for tick in ticks:
            track = tracks.get(tick.instrument.token)
            if track is None:
                self._recalled[tick.instrument.token] = tick
                continue
            if track.figures.withholds:
                lacking.append(track)
            track.figures.recall(tick, now, counted=tick.source == self._source)
        return self._complete(lacking, now_ns)

    def withheld(self) -> dict[BrokerToken, dt.date]:
        """What says a previous close that cannot be told from the day's own, and its trading date."""
        return {
            token: track.figures.trading_date
            for token, track in self._tracks.items()
            if track.figures.withholds
        }

    def learn_closes(self, closes: Mapping[BrokerToken, float], now_ns: int) -> list[Tick]:
        """Take previous closes from who knows them; snapshots of what had to be published without."""
        lacking: list[Track] = []
        for token, close in closes.items():
            track = self._tracks.get(token)
            if track is not None and track.figures.withholds:
                track.figures.learn_close(close)
                lacking.append(track)
        return self._complete(lacking, now_ns)

    def _complete(self, tracks: Iterable[Track], now_ns: int) -> list[Tick]:
        """Say the newest of what has learnt its previous close once more, as a snapshot."""
        ticks: list[Tick] = []
        for track in tracks:
            close, newest = track.figures.previous_close, track.newest
            if close is None or newest is None:
                continue
            quote = copy.copy(newest.quote)
            quote.previous_close, quote.raw = close, b""
            if track.base is not None:
                track.base = copy.copy(track.base)
                track.base.previous_close = close
            track.seq += 1
            track.newest = tick = msgspec.structs.replace(
                newest,
                quote=quote,
                seq=track.seq,
                received_ns=now_ns,
                snapshot=True,
                repeat=False,
                late=False,
            )
            ticks.append(tick)
        return ticks

    def expect_snapshots(self, tokens: Collection[BrokerToken], *, drop_bases: bool) -> None:
        """The next quote of each token is cached state; after a change of mode nothing completes it."""
        self._fresh.update(tokens)
        if drop_bases:
            for token in tokens:
                if (track := self._tracks.get(token)) is not None:
                    track.base = None

    def retire(self, tokens: Iterable[BrokerToken]) -> None:
        """These stream no more; only their numbers and figures are kept."""
        for token in tokens:
            self._fresh.discard(token)
            if (track := self._tracks.pop(token, None)) is not None:
                track.base = track.newest = None
                self._retired[track.instrument.token] = track

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
