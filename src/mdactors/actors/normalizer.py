"""The actor that turns one broker's frames into numbered ticks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mdactors.actors.alarms import AlarmBoard
from mdactors.actors.feed_health import SHARES, FeedHealth
from mdactors.actors.feed_report import FeedReport, Judged
from mdactors.actors.line import Line, Upkeep
from mdactors.actors.trading_classes import TradingClasses
from mdactors.adapter import BadPacket, BrokerAdapter, BrokerToken
from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.instruments import InstrumentTable
from mdactors.market.numbering import Numbering
from mdactors.market.tick import Tick
from mdactors.market.trading_class import Traded
from mdactors.messages import (
    ClosesKnown,
    FeedStatusChanged,
    FrameReceived,
    InstrumentsLoaded,
    NewestKnown,
    NewestWanted,
    SnapshotMissing,
    Subscribed,
    TicksPublished,
    Unsubscribed,
)
from mdactors.runtime import Actor, Address, Context, Message, handles

BEAT_SECONDS = 1.0
HEX_BYTES = 64
"""How much of a bad packet one log line shows."""
LINES_A_BEAT = 10
"""How many lines about bad packets and notices a beat may log; the rest is only counted."""
ASK_AGAIN_SECONDS = 5.0
"""How long a snapshot that was asked for may take before it is asked for again."""


class Beat(Message, frozen=True):
    """Time to judge the feed and the date."""


class Normalizer(Actor):
    """Owns one broker's `Numbering`, the status of its feed and the alarm that it needs a login.

    Receives `FrameReceived`, `Subscribed` and `Unsubscribed` from the readers (the one tell that may wait),
    `InstrumentsLoaded` and `NewestWanted`. Tells one `TicksPublished` a frame to hub and sinks, the same
    object to all; `FeedStatusChanged` to the hub; `SnapshotMissing` to a connection whose
    partial quotes have no base. What the feed cannot tell of the day so far the DayReader looks up
    (`NewestWanted`, and what lies open in the `FeedReport`): `NewestKnown` and `ClosesKnown` are taken
    whenever they come. How the connections stand it reads off their `Line`, each second. A fresh one starts
    a new epoch. Its hooks run in its own thread.
    """

    def __init__(
        self,
        context: Context,
        *,
        adapter: BrokerAdapter,
        table: Callable[[], InstrumentTable],
        hub: Address,
        sinks: Sequence[Address],
        connections: Mapping[str, Address],
        calendar: Calendar,
        lines: Sequence[Line],
        report: FeedReport,
        board: AlarmBoard,
        day_reader: Address | None = None,
        stale_seconds: float = 10.0,
        delayed_seconds: float = 3.0,
    ) -> None:
        super().__init__(context)
        self._adapter = adapter
        self._hub = hub
        self._receivers = (hub, *sinks)
        self._connections = connections
        self._calendar = calendar
        self._lines = lines
        self._report = report
        now = self.clock.time_ns()
        self._today = ist.date(now)
        self._health = FeedHealth(calendar, now, stale_seconds, delayed_seconds * self.clock.speed)
        self._alarms = board.of(self)
        self._said: dict[str, str] = {}
        self._numbering = Numbering(
            adapter.name, now // 1_000_000, table().broker_instruments(adapter.name), calendar
        )
        self._classes = TradingClasses(self._numbering.instrument)
        self._counts = dict.fromkeys(("frames", "ticks", "bad", "sentinels", "without_base", "notices"), 0)
        self._asked: dict[BrokerToken, float] = {}
        self._day_reader = day_reader
        self._logged = 0
        self._debugs = self.logger.isEnabledFor(logging.DEBUG)

    def on_start(self) -> None:
        """Say how the feed is and begin the beat; runs in the actor's thread."""
        self._judge()
        self._tell_status()
        self.after(BEAT_SECONDS, Beat())
        if self._day_reader is not None:
            self.tell(self._day_reader, NewestWanted())

    @handles(FrameReceived)
    def normalize(self, frame: FrameReceived) -> None:
        """Decode one frame and publish its ticks as one message."""
        self._counts["frames"] += 1
        decoded = self._adapter.decode(frame.data)
        if decoded.bad:
            self._report_bad(frame.connection, decoded.bad)
        if decoded.refused:
            self._report_sentinels(frame.connection, decoded.refused)
        if decoded.notice:
            self._note(frame, decoded.notice)
        if decoded.market_status:
            self._health.said(decoded.market_status, frame.received_ns)
        if not decoded.quotes:
            return
        ticks = self._numbering.number(decoded.quotes, frame.received_ns)
        if ticks or self._numbering.without_base:  # quotes of nothing that is known are no sign of life
            self._health.heard(self.clock.monotonic(), frame.received_ns, self._numbering.newest_time)
        if self._numbering.without_base:
            self._ask_snapshots(frame.connection)
        if ticks:
            if self._debugs:
                self.logger.debug("%d ticks from %s", len(ticks), frame.connection)
            self._publish(ticks)

    def _publish(self, ticks: list[Tick]) -> None:
        self._counts["ticks"] += len(ticks)
        published = TicksPublished(ticks)
        for receiver in self._receivers:
            self.tell(receiver, published)

    def _note(self, frame: FrameReceived, notice: str) -> None:
        """Log what the broker says to a person, and keep the newest of it."""
        self._counts["notices"] += 1
        self._log(logging.WARNING, "%s says: %.300s", self._adapter.name, notice)
        time = ist.iso(frame.received_ns // 1_000_000)
        self._said = {"time": time, "connection": frame.connection, "text": notice}

    def _ask_snapshots(self, connection: str) -> None:
        lacking = self._numbering.without_base
        self._counts["without_base"] += len(lacking)
        now = self.clock.monotonic()
        due = now - ASK_AGAIN_SECONDS
        tokens = frozenset(token for token in lacking if self._asked.get(token, due) <= due)
        lacking.clear()
        if tokens and connection in self._connections:
            self._asked |= dict.fromkeys(tokens, now)
            self.tell(self._connections[connection], SnapshotMissing(tokens))

    def _report_bad(self, connection: str, bad: Sequence[BadPacket]) -> None:
        self._counts["bad"] += len(bad)
        for packet in bad:
            dump = packet.data[:HEX_BYTES].hex()
            text = "%s: bad packet, %d bytes (%s): %s"
            self._log(logging.ERROR, text, connection, len(packet.data), packet.reason, dump)

    def _report_sentinels(self, connection: str, refused: Sequence[str]) -> None:
        self._counts["sentinels"] += len(refused)
        for text in refused:
            self._log(logging.WARNING, "%s: no price is known, as the broker marks it: %s", connection, text)

    def _log(self, level: int, text: str, *values: object) -> None:
        """Log what a broker may cause at any rate: so many lines a beat, then a count."""
        self._logged += 1
        if self._logged <= LINES_A_BEAT:
            self.logger.log(level, text, *values)

    @handles(Subscribed)
    def expect_snapshots(self, message: Subscribed) -> None:
        """The next quote of each token is the broker's cached state."""
        self._numbering.expect_snapshots(message.tokens, drop_bases=message.mode_changed)

    @handles(Unsubscribed)
    def retire(self, message: Unsubscribed) -> None:
        """These stream no more."""
        self._numbering.retire(message.tokens)

    @handles(InstrumentsLoaded)
    def take_instruments(self, message: InstrumentsLoaded) -> None:
        """Number by the new table from now on."""
        self._numbering.use(message.table.broker_instruments(self._adapter.name))
        self._classes.look_again()

    @handles(NewestKnown)
    def recall_day(self, message: NewestKnown) -> None:
        """Take what was said of the trading date before this one began."""
        if ticks := self._numbering.recall(message.ticks, self.clock.time_ns()):
            self._publish(ticks)

    @handles(ClosesKnown)
    def learn_closes(self, message: ClosesKnown) -> None:
        """Take previous closes that no tick told."""
        if ticks := self._numbering.learn_closes(message.closes, self.clock.time_ns()):
            self._publish(ticks)

    @handles(NewestWanted)
    def send_newest(self, _message: NewestWanted) -> None:
        """Give a fresh hub its table."""
        self.tell(self._hub, NewestKnown(self._numbering.newest()))
        self._judge()
        self._tell_status()

    @handles(Beat)
    def beat(self, _message: Beat) -> None:
        """Tell a changed status; drop every base when the day rolls."""
        self.after(BEAT_SECONDS, Beat())
        if self._logged > LINES_A_BEAT:
            self.logger.error("%d more bad packets or notices in a second", self._logged - LINES_A_BEAT)
        self._logged = 0
        if self._judge():
            self._tell_status()
        if (today := ist.date(self.clock.time_ns())) != self._today:
            self._today = today
            self._numbering.drop_bases()
            self._classes.forget()

    def _judge(self) -> bool:
        """Find the feed's word, and whether a login is needed; whether the word changed."""
        upkeep = Upkeep.of(self._lines)
        subscribed = self._classes.of([line.wanted for line in self._lines])
        self._alarms.show(f"login-{self._adapter.name}", self._login_texts(upkeep))
        changed = self._health.judge(self.clock.monotonic(), self.clock.time_ns(), subscribed, upkeep)
        self._alarms.show(f"calendar-{self._adapter.name}", self._contradictions())
        self._lay_open(subscribed)
        return changed

    def _contradictions(self) -> Sequence[str]:
        """What the broker says of segments against the calendar."""
        words = self._health.market_status
        return [
            f"{self._adapter.name} says {words[segment]} of {segment}, "
            f"which is {'closed' if is_open else 'open'} by the calendar"
            for segment, is_open in sorted(self._health.contradicted.items())
        ]

    def _lay_open(self, subscribed: Collection[Traded]) -> None:
        """Say how the feed is where nobody has to ask for it."""
        health, now_ns = self._health, self.clock.time_ns()
        traded = subscribed or (SHARES,)
        are_open = frozenset(each.segment for each in traded if health.opened(each, now_ns))
        if not self.fenced:
            at = self.clock.monotonic()
            self._report.withheld = self._numbering.withheld()
            self._report.judged = Judged(at, health.status, health.detail, health.is_open, are_open)

    def _login_texts(self, upkeep: Upkeep) -> Sequence[str]:
        if not upkeep.login:
            return ()
        address = self._adapter.login_address()
        return [f"{upkeep.login}; the login page is {address}" if address else upkeep.login]

    def _tell_status(self) -> None:
        health = self._health
        said = FeedStatusChanged(self._adapter.name, health.status, health.detail, health.market_status)
        self.tell(self._hub, said)

    def describe(self) -> dict[str, Any]:
        """Counters and the feed's status for ``/api/status``."""
        return {
            "broker": self._adapter.name,
            "epoch": self._numbering.epoch,
            "instruments": len(self._numbering),
            "unknown": self._numbering.unknown,
            "doubted": self._numbering.doubted,
            "status": self._health.status,
            "detail": self._health.detail,
            "open": self._health.is_open,
            "market": dict(self._health.market_status),
            "said": self._said,
            **self._counts,
        }
