"""All client sessions, and the fan-out to them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from tornado.websocket import WebSocketHandler

from mdactors.answers import relisted, resubscribed, unlisted
from mdactors.market import ist
from mdactors.market.instruments import InstrumentTable
from mdactors.messages import SessionClosed, SessionReported, SessionsReported
from mdactors.protocol import (
    HEARTBEAT,
    NS_PER_MS,
    CloseCode,
    Delivery,
    frame_text,
    heartbeat_event,
)
from mdactors.runtime import Address, Clock
from mdactors.web.channels import Find
from mdactors.web.directory import Directory
from mdactors.web.outbox import Outbox
from mdactors.web.selection import Resolve, Selection

logger = logging.getLogger(__name__)

FAREWELL_SECONDS = 1.0
"""How long `Sessions.end_all` waits for the clients' closing handshakes."""


class Session(msgspec.Struct, frozen=True, eq=False):
    """One client socket."""

    name: str
    socket: WebSocketHandler
    selection: Selection
    outbox: Outbox
    connected_ns: int

    def describe(self) -> dict[str, Any]:
        """As ``/api/ticks/subscriptions`` shows it."""
        return {
            "sessionId": self.name,
            "endpoint": self.selection.path.name,
            "subscribedSymbols": self.selection.symbols,
            "connectedAt": ist.iso(self.connected_ns // NS_PER_MS),
        }


class Sessions:
    """The open sessions by name; lives on the event loop.

    Tells the SubscriptionManager what each session wants, and takes the hub's deliveries to their outboxes:
    references only, and one write per session and turn of the loop.
    """

    def __init__(self, subscriptions: Address, limit: int, stall_seconds: float, clock: Clock) -> None:
        self._subscriptions = subscriptions
        self._limit = limit
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._open: dict[str, Session] = {}
        self._leaving: dict[str, Session] = {}
        self._welcomed: set[str] = set()
        """Who has events, and has heard the first of them."""
        self._dirty: list[Outbox] = []
        self._closed: Counter[str] = Counter()
        self._conflated = 0
        """Of the sessions that are no more."""
        self._gone = asyncio.Event()
        """Set when the last session that was ended is gone."""

    def __len__(self) -> int:
        return len(self._open)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Every session by its name."""
        return {name: session.describe() for name, session in self._open.items()}

    def stats(self) -> dict[str, Any]:
        """How many there are, what the slow ones cost, and how the others ended."""
        outboxes = [session.outbox for session in self._open.values()]
        return {
            "sessions": len(outboxes),
            "conflated": self._conflated + sum(outbox.conflated for outbox in outboxes),
            "waiting": sum(outbox.waiting for outbox in outboxes),
            "closed": dict(sorted(self._closed.items())),
        }

    # --- their lives

    def enter(self, session: Session) -> None:
        """A client has connected."""
        if len(self._open) >= self._limit:
            self.end(session, CloseCode.FULL)
            return
        self._open[session.name] = session
        self.report(session, {})

    def leave(self, session: Session, code: int | None) -> None:
        """A client's socket is closed; without a code the connection was lost."""
        if self._leaving.pop(session.name, None) is None:
            self._closed["none" if code is None else str(code)] += 1
        self._forget(session)
        if not self._leaving:
            self._gone.set()

    def end(self, session: Session, code: CloseCode) -> None:
        """Close a session; what waits for it is dropped, so that the code is the next it hears."""
        self._leaving[session.name] = session
        self._closed[str(int(code))] += 1
        self._forget(session)
        session.socket.close(code, code.meaning)

    async def end_all(self, code: CloseCode) -> None:
        """Close all sessions, and abort those that do not answer in time."""
        for session in list(self._open.values()):
            self.end(session, code)
        if self._leaving:
            self._gone.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), FAREWELL_SECONDS)
        for session in list(self._leaving.values()):
            session.outbox.abort()

    def end_stalled(self) -> None:
        """Close the sessions whose sockets have not taken anything for too long."""
        now = asyncio.get_running_loop().time()
        for session in list(self._open.values()):
            if session.outbox.pending_seconds(now) > self._stall_seconds:
                logger.warning("session %s is closed: %s", session.name, CloseCode.STALLED.meaning)
                self.end(session, CloseCode.STALLED)

    def _forget(self, session: Session) -> None:
        session.outbox.drop()
        self._welcomed.discard(session.name)
        if self._open.pop(session.name, None) is not None:
            self._conflated += session.outbox.conflated
            self._subscriptions.tell(SessionClosed(session.name))

    # --- what they want

    def report(self, session: Session, request: Mapping[str, Any]) -> None:
        """Tell the SubscriptionManager a session's whole interest, with the request to be answered."""
        if session.name not in self._open:
            return  # it spoke again after it was ended
        self._subscriptions.tell(SessionReported(session.name, session.selection.interest, request))

    def report_all(self) -> None:
        """Tell every session's interest again: the SubscriptionManager started afresh."""
        interests = {name: session.selection.interest for name, session in self._open.items()}
        self._subscriptions.tell(SessionsReported(interests))

    def priced_by(self) -> frozenset[int]:
        """The tokens of what says where the money is that sessions follow."""
        return frozenset().union(*(session.selection.priced_by for session in self._open.values()))

    def follow(self, prices: Mapping[int, float], table: InstrumentTable) -> None:
        """Tell the SubscriptionManager the interest of those whose money has moved."""
        for session in self._open.values():
            if session.selection.follow(prices, table):
                self.report(session, {})

    async def follow_table(self, directory: Directory) -> None:
        """Have every session go by a new table, and tell it what became of what it asked for."""
        table = directory.table
        find = functools.cache(lambda token: table.by_token.get(token) or table.successor(token))
        resolve = functools.cache(table.resolve)
        for session in list(self._open.values()):
            self._refit(session, directory, find, resolve)
            await asyncio.sleep(0)  # a thousand sessions take a while: ticks go on between them

    def _refit(self, session: Session, directory: Directory, find: Find, resolve: Resolve) -> None:
        selection = session.selection
        events = selection.interest.events
        gone = selection.lose(find)
        ended, begun = selection.reread_channels(directory, find)
        if not events and (gone or ended):
            self.report(session, unlisted(gone, ended))
        back = selection.regain(find, resolve)
        if events and (gone or back or ended or begun):
            self.report(session, resubscribed(gone, back, ended, begun))
        elif back or begun:
            self.report(session, relisted(back, begun))

    # --- what they are sent

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Give each session its frames; they are written when this turn of the loop is over."""
        sessions, dirty = self._open, self._dirty
        idle = not dirty
        for delivery in deliveries:
            if delivery.welcomes:
                self._welcomed.update(name for name in delivery.sessions if name in sessions)
            for name in delivery.sessions:
                session = sessions.get(name)
                if session is None:
                    continue
                fresh = session.outbox.fresh
                if not fresh:
                    dirty.append(session.outbox)
                fresh.append(delivery)
                if delivery.refused:
                    session.selection.remove(delivery.refused, delivery.version)
        if idle and dirty:
            asyncio.get_running_loop().call_soon(self._flush)

    def send(self, session: Session, payload: bytes) -> None:
        """Send one session something that never gives way to newer frames."""
        frame = frame_text(payload)
        self.deliver((Delivery((session.name,), (None,), (frame,), frame),))

    def beat(self) -> None:
        """Send the heartbeat to every session with events."""
        frame = frame_text(heartbeat_event(self._clock.time_ns()))
        self.deliver((Delivery(tuple(self._welcomed), (HEARTBEAT,), (frame,), frame),))

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for outbox in dirty:
            outbox.flush()
