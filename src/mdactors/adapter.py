"""The plug-in contract: what a broker adapter is, says of itself and does.

An adapter is pure where bytes are concerned (`decode`, `subscribe`, …: no thread, no input or output)
and blocking where the broker's REST is (`endpoint`, `instruments`: called from a connection's reader
thread and from the instrument master's process or thread, never from the event loop).
"""

from __future__ import annotations

import abc
import datetime as dt
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from mdactors.errors import BrokerError
from mdactors.market.instrument import InstrumentRow
from mdactors.market.quote import (
    MODES,
    Auction,
    BrokerBar,
    BrokerToken,
    Depth,
    Greeks,
    Level,
    Mode,
    Quote,
    serving,
)
from mdactors.market.sentinels import SENTINELS, refuse_sentinels

__all__ = [
    "MODES",
    "SENTINELS",
    "Auction",
    "BadPacket",
    "BrokerAdapter",
    "BrokerBar",
    "BrokerToken",
    "DayCandle",
    "Decoded",
    "Depth",
    "Download",
    "Endpoint",
    "Greeks",
    "Level",
    "Limits",
    "Listing",
    "Mode",
    "Outgoing",
    "Quote",
    "Secret",
    "Unlisted",
    "last_close",
    "masked",
    "readable",
    "refuse_sentinels",
    "serving",
]

SHORTEST_SECRET = 6
"""Characters; what is shorter is no secret, and would hide words."""
READ_BYTES = 64 * 1024
READ_CHARACTERS = 200
"""How much of a page is looked at, and how much of its text is shown."""
_MARKUP = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")


class Secret:
    """A text that prints masked; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the wire only."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')" if self._text else "Secret('')"


class Limits(msgspec.Struct, frozen=True):
    """What a broker allows one user, as the adapter's reference states it.

    ``alone`` caps a connection that holds one mode only, ``combined`` caps each mode as soon as a
    connection holds several; a mode that is absent cannot be had. ``total`` caps the sum.
    """

    connections: int
    alone: dict[Mode, int]
    combined: dict[Mode, int] = {}
    total: int | None = None

    def fits(self, counts: Mapping[Mode, int]) -> bool:
        """Whether one connection may hold so many instruments of each mode."""
        held = {mode: count for mode, count in counts.items() if count}
        caps = self.combined if len(held) > 1 and self.combined else self.alone
        if self.total is not None and sum(held.values()) > self.total:
            return False
        return all(count <= caps.get(mode, 0) for mode, count in held.items())


class Endpoint(msgspec.Struct, frozen=True):
    """Where to open one websocket; the URL may carry a secret, so it is never printed."""

    url: Secret
    headers: dict[str, str] = {}

    def masked(self, said: bytes) -> bytes:
        """What the other side said, without the secrets of the address: a page may repeat it."""
        return masked(said, (value for _, value in parse_qsl(urlsplit(self.url.reveal()).query)))

    def __repr__(self) -> str:
        return "Endpoint('***')"


class Outgoing(msgspec.Struct, frozen=True):
    """One frame for a broker."""

    data: bytes
    binary: bool = False


class BadPacket(msgspec.Struct, frozen=True):
    """A part of a frame that could not be read; it costs only itself."""

    reason: str
    data: bytes


class Decoded(msgspec.Struct):
    """What one frame said."""

    quotes: list[Quote] = []
    bad: list[BadPacket] = []
    market_status: dict[str, str] = {}
    """Segment -> the broker's word, where the frame carried one."""
    notice: str = ""
    """A text of the broker for a person (an error string, a message)."""
    refused: list[str] = []
    """Prices of ``quotes`` that were sentinels, for a person; they are not known now."""


class Listing(msgspec.Struct, frozen=True, gc=False):
    """An instrument as one broker lists it."""

    instrument: InstrumentRow
    token: BrokerToken


class Unlisted(msgspec.Struct, frozen=True, gc=False):
    """A row of a broker's list that becomes no instrument."""

    symbol: str
    """As far as it can be read."""
    exchange: str = ""
    reason: str = ""
    """Why it cannot be read; empty where it can, and is of a kind that we have no word for."""


class Download(msgspec.Struct, frozen=True):
    """A list of instruments as it came, and what the server calls this state of it."""

    data: bytes
    etag: str = ""
    modified: str = ""
    """The ``Last-Modified`` header."""


class DayCandle(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A candle of a day as both brokers write it in JSON: an array that begins like this."""

    time: str
    """ISO 8601, of India."""
    open: float
    high: float
    low: float
    close: float


def last_close(candles: Iterable[DayCandle], before: dt.date) -> float | None:
    """The close of the last day before a date; None where there is none."""
    earlier = [candle for candle in candles if candle.close > 0 and candle.time[:10] < before.isoformat()]
    return max(earlier, key=lambda candle: candle.time[:10]).close if earlier else None


class BrokerAdapter(abc.ABC):
    """One broker's wire and rules.

    Made once per daemon with its decoded ``settings``; shared by the connections of that broker, so
    its pure methods must not keep state.
    """

    name: ClassVar[str]
    settings: ClassVar[type[msgspec.Struct]]
    modes: Mapping[Mode, Mode]
    """Wanted mode -> the broker's mode that holds all of it; a wish for another is served by `serving`."""

    quote: ClassVar[type[Quote]] = Quote
    """The class of the quotes, which builds a book out of stored bytes."""

    lists: ClassVar[Sequence[str]] = ()
    """Names of further lists of instruments: each adds flags to those that the broker lists."""

    silence_seconds: ClassVar[float] = 30.0
    """A connection that brings not one byte for so long, pings included, is taken for dead."""

    closes_per_second: ClassVar[float] = 0.0
    """How often the broker may be asked for a `previous_close`; 0 where it has none."""

    limits: Limits

    @abc.abstractmethod
    def __init__(self, settings: Any) -> None:
        """Take the decoded settings; no input or output here."""

    @abc.abstractmethod
    def section(self) -> msgspec.Struct:
        """The settings that it was made with: a process of the daemon's makes it again of them."""

    @abc.abstractmethod
    def decode(self, frame: bytes | str) -> Decoded:
        """Read one frame, binary or text. Pure; never raises for what a broker may send."""

    @abc.abstractmethod
    def subscribe(self, wanted: Mapping[BrokerToken, Mode]) -> Sequence[Outgoing]:
        """The frames that subscribe each token in its (broker's) mode. Pure."""

    @abc.abstractmethod
    def unsubscribe(self, tokens: Sequence[BrokerToken]) -> Sequence[Outgoing]:
        """The frames that end these subscriptions. Pure."""

    @abc.abstractmethod
    def change_mode(self, wanted: Mapping[BrokerToken, Mode]) -> Sequence[Outgoing]:
        """The frames that give tokens already subscribed another mode. Pure."""

    @abc.abstractmethod
    def endpoint(self) -> Endpoint:
        """Where to connect next; may ask the broker. Blocking, time-outs below 10 s.

        Raises:
            LoginRequired: no token, or the broker refuses it.
            BrokerRefused: refused for another reason; wait.
            BrokerUnavailable: the network or the broker's service is away.
        """

    def login_address(self) -> str:
        """The page on which a person logs in; empty where it is not known. Pure."""
        return ""

    def credential(self) -> str:
        """A fingerprint of the login in use now: when it changes, a refused login is worth another try."""
        return ""

    def lacks(self) -> Mapping[str, str]:
        """What a login still needs: setting -> what is missing, for a person. Reads files, asks nobody."""
        return {}

    @abc.abstractmethod
    def refusal(self, status: int, body: bytes) -> BrokerError:
        """The error that a refused websocket handshake stands for. Pure.

        `LoginRequired` only where the broker itself says so; a page of whoever stands between is a
        `BrokerRefused` with the login in doubt. The secrets of the endpoint's address are masked in ``body``.
        """

    @abc.abstractmethod
    def download(self, name: str = "", before: Download | None = None) -> Download | None:
        """Fetch a list of instruments: the broker's own, or the one of `lists`. Blocking.

        Returns:
            None where it is still as ``before``.

        Raises:
            BrokerError: as `endpoint` does.
        """

    @abc.abstractmethod
    def listings(self, data: bytes, name: str = "") -> Iterator[Listing | Unlisted]:
        """Read what `download` fetched, as it is asked for; a row that cannot be read costs only itself.

        Pure. The list may be packed with gzip. Rows that become no instrument are told as `Unlisted`, so
        that somebody can be told what is missing.

        Raises:
            BrokerUnavailable: what came is no such list.
        """

    def previous_close(self, token: BrokerToken, date: dt.date) -> float | None:  # noqa: ARG002 - of a broker that has none
        """The close of the instrument's last session before a date, by its candles of a day. Blocking.

        Returns:
            None where the broker knows none.

        Raises:
            BrokerError: as `endpoint` does.
        """
        return None

    def completed_by(self) -> Sequence[str]:
        """The sources whose public lists complete this one, where a configuration names no sources. Pure."""
        return ()

    def instruments(self) -> Iterator[Listing]:
        """Everything the broker lists, as ours. Blocking; raises as `download` and `listings` do."""
        fetched = self.download()
        assert fetched is not None, "there was none before"
        return (each for each in self.listings(fetched.data) if isinstance(each, Listing))


def masked(said: bytes, secrets: Iterable[str]) -> bytes:
    """What the other side said, without secrets of ours that it repeats, however it writes them."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            for form in {secret, quote(secret), quote(secret, safe=""), html.escape(secret)}:
                said = said.replace(form.encode(), b"***")
    return said


def readable(page: bytes) -> str:
    """What a page or an error's body says to a person: one bounded line without markup."""
    text = _MARKUP.sub(" ", page[:READ_BYTES].decode("utf-8", "replace"))
    words = "".join(sign if sign.isprintable() else " " for sign in html.unescape(text)).split()
    return " ".join(words)[:READ_CHARACTERS]
