"""The actor that routes ticks to client sessions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.greeting import greeting
from mdactors.actors.newest import NewestTicks
from mdactors.actors.routes import Bucket, Routes
from mdactors.market.interest import Interest
from mdactors.market.tick import Tick
from mdactors.market.view import as_snapshot, encode
from mdactors.messages import (
    AlarmChanged,
    BarsPublished,
    ChannelsWatched,
    FeedStatusChanged,
    GapFound,
    InstrumentsLoaded,
    NewestKnown,
    NewestWanted,
    PricesKnown,
    PricesWanted,
    RouteDropped,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    SnapshotAsked,
    TicksPublished,
    ViewsPublished,
)
from mdactors.protocol import (
    Delivery,
    alarm_event,
    candle_event,
    frame_text,
    gap_event,
    status_event,
)
from mdactors.runtime import Actor, Address, Context, Message, handles

RECOVERY_SECONDS = 3.0
"""How long a fresh hub waits for the routes."""


class RecoveryOver(Message, frozen=True):
    """No more waiting for the routes."""


class SessionHub(Actor):
    """Owns the routes, the newest tick of each instrument and each feed's status.

    Receives `TicksPublished` (encodes each wanted tick once per view and hands the whole batch to the
    event loop in one call), `BarsPublished` (the same for the channels of bars), `RouteSet`/`RouteDropped`,
    `ViewsPublished` (keeps the newest of each channel for who comes next), `InstrumentsLoaded` (whose names
    count), status, gap and alarm events. Tells the MarketViews `ChannelsWatched`, and what a fresh one of
    them lacks when it says `NewestWanted`. A fresh hub tells the SubscriptionManager `RoutesWanted` and each
    Normalizer `NewestWanted`, and holds ticks, bars and routes back until it is told `RoutesKnown`, so that
    no client misses a tick. Its hooks run in its own thread; ``deliver`` returns at once.
    """

    def __init__(
        self,
        context: Context,
        *,
        deliver: Callable[[Sequence[Delivery]], None],
        manager: Address,
        normalizers: Sequence[Address],
        views: Address,
        board: AlarmBoard,
    ) -> None:
        super().__init__(context)
        self._deliver = deliver
        self._manager = manager
        self._normalizers = normalizers
        self._market_views = views
        self._board = board
        self._watched: frozenset[str] = frozenset()
        self._routes = Routes()
        self._newest = NewestTicks()
        self._statuses: dict[str, FeedStatusChanged] = {}
        self._held: list[Message] | None = []
        """What waits until the routes are known, in its order; None once they are."""
        self._ticks = 0
        self._bars = 0
        self._encoded = 0
        self._deliveries = 0

    def on_start(self) -> None:
        """Ask for what a predecessor knew; runs in the actor's thread."""
        self.tell(self._manager, RoutesWanted())
        for normalizer in self._normalizers:
            self.tell(normalizer, NewestWanted())
        # A predecessor's channels end, so that those which are watched again are published again.
        self.tell(self._market_views, ChannelsWatched(self._watched))
        self.after(RECOVERY_SECONDS, RecoveryOver())

    @handles(RoutesKnown)
    def take_routes(self, message: RoutesKnown) -> None:
        """Take every session's routes, and go on with what was held back."""
        self._routes.set_all(message.interests)
        self._release()

    @handles(RecoveryOver)
    def give_up_recovery(self, _message: RecoveryOver) -> None:
        """Nobody knows the routes: go on without them."""
        self._release()

    def _holds(self, message: Message) -> bool:
        if self._held is None:
            return False
        self._held.append(message)
        return True

    def _release(self) -> None:
        """Handle what was held back: routes and events first, so that answers come before live ticks."""
        held, self._held = self._held or [], None
        self._tell_watched()
        batches = [message for message in held if isinstance(message, TicksPublished)]
        ticking = {tick.instrument.token for batch in batches for tick in batch.ticks}
        for message in held:
            match message:
                case NewestKnown():  # what ticks anyway is sent as it ticks, and not as a snapshot before
                    self._newest.learn(tick for tick in message.ticks if tick.instrument.token not in ticking)
                case RouteSet():
                    self._answer(message, None)
                case RouteDropped():
                    self.drop_routes(message)
                case NewestWanted():
                    self.send_newest(message)
                case FeedStatusChanged():
                    self.announce_status(message)
                case GapFound():
                    self.announce_gap(message)
                case AlarmChanged():
                    self.announce_alarm(message)
        for message in held:  # in their order: a bar comes after the ticks that made it
            match message:
                case TicksPublished():
                    self.route(message)
                case BarsPublished():
                    self.route_bars(message)

    @handles(TicksPublished)
    def route(self, message: TicksPublished) -> None:
        """Encode each wanted tick once per view and hand the batch to the loop: the hot loop."""
        if self._holds(message):
            return
        newest, targets_of = self._newest.by_token, self._routes.targets
        active: list[Bucket] = []
        encoded = 0
        for tick in message.ticks:
            instrument = tick.instrument
            newest[instrument.token] = tick
            for view, buckets in targets_of(instrument):
                frame = frame_text(encode(tick, view))
                encoded += 1
                for bucket in buckets:
                    if not bucket.frames:
                        active.append(bucket)
                    bucket.keys.append(instrument.token)
                    bucket.frames.append(frame)
        self._ticks += len(message.ticks)
        self._encoded += encoded
        self._newest.epochs[tick.source] = tick.epoch
        if active:
            self._hand_over([bucket.take() for bucket in active])

    @handles(BarsPublished)
    def route_bars(self, message: BarsPublished) -> None:
        """Encode each bar that somebody watches once, and hand the batch to the loop."""
        if self._holds(message):
            return
        active: list[Bucket] = []
        for bar in message.bars:
            if not (buckets := self._routes.bar_targets(bar)):
                continue
            frame = frame_text(candle_event(bar))
            self._encoded += 1
            for bucket in buckets:
                if not bucket.frames:
                    active.append(bucket)
                bucket.keys.append(None)  # every bar counts
                bucket.frames.append(frame)
        self._bars += len(message.bars)
        if active:
            self._hand_over([bucket.take() for bucket in active])

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        if self.fenced:
            return
        self._deliveries += sum(len(delivery.frames) * len(delivery.sessions) for delivery in deliveries)
        self._deliver(deliveries)

    @handles(RouteSet)
    def set_routes(self, message: RouteSet) -> None:
        """Make this the session's whole routes; answer, then the snapshot of what is new."""
        if not self._holds(message):
            self._answer(message, self._routes.get(message.session))

    def _answer(self, message: RouteSet, before: Interest | None) -> None:
        session = message.session
        self._routes.set(session, message.interest)
        known = before or Interest()
        welcome = message.welcome and not known.events
        keys: list[int | str | None] = []
        frames: list[bytes] = []
        if welcome:
            now_ns, alarms = self.clock.time_ns(), self._board.active()
            told = greeting(self._statuses.values(), self._newest.epochs, now_ns, alarms, message.streams)
            frames += told
            keys += [None] * len(told)
        if message.answer:
            keys.append(None)
            frames.append(frame_text(json.dumps(message.answer).encode()))
        for tick, view in self._newest.snapshot(known, message.interest):
            keys.append(tick.instrument.token)
            frames.append(frame_text(encode(as_snapshot(tick), view)))
        for channel, frame in self._routes.views.present(message.interest.views - known.views):
            keys.append(channel)
            frames.append(frame)
        self._tell_watched()
        if frames or message.refused:
            version = message.interest.version
            joined = b"".join(frames)
            self._hand_over([Delivery((session,), keys, frames, joined, message.refused, version, welcome)])

    @handles(RouteDropped)
    def drop_routes(self, message: RouteDropped) -> None:
        """Route nothing to a session that is gone."""
        if not self._holds(message):
            self._routes.drop(message.session)
            self._tell_watched()

    # --- views of the market

    def _tell_watched(self) -> None:
        watched = self._routes.views.watched()
        if watched != self._watched:
            self._routes.views.forget(self._watched - watched)
            self._watched = watched
            self.tell(self._market_views, ChannelsWatched(watched))

    @handles(ViewsPublished)
    def route_views(self, message: ViewsPublished) -> None:
        """Keep each channel's newest view, and hand it to the loop for all who watch it."""
        if deliveries := self._routes.views.take(message.payloads):
            self._encoded += len(deliveries)
            self._hand_over(deliveries)

    @handles(NewestWanted)
    def send_newest(self, message: NewestWanted) -> None:
        """Give fresh MarketViews the newest ticks, each feed's status and the channels that are watched."""
        if self._holds(message):
            return
        self.tell(self._market_views, NewestKnown(list(self._newest.by_token.values())))
        for status in self._statuses.values():
            self.tell(self._market_views, status)
        self.tell(self._market_views, ChannelsWatched(self._watched))

    # --- what is known of the market

    @handles(NewestKnown)
    def take_newest(self, message: NewestKnown) -> None:
        """Fill the table of a fresh hub; what it learnt itself is newer."""
        self.tell(self._market_views, message)  # they may be as fresh
        if not self._holds(message):
            self._newest.learn(message.ticks)

    @handles(InstrumentsLoaded)
    def take_names(self, message: InstrumentsLoaded) -> None:
        """Call what is known by the names of the new table: with another day they may be others."""
        self._newest.rename(message.table)

    @handles(SnapshotAsked)
    def newest(self, message: SnapshotAsked) -> list[Tick]:
        """The newest tick of each asked instrument that has one."""
        return self._newest.of(message.tokens)

    @handles(PricesWanted)
    def send_prices(self, message: PricesWanted) -> None:
        """Give the SubscriptionManager the prices that decide what it streams."""
        self.tell(self._manager, PricesKnown(self._newest.prices(message.tokens)))

    @handles(FeedStatusChanged)
    def announce_status(self, message: FeedStatusChanged) -> None:
        """Tell every session with events, and remember it for the next welcome."""
        if self._holds(message):
            return
        before = self._statuses.get(message.source)
        self._statuses[message.source] = message
        self.tell(self._market_views, message)
        if before is None or (before.status, before.detail) != (message.status, message.detail):
            self._announce(status_event(message.source, message.status, message.detail))

    @handles(GapFound)
    def announce_gap(self, message: GapFound) -> None:
        """Tell every session with events which time is missing."""
        if self._holds(message):
            return
        self._announce(gap_event(message.source, message.connection, message.from_ns, message.to_ns))

    @handles(AlarmChanged)
    def announce_alarm(self, message: AlarmChanged) -> None:
        """Tell every session with events."""
        if self._holds(message):
            return
        self._announce(alarm_event(message.id, message.text, active=message.active, since=message.since))

    def _announce(self, event: bytes) -> None:
        if sessions := self._routes.with_events():
            frame = frame_text(event)
            self._hand_over([Delivery(sessions, (None,), (frame,), frame)])

    def describe(self) -> dict[str, Any]:
        """Counters for ``/api/status``."""
        return {
            "sessions": len(self._routes),
            "instruments": len(self._newest.by_token),
            "ticks": self._ticks,
            "bars": self._bars,
            "encoded": self._encoded,
            "deliveries": self._deliveries,
            "statuses": {source: status.status for source, status in self._statuses.items()},
        }
