"""The actor that turns all clients' wishes into what each broker connection streams."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.pinboard import Pinboard
from mdactors.actors.placement import Placement, Upstream
from mdactors.adapter import Mode
from mdactors.answers import request_answer
from mdactors.market import ist
from mdactors.market.instruments import COUNTED, InstrumentTable
from mdactors.market.interest import Interest
from mdactors.market.quote import richer
from mdactors.market.sectors import Sectors
from mdactors.market.universe import Prices, Selection, Universe
from mdactors.messages import (
    ConnectionReported,
    InstrumentsLoaded,
    PinAsked,
    PricesKnown,
    PricesWanted,
    RouteDropped,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    SessionClosed,
    SessionReported,
    SessionsReported,
    SetInterest,
    UnpinAsked,
)
from mdactors.runtime import Actor, Address, Context, Message, handles
from mdactors.store.pin_file import PinFile

BEAT_SECONDS = 0.05
REVIEW_SECONDS = 5.0
"""How often it is looked whether the day has ended, and whether prices move what is always streamed."""
RECOVERY_SECONDS = 2.0
"""How long a fresh one waits for the sessions' interest before it tells the brokers anything."""
PINNED_MODE: Mode = "full"


class Beat(Message, frozen=True):
    """Time to tell the brokers what changed."""


class Review(Message, frozen=True):
    """Time to look at what no session causes."""


class RecoveryOver(Message, frozen=True):
    """No more waiting for the sessions."""


class SubscriptionManager(Actor):
    """Owns the interest of every session, the pins, and what of all that is placed on which connection.

    Receives `SessionReported` (one session's whole interest), `SessionClosed`, `ConnectionReported`,
    `InstrumentsLoaded`, `RoutesWanted`, `PinAsked` and `UnpinAsked`. Tells the hub `RouteSet` at once and the
    connections `SetInterest`, the whole set, on a beat of 50 ms. A fresh one asks the event loop for all
    sessions, and reads the pins from their file. Its hooks run in its own thread.

    Args:
        context: from the supervisor.
        upstreams: the connections, the first one preferred.
        hub: who routes to the sessions, and knows the prices that the universe watches.
        table: the newest instrument table.
        ask_sessions: returns at once, and is answered by `SessionsReported`.
        universe: makes a new one of what is streamed whether a client wants it or not.
        sectors: the newest sectors.
        pin_file: where pins outlive this actor; without one they do not.
        upstream_mode: in which everything is asked of the brokers, at least.
        grace_seconds: how long a subscription outlives its last client.
        board: of the alarms.
    """

    def __init__(
        self,
        context: Context,
        *,
        upstreams: Sequence[Upstream],
        hub: Address,
        table: Callable[[], InstrumentTable],
        ask_sessions: Callable[[], None],
        universe: Callable[[], Universe] = lambda: Universe(()),
        sectors: Callable[[], Sectors],
        pin_file: PinFile | None = None,
        upstream_mode: Mode = "full",
        grace_seconds: float = 5.0,
        board: AlarmBoard,
    ) -> None:
        super().__init__(context)
        self._connections = {upstream.address.name: upstream.address for upstream in upstreams}
        self._hub = hub
        self._current_table = table
        self._ask_sessions = ask_sessions
        self._sectors = sectors
        self._universe = universe()
        self._grace_seconds = grace_seconds
        self._alarms = board.of(self)
        self._placement = Placement(upstreams, upstream_mode, grace_seconds, self.clock)
        self._table = table()
        self._always = Selection({})
        self._today = ist.date(self.clock.time_ns())
        self._pinboard = Pinboard(pin_file, sectors, self.clock, self.logger)
        self._interests: dict[str, Interest] = {}
        self._rejected: dict[str, dict[int, str]] = {}
        self._told: dict[str, SetInterest] = {}
        self._states: dict[str, str] = {}
        self._recovering, self._due = True, False

    def on_start(self) -> None:
        """Take the table and the pins and ask for the sessions; runs in the actor's thread."""
        self._pinboard.open()
        self._take_table(self._current_table())
        self._ask_prices()
        self._ask_sessions()
        self.after(RECOVERY_SECONDS, RecoveryOver())
        self.after(REVIEW_SECONDS, Review())

    # --- sessions

    @handles(SessionReported)
    def follow_session(self, message: SessionReported) -> None:
        """Place what is new of a session's interest, then route and answer."""
        session = message.session
        before = self._interests.get(session, Interest())
        asked, echoed = self._without_echo(message, before)
        self._interests[session] = asked
        fresh = asked.tokens.items() | asked.behind.items() - before.behind.items()
        if any(self._placement.lacks(token, mode) for token, mode in fresh):
            self._place()
        refused = self._placement.refusals(asked.tokens)
        self._rejected[session] = refused | echoed
        if refused:
            self._interests[session] = asked.settled(before, refused)
        downgraded = self._placement.downgraded(asked.tokens)
        answer = request_answer(message.request, refused, downgraded) if message.request else {}
        gone = frozenset(refused) - self._interests[session].tokens.keys()
        welcome = asked.events and not before.events
        streams = self._streams(asked) if welcome else {}
        self.tell(self._hub, RouteSet(session, self._routed(session), answer, gone, welcome, streams))
        self._schedule()

    def _routed(self, session: str) -> Interest:
        """What the hub is told of a session: all that it wants, and what is pinned where it gets that."""
        return self._interests[session].with_pins(self._pinboard.tokens)

    def _streams(self, interest: Interest) -> Mapping[str, Mapping[str, int]]:
        """How many of how many stream, for whom everything is sent that does."""
        if interest.everything is None:
            return {}
        every = self._placement.by_type(interest.everything)
        return {name: every[name] for kind, name in COUNTED.items() if kind in interest.everything.types}

    def _without_echo(self, message: SessionReported, before: Interest) -> tuple[Interest, dict[int, str]]:
        """The reported interest without what was refused to the session and it has not yet heard of.

        It will take that out when it hears; to stream it now would be to stream what it forgets.
        """
        named = set(message.request.get("tokens", {}).values())
        refused = self._rejected.get(message.session, {})
        tokens = message.interest.tokens
        echoed = {
            token: reason
            for token, reason in refused.items()
            if token in tokens and token not in named and token not in before.tokens
        }
        kept = {token: mode for token, mode in tokens.items() if token not in echoed}
        return msgspec.structs.replace(message.interest, tokens=kept), echoed

    @handles(SessionClosed)
    def drop_session(self, message: SessionClosed) -> None:
        """Forget a session; what only it wanted is unsubscribed after the grace time."""
        self._interests.pop(message.session, None)
        self._rejected.pop(message.session, None)
        self.tell(self._hub, RouteDropped(message.session))
        self._schedule()

    @handles(SessionsReported)
    def recover_sessions(self, message: SessionsReported) -> None:
        """Take every session's interest, as the event loop holds it."""
        self._interests.update(message.interests)
        self._place()
        self._end_recovery()

    @handles(RecoveryOver)
    def give_up_recovery(self, _message: RecoveryOver) -> None:
        """Go on without the sessions; each will report itself when it changes."""
        if self._recovering:
            self._end_recovery()

    def _end_recovery(self) -> None:
        self._recovering = False
        self.send_routes(RoutesWanted())
        self._schedule()

    @handles(RoutesWanted)
    def send_routes(self, _message: RoutesWanted) -> None:
        """Tell a fresh hub every session's routes, once they are known here."""
        if not self._recovering:
            self.tell(self._hub, RoutesKnown({session: self._routed(session) for session in self._interests}))

    # --- instruments and placing

    @handles(InstrumentsLoaded)
    def take_instruments(self, message: InstrumentsLoaded) -> None:
        """Resolve the universe anew and place everything by the new table."""
        self._take_table(message.table)
        self._schedule()

    def _take_table(self, table: InstrumentTable) -> None:
        self._table = table
        self._placement.use(table)
        self._select({})
        if (unknown := self._always.unknown) and len(table):
            self.logger.warning("subscriptions: unknown: %s", ", ".join(unknown[:20]))
        with self._rerouting():
            self._pinboard.use(table)
        self._place()

    def _select(self, prices: Prices) -> None:
        """Select anew what is always streamed."""
        self._always = self._universe.select(self._table, self._sectors(), prices, self._today)
        self._alarms.show("names", self._always.complaints(self._table))
        self._schedule()

    def _place(self) -> None:
        """Place what anybody wants, in the richest mode that anybody wants."""
        wanted = dict(self._always.modes)
        pinned = dict.fromkeys(self._pinboard.tokens, PINNED_MODE)
        for wishes in (pinned.items(), *(interest.wanted() for interest in self._interests.values())):
            for token, mode in wishes:
                wanted[token] = richer(wanted.get(token, mode), self._placement.upstream_mode(mode))
        self._placement.place(wanted)

    @handles(Review)
    def review(self, _message: Review) -> None:
        """End what is of another day, and ask for the prices that move what is always streamed."""
        self.after(REVIEW_SECONDS, Review())
        with self._rerouting():
            self._pinboard.expire()
        if (today := ist.date(self.clock.time_ns())) != self._today:
            self._today = today
            self._select({})
        self._ask_prices()

    def _ask_prices(self) -> None:
        if watched := self._universe.watched():
            self.tell(self._hub, PricesWanted(watched))

    @handles(PricesKnown)
    def follow_prices(self, message: PricesKnown) -> None:
        """Have what is always streamed follow the money."""
        if self._universe.would_move(message.prices):
            self._select(message.prices)

    # --- pins

    @handles(PinAsked)
    def pin(self, message: PinAsked) -> dict[int, str]:
        """Pin these; why each of what is pinned and does not stream does not."""
        with self._rerouting():
            self._pinboard.pin(message.tokens, message.sectors)
        self._place()
        return self._placement.refusals(dict.fromkeys(self._pinboard.tokens, PINNED_MODE))

    @handles(UnpinAsked)
    def unpin(self, message: UnpinAsked) -> None:
        """Pin these no longer; what nobody else wants is unsubscribed after the grace time."""
        with self._rerouting():
            self._pinboard.unpin(message.tokens, message.sectors)

    @contextlib.contextmanager
    def _rerouting(self) -> Iterator[None]:
        """Around a change of what is pinned: have it streamed, and routed to whom it is sent."""
        before = self._pinboard.tokens
        yield
        if self._pinboard.tokens == before:
            return
        self._schedule()
        for session, interest in self._interests.items():
            if interest.pinned:
                self.tell(self._hub, RouteSet(session, self._routed(session)))

    # --- connections

    @handles(ConnectionReported)
    def follow_connection(self, message: ConnectionReported) -> None:
        """Remember its state; a connection that begins is told its whole interest again."""
        self._states[message.connection] = message.state
        if message.state in ("idle", "connecting") and (told := self._told.get(message.connection)):
            self.tell(self._connections[message.connection], told)

    def _schedule(self) -> None:
        if not self._due and not self._recovering:
            self._due = True
            self.after(BEAT_SECONDS, Beat())

    @handles(Beat)
    def tell_connections(self, _message: Beat) -> None:
        """Tell each connection its whole interest, where it changed."""
        self._due = False
        self._place()
        for name, wanted in self._placement.by_connection().items():
            message = SetInterest(wanted)
            if self._told.get(name) != message:
                self._told[name] = message
                self.tell(self._connections[name], message)
        if self._placement.lingers:
            self._due = True
            self.after(max(self._grace_seconds / 4, BEAT_SECONDS), Beat())

    def describe(self) -> dict[str, Any]:
        """What streams, what does not and why, for ``/api/status``."""
        names = self._table.by_token
        reasons = dict(self._placement.refused)
        for rejected in self._rejected.values():
            reasons.update(rejected)
        refused = [
            {"symbol": names[token].answered if token in names else str(token), "reason": reason}
            for token, reason in list(reasons.items())[:100]
        ]
        return {
            "sessions": len(self._interests),
            **self._placement.describe(),
            "always": _share(self._always.modes, self._placement.placed),
            "universe": [msgspec.structs.asdict(portion) for portion in self._always.portions],
            "pinned": _share(self._pinboard.tokens, self._placement.placed),
            "refused": refused,
            "refused_count": len(reasons),
            "unknown": list(self._always.unknown),
            "unlisted": list(self._always.unlisted),
            "connections": {name: self._states.get(name, "") for name in self._connections},
        }


def _share(wanted: Iterable[int], placed: Container[int]) -> dict[str, int]:
    streamed = [token in placed for token in wanted]
    return {"streamed": sum(streamed), "wanted": len(streamed)}
