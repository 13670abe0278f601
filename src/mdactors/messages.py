"""The inside contract: every message between actors, grouped by the actor that receives it.

Data messages (`DataMessage`) may be dropped or made to wait by their receiver's mailbox policy;
control messages (`Message`) never are, and go first. Control is desired state wherever it can be: a
message carries the whole set and its receiver works out the difference, so that a repeated or lost
one is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mdactors.adapter import BrokerToken, Mode
from mdactors.market.candle import Bar
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Interest
from mdactors.market.movers import By
from mdactors.market.position import Position
from mdactors.market.prices import PriceType
from mdactors.market.tick import Tick
from mdactors.runtime import DataMessage, Message

# --- Normalizer ---------------------------------------------------------------------------------------


class FrameReceived(DataMessage, frozen=True):
    """A connection's reader received one websocket frame (text frames as ``str``)."""

    connection: str
    data: bytes | str
    received_ns: int


class Subscribed(DataMessage, frozen=True):
    """A connection's reader sent these subscriptions; in order with the frames before and after.

    The next quote of each token is the broker's cached state; where the mode changed, what was said
    before no longer completes anything.
    """

    connection: str
    tokens: frozenset[BrokerToken]
    mode_changed: bool = False


class Unsubscribed(DataMessage, frozen=True):
    """A connection's reader sent the end of these subscriptions; in order with the frames."""

    connection: str
    tokens: frozenset[BrokerToken]


class ClosesKnown(Message, frozen=True):
    """Previous closes that no tick told, by the broker's candles."""

    closes: Mapping[BrokerToken, float]


# --- Normalizer, SessionHub, DayReader ------------------------------------------------------------------


class NewestWanted(Message, frozen=True):
    """Who started afresh (a hub, the MarketViews, a Normalizer) wants every newest tick of its receiver."""


# --- Normalizer, SessionHub, SubscriptionManager, MarketViews ------------------------------------------


class InstrumentsLoaded(Message, frozen=True):
    """The instrument table, whole; it replaces the one before."""

    table: InstrumentTable


# --- BrokerConnection ---------------------------------------------------------------------------------


class SetInterest(Message, frozen=True):
    """Everything that this connection shall stream, in the broker's words: the whole set."""

    wanted: Mapping[BrokerToken, Mode]


class SnapshotMissing(Message, frozen=True):
    """Partial updates came for tokens without a base: subscribe them afresh."""

    tokens: frozenset[BrokerToken]


class ConnectRequested(Message, frozen=True):
    """An operator wants the connection open."""


class DisconnectRequested(Message, frozen=True):
    """An operator wants the connection closed until the next `ConnectRequested`."""


class ReaderReported(Message, frozen=True):
    """The reader thread of socket number ``socket`` says what became of it."""

    socket: int
    event: str
    """connected, closed, login, doubted (refused, with the login in doubt), refused, unavailable or failed"""
    detail: str = ""
    retry_after: float = 0.0


# --- SubscriptionManager ------------------------------------------------------------------------------


class SessionReported(Message, frozen=True):
    """A client session's whole interest, as it is now; the answer to a request rides along."""

    session: str
    interest: Interest
    request: Mapping[str, Any] = {}
    """Empty where no request is to be answered; else ``event``, ``id``, ``symbols`` (asked -> symbol),
    ``tokens`` (asked -> instrument token), ``unknown``, and ``channels`` where any were asked for. What is
    told unasked is made by `answers.unlisted`, `relisted` and `resubscribed`."""


class SessionsReported(Message, frozen=True):
    """Every open session's interest: what a restarted SubscriptionManager asked for."""

    interests: Mapping[str, Interest]


class SessionClosed(Message, frozen=True):
    """A client session is gone."""

    session: str


class ConnectionReported(Message, frozen=True):
    """A broker connection's state changed; after a restart it asks for its interest this way."""

    broker: str
    connection: str
    state: str
    """One of idle, connecting, live, backoff, needs_login, disconnected."""
    detail: str = ""


class RoutesWanted(Message, frozen=True):
    """The hub started afresh and wants every session's routes again."""


class PinAsked(Message, frozen=True):
    """Asked, not told: stream these in full for nobody's session until the day ends in India.

    Answers instrument token -> why it does not stream, of those that are pinned now and do not.
    """

    tokens: frozenset[int] = frozenset()
    sectors: frozenset[str] = frozenset()
    """Codes."""


class UnpinAsked(Message, frozen=True):
    """Asked, not told: no longer stream these for nobody's session; the opposite of `PinAsked`."""

    tokens: frozenset[int] = frozenset()
    sectors: frozenset[str] = frozenset()


class PricesKnown(Message, frozen=True):
    """Instrument token -> its last price, of those that `PricesWanted` named and that have one."""

    prices: Mapping[int, float]


# --- SessionHub ---------------------------------------------------------------------------------------


class TicksPublished(DataMessage, frozen=True):
    """The ticks of one frame, in their order.

    One object for all (also to JournalWriter, CacheWriter, CandleBuilder and MarketViews).
    """

    ticks: Sequence[Tick]


class RouteSet(Message, frozen=True):
    """Everything that one session is to be sent: the whole set, after which its request is answered."""

    session: str
    interest: Interest
    answer: Mapping[str, Any] = {}
    """The finished answer; empty where none is due."""
    refused: frozenset[int] = frozenset()
    """Instrument tokens that were asked for and cannot be streamed."""
    welcome: bool = False
    """Whether events begin with this, the first of them a welcome."""
    streams: Mapping[str, Mapping[str, int]] = {}
    """Of the welcome, where everything is sent: indices, stocks … -> how many ``streamed`` of how many
    ``listed``."""


class RoutesKnown(Message, frozen=True):
    """Every session's interest, whole: what a fresh hub asked for."""

    interests: Mapping[str, Interest]


class RouteDropped(Message, frozen=True):
    """A session is gone: nothing is routed to it any more."""

    session: str


class GapFound(Message, frozen=True):
    """Frames of a connection are missing between two wall times (nanoseconds)."""

    source: str
    connection: str
    from_ns: int
    to_ns: int


class AlarmChanged(Message, frozen=True):
    """A condition a person should know of appeared or (``active`` false) went away."""

    id: str
    text: str
    active: bool = True
    since: str = ""
    """ISO 8601, +05:30; empty where it went away."""


class SnapshotAsked(Message, frozen=True):
    """Asked, not told: the newest `Tick` of each of these instrument tokens that has one."""

    tokens: Sequence[int]


class PricesWanted(Message, frozen=True):
    """The SubscriptionManager wants the last prices of these instruments."""

    tokens: frozenset[int]


class ViewsPublished(Message, frozen=True):
    """Views of the market that changed: channel -> its finished event."""

    payloads: Mapping[str, bytes]


class BarsPublished(DataMessage, frozen=True):
    """Bars that are finished, or finished before and now corrected."""

    bars: Sequence[Bar]


# --- SessionHub, MarketViews --------------------------------------------------------------------------


class FeedStatusChanged(Message, frozen=True):
    """A broker's feed is now ``status``: live, quiet, stale, needs_login, delayed or closed."""

    source: str
    status: str
    detail: str = ""
    segments: Mapping[str, str] = {}
    """Segment -> the broker's word for it, where it says one."""


# --- SessionHub, MarketViews, Normalizer --------------------------------------------------------------


class NewestKnown(Message, frozen=True):
    """The newest tick of each instrument: for a fresh receiver's table, not to be sent."""

    ticks: Sequence[Tick]


# --- JournalWriter ------------------------------------------------------------------------------------


class PositionWanted(Message, frozen=True):
    """The BatchPersister started afresh and wants to know how far the journal is synced."""


class TicksStored(Message, frozen=True):
    """Everything before this position is durable in the store: its segments may go."""

    position: Position


# --- BatchPersister -----------------------------------------------------------------------------------


class BarsWait(Message, frozen=True):
    """Bars were added to those that wait for the store (`WaitingBars`)."""


class JournalSynced(Message, frozen=True):
    """Everything before this position is on disk and may be read."""

    position: Position


# --- InstrumentMaster ---------------------------------------------------------------------------------


class RefreshInstruments(Message, frozen=True):
    """Asked, not told: fetch every broker's instruments now; answers counts by type."""


# --- MarketViews --------------------------------------------------------------------------------------


class ChannelsWatched(Message, frozen=True):
    """All channels of views that anybody watches; those that are new are published at once."""

    channels: frozenset[str]


class MoversAsked(Message, frozen=True):
    """Asked, not told: the first ``n`` `Mover` rows of a ranking."""

    by: By
    n: int = 10


class SectorsAsked(Message, frozen=True):
    """Asked, not told: the `SectorStanding` of each of these sectors that has members; of none: of all."""

    sectors: Sequence[str] = ()
    """By any of their names."""


class ChainAsked(Message, frozen=True):
    """Asked, not told: an `OptionChain` with books; None where there is no such underlying or expiry."""

    underlying: str
    expiry: str = ""
    """An ISO date; empty: the nearest."""


class PricesAsked(Message, frozen=True):
    """Asked, not told: instrument key -> `Price`, of every instrument of this type that has a tick."""

    type: PriceType = "all"


class MarketStatusAsked(Message, frozen=True):
    """Asked, not told: the `SegmentStatus` of each segment."""
