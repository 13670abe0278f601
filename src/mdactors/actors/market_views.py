"""The actor that keeps views of the whole market: movers, sectors, chains, auctions, prices, status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from mdactors.market import ist
from mdactors.market.auctions import Auctions
from mdactors.market.calendar import Calendar
from mdactors.market.instruments import InstrumentTable
from mdactors.market.market_status import SegmentStatus, market_status
from mdactors.market.movers import By, Mover, Movers
from mdactors.market.option_chain import OptionChain, option_chain
from mdactors.market.phase import Phase
from mdactors.market.prices import Price, prices_by_type
from mdactors.market.sector_board import SectorBoard, SectorStanding
from mdactors.market.sectors import Sectors
from mdactors.market.tick import Tick
from mdactors.market.underlyings import Underlying, Underlyings
from mdactors.messages import (
    ChainAsked,
    ChannelsWatched,
    FeedStatusChanged,
    InstrumentsLoaded,
    MarketStatusAsked,
    MoversAsked,
    NewestKnown,
    NewestWanted,
    PricesAsked,
    SectorsAsked,
    TicksPublished,
    ViewsPublished,
)
from mdactors.protocol import auction_event, chain_event, market_status_event, movers_event, sector_event
from mdactors.runtime import Actor, Address, Context, Message, handles

BEAT_SECONDS = 1.0
ROWS = 10
"""How many rows a channel of movers has."""


class Beat(Message, frozen=True):
    """Time to publish what changed."""


class MarketViews(Actor):
    """Owns the newest tick of each instrument and the views that are made of them.

    Receives `TicksPublished` and only notes each instrument's newest tick; on a beat it brings the views
    up to date for what changed, and tells the hub `ViewsPublished` for the channels of `ChannelsWatched`,
    where they say something new. While nobody watches or asks, nothing is worked out. It answers
    `MoversAsked`, `SectorsAsked`, `ChainAsked`, `PricesAsked` and `MarketStatusAsked`. A fresh one tells the
    hub `NewestWanted`. Its hooks run in its own thread.

    Args:
        context: from the supervisor.
        hub: who has the newest ticks, and is told the views.
        calendar: of the segments' sessions.
        table: the newest instrument table.
        sectors: the newest definition of them.
    """

    def __init__(
        self,
        context: Context,
        *,
        hub: Address,
        calendar: Calendar,
        table: Callable[[], InstrumentTable],
        sectors: Callable[[], Sectors],
    ) -> None:
        super().__init__(context)
        self._hub = hub
        self._calendar = calendar
        self._current_sectors = sectors
        self._newest: dict[int, Tick] = {}
        """What the views are made of."""
        self._changed: dict[int, Tick] = {}
        """What came since."""
        self._said: dict[str, Mapping[str, str]] = {}
        self._watched: frozenset[str] = frozenset()
        self._published: dict[str, bytes] = {}
        self._counts = dict.fromkeys(("updates", "published"), 0)
        self._use(table())

    def on_start(self) -> None:
        """Ask for what a predecessor knew; runs in the actor's thread."""
        self.tell(self._hub, NewestWanted())
        self.after(BEAT_SECONDS, Beat())

    # --- what comes in

    @handles(TicksPublished)
    def note(self, message: TicksPublished) -> None:
        """Note each instrument's newest tick: the hot path."""
        changed = self._changed
        for tick in message.ticks:
            changed[tick.instrument.token] = tick

    @handles(NewestKnown)
    def take_newest(self, message: NewestKnown) -> None:
        """Take what the hub knows; what came here itself is newer."""
        for tick in message.ticks:
            token = tick.instrument.token
            if token not in self._newest:
                self._changed.setdefault(token, tick)

    @handles(InstrumentsLoaded)
    def take_instruments(self, message: InstrumentsLoaded) -> None:
        """Begin all views anew by the new table, with the ticks of what is still listed."""
        self._use(message.table)

    def _use(self, table: InstrumentTable) -> None:
        self._listed = Underlyings(table, on=self._today())
        self._table = table
        self._underlyings: dict[str, Underlying] = {}
        """Of the chains that are watched, by their own names: their options are wanted again and again."""
        self._movers = Movers()
        self._auctions = Auctions()
        self._sectors = self._current_sectors()
        self._board = SectorBoard(self._sectors.by_token(table))
        ticks = self._newest | self._changed
        self._changed = {
            token: table.renamed(tick) for token, tick in ticks.items() if token in table.by_token
        }
        self._newest = {}

    @handles(FeedStatusChanged)
    def take_status(self, message: FeedStatusChanged) -> None:
        """Remember what a broker says of the segments."""
        self._said[message.source] = message.segments

    # --- what is published

    @handles(ChannelsWatched)
    def take_channels(self, message: ChannelsWatched) -> None:
        """Publish what is newly watched at once; what nobody watches is forgotten."""
        fresh = message.channels - self._watched
        self._watched = message.channels
        self._published = {name: said for name, said in self._published.items() if name in self._watched}
        self._underlyings.clear()
        self._publish(fresh)

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Publish what changed."""
        self.after(BEAT_SECONDS, Beat())
        if self._watched:
            self._publish(self._watched)

    def _publish(self, channels: Iterable[str]) -> None:
        self._catch_up()
        payloads = {}
        for channel in channels:
            payload = self._payload(channel)
            if payload is not None and payload != self._published.get(channel):
                payloads[channel] = payload
        if payloads:
            self._published |= payloads
            self._counts["published"] += len(payloads)
            self.tell(self._hub, ViewsPublished(payloads))

    def _payload(self, channel: str) -> bytes | None:
        """The channel's event as it is now; None where there is nothing of this name (any more)."""
        kind, _, name = channel.partition(":")
        match kind:
            case "movers":
                by = cast(By, name)
                return movers_event(by, self._movers.top(by, ROWS))
            case "sector":
                found = self._standings((name,))
                return sector_event(found[0]) if found else None
            case "auction":
                return self._auction(name)
            case "chain":
                underlying, _, expiry = name.rpartition(":")
                chain = self._chain(self._watched_underlying(underlying), expiry)
                return None if chain is None else chain_event(chain)
            case _:
                return market_status_event(self._status())

    def _auction(self, token: str) -> bytes | None:
        """The auctions of all that streams, or that of one instrument."""
        now = self.clock.time_ns()

        def phase_of(trading_class: str) -> Phase:
            return self._calendar.phase(trading_class, now)

        if not token:
            return auction_event(self._auctions.rows(phase_of))
        instrument = self._table.by_token.get(int(token))
        if instrument is None:
            return None
        return auction_event(self._auctions.row(instrument.token, phase_of), instrument.answered)

    def _catch_up(self) -> None:
        """Bring the views up to date for what changed."""
        changed, self._changed = self._changed, {}
        for tick in changed.values():
            self._movers.update(tick)
            self._board.update(tick)
            self._auctions.update(tick)
        self._newest |= changed
        self._counts["updates"] += len(changed)

    # --- what is asked

    @handles(MoversAsked)
    def movers(self, message: MoversAsked) -> list[Mover]:
        """The first rows of a ranking."""
        self._catch_up()
        return self._movers.top(message.by, message.n)

    @handles(SectorsAsked)
    def sectors(self, message: SectorsAsked) -> list[SectorStanding]:
        """The sectors as they stand."""
        self._catch_up()
        return self._standings(message.sectors)

    @handles(ChainAsked)
    def chain(self, message: ChainAsked) -> OptionChain | None:
        """An option chain, with each option's whole book."""
        self._catch_up()
        underlying = self._living().find(message.underlying, with_options=True)
        return self._chain(underlying, message.expiry, books=True)

    @handles(PricesAsked)
    def prices(self, message: PricesAsked) -> dict[str, Price]:
        """The newest prices of a type."""
        self._catch_up()
        return prices_by_type(self._newest.values(), message.type)

    @handles(MarketStatusAsked)
    def status(self, _message: MarketStatusAsked) -> list[SegmentStatus]:
        """Where in its day each segment is."""
        return self._status()

    def _standings(self, names: Sequence[str]) -> list[SectorStanding]:
        found = [sector.code for name in names if (sector := self._sectors.find(name)) is not None]
        return self._board.standings(found) if found or not names else []

    def _today(self) -> str:
        return ist.date(self.clock.time_ns()).isoformat()

    def _living(self) -> Underlyings:
        """The underlyings, without what expired before today."""
        if (today := self._today()) != self._listed.on:
            self._listed = Underlyings(self._table, on=today)
            self._underlyings.clear()
        return self._listed

    def _watched_underlying(self, name: str) -> Underlying | None:
        living = self._living()
        underlying = self._underlyings.get(name) or living.find(name, with_options=True)
        if underlying is not None:
            self._underlyings[name] = underlying
        return underlying

    def _chain(
        self, underlying: Underlying | None, expiry: str, *, books: bool = False
    ) -> OptionChain | None:
        if underlying is None:
            return None
        expiry = expiry or underlying.nearest(self._today())
        if expiry not in underlying.expiries:
            return None
        return option_chain(underlying, expiry, self._newest, books=books)

    def _status(self) -> list[SegmentStatus]:
        return market_status(self._calendar, self.clock.time_ns(), self._said)

    def describe(self) -> dict[str, Any]:
        """Counts for ``/api/status``."""
        return {
            "instruments": len(self._newest.keys() | self._changed.keys()),
            "ranked": len(self._movers),
            "watched": sorted(self._watched),
            **self._counts,
        }
