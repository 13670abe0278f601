"""The actor that turns all clients' wishes into what each broker connection streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mdactors.adapter import BrokerAdapter, Mode
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Interest, Slot, allocate
from mdactors.market.quote import richer
from mdactors.messages import (
    ConnectionReported,
    InstrumentsLoaded,
    RouteDropped,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    SessionClosed,
    SessionReported,
    SessionsReported,
    SetInterest,
)
from mdactors.protocol import request_answer
from mdactors.runtime import Actor, Address, Context, Message, handles

BEAT_SECONDS = 0.05
RECOVERY_SECONDS = 2.0
"""How long a fresh one waits for the sessions' interest before it tells the brokers anything."""


class Upstream(msgspec.Struct, frozen=True):
    """One broker connection as seen from here."""

    address: Address
    adapter: BrokerAdapter


class Beat(Message, frozen=True):
    """Time to tell the brokers what changed."""


class RecoveryOver(Message, frozen=True):
    """No more waiting for the sessions."""


class SubscriptionManager(Actor):
    """Owns the interest of every session and what of it is placed on which connection.

    Receives `SessionReported` (one session's whole interest), `SessionClosed`, `ConnectionReported`,
    `InstrumentsLoaded`, `RoutesWanted`. Tells the hub `RouteSet` at once and the connections `SetInterest`,
    the whole set, on a beat of 50 ms. A fresh one asks the event loop for all sessions (``ask_sessions``,
    which returns at once and is answered by `SessionsReported`). Its hooks run in its own thread.
    """

    def __init__(
        self,
        context: Context,
        *,
        upstreams: Sequence[Upstream],
        hub: Address,
        table: Callable[[], InstrumentTable],
        ask_sessions: Callable[[], None],
        universe: Sequence[str] = (),
        upstream_mode: Mode = "full",
        grace_seconds: float = 5.0,
    ) -> None:
        super().__init__(context)
        self._upstreams = {upstream.address.name: upstream for upstream in upstreams}
        self._hub = hub
        self._current_table = table
        self._ask_sessions = ask_sessions
        self._universe_names = universe
        self._upstream_mode = upstream_mode
        self._grace_seconds = grace_seconds
        self._table = table()
        self._universe: dict[int, Mode] = {}
        self._unknown: list[str] = []
        self._interests: dict[str, Interest] = {}
        self._wanted: dict[int, Mode] = {}
        self._leaving: dict[int, float] = {}
        self._placed: dict[int, str] = {}
        self._refused: dict[int, str] = {}
        self._rejected: dict[str, dict[int, str]] = {}
        self._told: dict[str, SetInterest] = {}
        self._states: dict[str, str] = {}
        self._recovering = True
        self._due = False

    def on_start(self) -> None:
        """Take the table and ask for the sessions; runs in the actor's thread."""
        self._take_table(self._current_table())
        self._ask_sessions()
        self.after(RECOVERY_SECONDS, RecoveryOver())

    # --- sessions

    @handles(SessionReported)
    def follow_session(self, message: SessionReported) -> None:
        """Place what is new of a session's interest, then route and answer."""
        session = message.session
        before = self._interests.get(session, Interest())
        asked, echoed = self._without_echo(message, before)
        self._interests[session] = asked
        if any(self._lacks(token, mode) for token, mode in asked.tokens.items()):
            self._place()
        reasons = {token: self._why_not(token, mode) for token, mode in asked.tokens.items()}
        refused = {token: reason for token, reason in reasons.items() if reason}
        self._rejected[session] = refused | echoed
        if refused:
            self._interests[session] = _settled(asked, before, refused)
        answer = request_answer(message.request, refused) if message.request else {}
        gone = frozenset(refused) - self._interests[session].tokens.keys()
        self.tell(self._hub, RouteSet(session, self._interests[session], answer, gone))
        self._schedule()

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
            self.tell(self._hub, RoutesKnown(dict(self._interests)))

    # --- instruments and placing

    @handles(InstrumentsLoaded)
    def take_instruments(self, message: InstrumentsLoaded) -> None:
        """Resolve the universe anew and place everything by the new table."""
        self._take_table(message.table)
        self._schedule()

    def _take_table(self, table: InstrumentTable) -> None:
        self._table = table
        found = {name: table.resolve(name) for name in self._universe_names}
        self._unknown = [name for name, instrument in found.items() if instrument is None]
        self._universe = {i.token: self._upstream_mode for i in found.values() if i is not None}
        if self._unknown and len(table):
            self.logger.warning("subscriptions.symbols: unknown: %s", ", ".join(self._unknown[:20]))
        self._place()

    def _lacks(self, token: int, mode: Mode) -> bool:
        held = self._wanted.get(token)
        return token not in self._placed or held is None or held != richer(held, self._upstream(mode))

    def _why_not(self, token: int, mode: Mode) -> str:
        """Why this instrument does not stream in this mode; empty where it does."""
        return self._refused.get(token, "not streamed in this mode") if self._lacks(token, mode) else ""

    def _upstream(self, mode: Mode) -> Mode:
        return richer(mode, self._upstream_mode)

    def _place(self) -> None:
        """Work out who wants what, and what of it fits where; what is placed stays where it is.

        Whose wish for a richer mode does not fit keeps its place and mode; who lingers makes room.
        """
        wanted = dict(self._universe)
        for interest in self._interests.values():
            for token, mode in interest.tokens.items():
                wanted[token] = richer(wanted.get(token, mode), self._upstream(mode))
        lingering = self._lingering(wanted)
        placed, refused = self._allocate(wanted | lingering)
        if refused and lingering:
            self._leaving.clear()
            lingering = {}
            placed, refused = self._allocate(wanted)
        if lost := {token: self._wanted[token] for token in refused if token in self._placed}:
            wanted |= lost
            placed, still_refused = self._allocate(wanted | lingering)
            refused |= still_refused
        self._wanted, self._placed, self._refused = wanted | lingering, placed, refused

    def _allocate(self, wanted: Mapping[int, Mode]) -> tuple[dict[int, str], dict[int, str]]:
        return allocate(wanted, self._slots(), {t: at for t, at in self._placed.items() if t in wanted})

    def _lingering(self, wanted: Mapping[int, Mode]) -> dict[int, Mode]:
        """What nobody wants any more and whose grace time is not over."""
        now = self.clock.monotonic()
        lingering = {}
        for token in self._placed:
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

    # --- connections

    @handles(ConnectionReported)
    def follow_connection(self, message: ConnectionReported) -> None:
        """Remember its state; a connection that begins is told its whole interest again."""
        self._states[message.connection] = message.state
        if message.state in ("idle", "connecting") and (told := self._told.get(message.connection)):
            self.tell(self._upstreams[message.connection].address, told)

    def _schedule(self) -> None:
        if not self._due and not self._recovering:
            self._due = True
            self.after(BEAT_SECONDS, Beat())

    @handles(Beat)
    def tell_connections(self, _message: Beat) -> None:
        """Tell each connection its whole interest, where it changed."""
        self._due = False
        self._place()
        wanted: dict[str, dict[Any, Mode]] = {name: {} for name in self._upstreams}
        for token, name in self._placed.items():
            adapter = self._upstreams[name].adapter
            broker_token = self._table.broker_tokens(adapter.name).get(token)
            if broker_token is not None:
                wanted[name][broker_token] = adapter.modes[self._wanted[token]]
        for name, upstream in self._upstreams.items():
            message = SetInterest(wanted[name])
            if self._told.get(name) != message:
                self._told[name] = message
                self.tell(upstream.address, message)
        if self._leaving:
            self._due = True
            self.after(max(self._grace_seconds / 4, BEAT_SECONDS), Beat())

    def describe(self) -> dict[str, Any]:
        """What streams, what does not and why, for ``/api/status``."""
        names = self._table.by_token
        reasons = dict(self._refused)
        for rejected in self._rejected.values():
            reasons.update(rejected)
        refused = [
            {"symbol": names[token].symbol if token in names else str(token), "reason": reason}
            for token, reason in list(reasons.items())[:100]
        ]
        return {
            "sessions": len(self._interests),
            "wanted": len(self._wanted),
            "streamed": len(self._placed),
            "leaving": len(self._leaving),
            "refused": refused,
            "refused_count": len(reasons),
            "unknown": self._unknown,
            "connections": {name: self._states.get(name, "") for name in self._upstreams},
        }


def _settled(asked: Interest, before: Interest, refused: Mapping[int, str]) -> Interest:
    """The interest without what was refused: such an instrument keeps the mode it had, if it had one."""
    kept = {token: mode for token, mode in asked.tokens.items() if token not in refused}
    kept |= {token: mode for token, mode in before.tokens.items() if token in refused}
    return msgspec.structs.replace(asked, tokens=kept)
