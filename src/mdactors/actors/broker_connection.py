"""The actor that keeps one connection to a broker open and subscribed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdactors.actors.doubt import Doubt
from mdactors.actors.feed_socket import FeedSocket
from mdactors.actors.line import Line
from mdactors.adapter import BrokerAdapter, BrokerToken, Mode
from mdactors.market import ist
from mdactors.messages import (
    ConnectionReported,
    ConnectRequested,
    DisconnectRequested,
    GapFound,
    ReaderReported,
    SetInterest,
    SnapshotMissing,
    Subscribed,
    Unsubscribed,
)
from mdactors.runtime import Actor, Address, Backoff, Context, Message, handles

BEAT_SECONDS = 0.5
STEADY_SECONDS = 10.0
"""A connection that lived so long begins its backoff anew; one let in and thrown out does not."""
STOP_SECONDS = 2.0
LOGIN_SECONDS = 300.0
"""How often a refused login is tried again as it is: brokers set no limit to that, and may be mistaken."""
DOUBT_SECONDS = 60.0
"""How often, where nobody has said that it is the login."""


class Beat(Message, frozen=True):
    """Time to look whether bytes still come."""


class Reconnect(Message, frozen=True):
    """The wait after socket number ``socket`` is over."""

    socket: int


class BrokerConnection(Actor):
    """Owns the state machine of one connection and what the broker was told on it.

    Receives `SetInterest` (the whole set; the difference is worked out here), its reader's
    `ReaderReported`, `SnapshotMissing` and an operator's `ConnectRequested`/`DisconnectRequested`.
    Tells the SubscriptionManager every change of state and the hub every gap; shows both, and what is to
    stream, on its `Line`. A ``spare`` one opens only when something is to stream on it, because a broker
    counts connections. Losing the network, a refused login, a stalled feed are states here; only a bug ends
    the actor. A login that is needed is tried again at once when the credential is another, and slowly as
    it is; the state stays until one works. Its hooks run in its own thread; frames never pass through
    it: the reader thread tells them to the Normalizer.
    """

    def __init__(
        self,
        context: Context,
        *,
        adapter: BrokerAdapter,
        line: Line,
        normalizer: Address,
        manager: Address,
        hub: Address,
        spare: bool = False,
    ) -> None:
        super().__init__(context)
        self._adapter = adapter
        self._line = line
        self._normalizer = normalizer
        self._manager = manager
        self._hub = hub
        self._backoff = Backoff()
        self._spare = spare
        self._state = "idle"
        self._detail = ""
        self._live_since = 0.0
        self._attempts = 0
        self._connects = 0
        self._said: dict[str, str] = {}
        self._wanted: dict[BrokerToken, Mode] = {}
        self._told: dict[BrokerToken, Mode] = {}
        self._credential = ""
        """The fingerprint of the login with which the socket was opened."""
        self._doubt = Doubt()

    def on_start(self) -> None:
        """Take over the line; runs in the actor's thread."""
        self.after(BEAT_SECONDS, Beat())
        if self._line.closed_by_operator:
            self._line.end()
            self._become("disconnected", "closed by an operator")
        else:
            self._begin()

    def on_stop(self) -> None:
        """Close the socket and wait for its thread; runs in the actor's thread."""
        socket = self._line.socket
        self._line.end()
        if socket is not None and not socket.join(STOP_SECONDS):
            self.logger.warning("the reader thread of socket %d did not end", socket.number)

    def on_failure(self, *_exception: object) -> None:
        """Leave no socket to the successor; runs in the actor's thread."""
        self._line.end()

    def _begin(self) -> None:
        """Connect, or wait until there is something to stream."""
        if self._spare and not self._wanted:
            self._line.end()
            self._become("idle", "opened when the others are full")
        else:
            self._connect()

    def _connect(self) -> None:
        self._become("connecting", f"attempt {self._attempts + 1}" if self._attempts else "")
        self._open_socket()

    def _open_socket(self) -> None:
        self._told = {}
        self._attempts += 1
        if self._attempts > 1:
            self.logger.warning("reconnecting, attempt %d", self._attempts)
        self._credential = self._adapter.credential()
        self._line.replace(self._new_socket).start()

    def _new_socket(self, number: int) -> FeedSocket:
        return FeedSocket(
            number=number,
            adapter=self._adapter,
            connection=self.address,
            normalizer=self._normalizer,
            clock=self.clock,
        )

    @handles(ReaderReported)
    def follow_reader(self, report: ReaderReported) -> None:
        """Change state as the reader says; the words of an earlier socket are too late to matter."""
        if self._line.socket is None or report.socket != self._line.socket.number:
            return
        match report.event:
            case "connected":
                self._connected()
            case "failed":
                raise RuntimeError(report.detail)
            case "login":
                self._need_login(report.detail, LOGIN_SECONDS)
            case "doubted":
                self._doubted(report)
            case _:
                self._lost(report.detail, report.retry_after)

    def _connected(self) -> None:
        self._connects += 1
        self._doubt.end()
        self._live_since = self.clock.monotonic()
        self._become("live")
        self.logger.info("connected")
        if (since := self._line.silent_since_ns) and self._wanted:
            gap = GapFound(self._adapter.name, self.address.name, since, self.clock.time_ns())
            self.tell(self._hub, gap)
        self._line.silent_since_ns = 0
        self._update()

    def _doubted(self, report: ReaderReported) -> None:
        """Try again as after any refusal, but not for ever without a word."""
        if self._doubt.grows(self._credential, self.clock.monotonic()) and self._state != "needs_login":
            self._need_login(f"refused again and again, {report.detail}", DOUBT_SECONDS)
        else:
            self._lost(report.detail, report.retry_after)

    def _lost(self, detail: str, retry_after: float) -> None:
        self._line.end()
        self._note(detail)
        if self._state == "needs_login":  # as it is until one is let in
            self.after(DOUBT_SECONDS, Reconnect(self._line.sockets))
            return
        delay = max(self._backoff.next(), retry_after)
        self._become("backoff", detail)
        self.logger.warning("connection lost (%s), next attempt in %.1f s", detail or "no reason", delay)
        self.after(delay, Reconnect(self._line.sockets))

    def _need_login(self, detail: str, delay: float) -> None:
        """Wait for another credential, and try this one again after so many seconds."""
        self._line.end()
        self._note(detail)
        if self._state != "needs_login" or detail != self._detail:
            self._become("needs_login", detail)
            self.logger.error("login needed: %s", detail)
        self.after(delay, Reconnect(self._line.sockets))

    @handles(Reconnect)
    def reconnect(self, message: Reconnect) -> None:
        """Try again, unless something else happened meanwhile."""
        if message.socket != self._line.sockets:
            return
        if self._state == "backoff":
            self._connect()
        elif self._state == "needs_login":
            self._open_socket()

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Reconnect a silent socket; notice a new token after a refused login."""
        self.after(BEAT_SECONDS, Beat())
        socket, now = self._line.socket, self.clock.monotonic()
        if self._state == "live" and socket is not None:
            silent = now - socket.last_received
            if silent > self._adapter.silence_seconds:
                self._lost(f"silent for {silent:.0f} s", 0.0)
            elif now - self._live_since > STEADY_SECONDS:
                self._attempts = 0
                self._backoff.reset()
        elif self._state == "needs_login" and self._adapter.credential() != self._credential:
            self._connect()

    @handles(SetInterest)
    def set_interest(self, message: SetInterest) -> None:
        """Make this the whole subscription."""
        self._wanted = dict(message.wanted)
        if not self.fenced:
            self._line.wanted = self._wanted
        if self._state == "live":
            self._update()
        elif self._state == "idle" and self._wanted:
            self._connect()

    def _update(self) -> None:
        gone = [token for token in self._told if token not in self._wanted]
        new = {token: mode for token, mode in self._wanted.items() if token not in self._told}
        changed = {token: mode for token, mode in self._wanted.items() if self._told.get(token, mode) != mode}
        socket = self._line.socket
        assert socket is not None, "live without a socket"
        if gone or changed or new:
            self.logger.debug("unsubscribe %d, change %d, subscribe %d", len(gone), len(changed), len(new))
        if gone:
            socket.send(self._adapter.unsubscribe(gone), Unsubscribed(self.address.name, frozenset(gone)))
        if changed:
            socket.send(self._adapter.change_mode(changed), self._mark(changed, mode_changed=True))
        if new:
            socket.send(self._adapter.subscribe(new), self._mark(new))
        self._told = dict(self._wanted)

    def _mark(self, tokens: Mapping[BrokerToken, Mode], *, mode_changed: bool = False) -> Subscribed:
        return Subscribed(self.address.name, frozenset(tokens), mode_changed)

    @handles(SnapshotMissing)
    def subscribe_afresh(self, message: SnapshotMissing) -> None:
        """Ask the broker for the cached state of these tokens once more."""
        again = {token: self._told[token] for token in message.tokens if token in self._told}
        if again and self._state == "live" and self._line.socket is not None:
            self._line.socket.send(self._adapter.subscribe(again), self._mark(again))

    @handles(ConnectRequested)
    def open(self, _message: ConnectRequested) -> None:
        """Connect now, without the rest of a pause; what is live, or on its way, stays."""
        self._line.closed_by_operator = False
        if self._state not in ("live", "connecting"):
            self._attempts = 0
            self._backoff.reset()
            self._doubt.end()
            self._begin()

    @handles(DisconnectRequested)
    def close(self, _message: DisconnectRequested) -> None:
        """Close and stay closed."""
        if not self._line.closed_by_operator:
            self.logger.info("closed by an operator")
        self._line.closed_by_operator = True
        self._line.end()
        self._line.silent_since_ns = 0
        self._told = {}
        self._become("disconnected", "closed by an operator")

    def _become(self, state: str, detail: str = "") -> None:
        self._state, self._detail = state, detail
        if not self.fenced:
            self._line.detail, self._line.state = detail, state
        report = ConnectionReported(self._adapter.name, self.address.name, state, detail)
        self.tell(self._manager, report)

    def _note(self, detail: str) -> None:
        """Remember the newest trouble, in the broker's words where it had any."""
        if detail:
            self._said = {"time": ist.iso(self.clock.time_ns() // 1_000_000), "text": detail}

    def describe(self) -> dict[str, Any]:
        """State, subscriptions, counters and the newest trouble for ``/api/status``."""
        return {
            "broker": self._adapter.name,
            "state": self._state,
            "detail": self._detail,
            "said": self._said,
            "attempts": self._attempts,
            "connects": self._connects,
            "subscribed": len(self._told),
        }
