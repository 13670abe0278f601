"""Kite Connect v3 as a broker of mdactors: its limits, where to connect and what to say."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import msgspec

from mdactors import __version__
from mdactors.access_token import AccessToken
from mdactors.adapter import (
    BrokerAdapter,
    BrokerToken,
    Decoded,
    Download,
    Endpoint,
    Limits,
    Listing,
    Mode,
    Outgoing,
    Quote,
    Secret,
    Unlisted,
    masked,
)
from mdactors.errors import BrokerError, LoginRequired
from mdactors_kite import codec, refusal, rest

TOKENS_PER_CONNECTION = 3000
LOGIN_PAGE = "https://kite.zerodha.com/connect/login"

_Feed = Annotated[
    str, msgspec.Meta(pattern=r"^wss?://[^/?#\s]", description="an address like wss://ws.kite.trade")
]
_Address = Annotated[
    str, msgspec.Meta(pattern=r"^https?://[^/?#\s]", description="an address like https://api.kite.trade")
]


class KiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``kite`` section of the configuration."""

    api_key: str = ""
    """The app's key, from Kite Connect's developer page."""
    access_token: Secret = Secret()
    """Today's token; Kite ends it at six the next morning."""
    access_token_file: str = ""
    """A file that holds today's token; read at every connect and preferred to access_token."""
    websocket_url: _Feed = "wss://ws.kite.trade"
    """Where quotes come from."""
    rest_url: _Address = rest.ROOT
    """Where the list of instruments comes from."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=3)] = 3
    """How many of the three websockets that Kite allows an app this daemon may take."""
    tokens_per_message: Annotated[int, msgspec.Meta(ge=1, le=TOKENS_PER_CONNECTION)] = 500
    """How many instruments one subscribe message names."""


class KiteAdapter(BrokerAdapter):
    """Zerodha's Kite: modes ltp, quote and full, 3000 instruments on each of three connections."""

    name: ClassVar[str] = "kite"
    quote: ClassVar[type[Quote]] = codec.KiteQuote
    settings: ClassVar[type[msgspec.Struct]] = KiteSettings
    silence_seconds: ClassVar[float] = 10.0
    """Kite sends a byte every second or two when idle."""
    closes_per_second: ClassVar[float] = 2.0
    """Kite answers three requests for candles a second, and somebody else may want one."""
    modes: Mapping[Mode, Mode] = {"ltp": "ltp", "quote": "quote", "full": "full"}

    def __init__(self, settings: KiteSettings) -> None:
        self._settings = settings
        self._token = AccessToken(self.name, settings.access_token, settings.access_token_file)
        self.limits = Limits(
            connections=settings.connections,
            alone=dict.fromkeys(self.modes, TOKENS_PER_CONNECTION),
            total=TOKENS_PER_CONNECTION,
        )

    def section(self) -> KiteSettings:
        """The settings that it was made with."""
        return self._settings

    def decode(self, frame: bytes | str) -> Decoded:
        """Read one frame, binary or text. Pure; never raises for what a broker may send."""
        return codec.decode(frame)

    def subscribe(self, wanted: Mapping[BrokerToken, Mode]) -> Sequence[Outgoing]:
        """Subscribe, then set the mode: a bare subscribe means quote, a bare mode may mean nothing."""
        return [
            message
            for mode, tokens in self._chunks(wanted)
            for message in (_message("subscribe", tokens), _message("mode", [mode, tokens]))
        ]

    def unsubscribe(self, tokens: Sequence[BrokerToken]) -> Sequence[Outgoing]:
        """The messages that end these subscriptions. Pure."""
        return [_message("unsubscribe", chunk) for _, chunk in self._chunks(dict.fromkeys(tokens, "ltp"))]

    def change_mode(self, wanted: Mapping[BrokerToken, Mode]) -> Sequence[Outgoing]:
        """The messages that give subscribed tokens another mode. Pure."""
        return [_message("mode", [mode, tokens]) for mode, tokens in self._chunks(wanted)]

    def endpoint(self) -> Endpoint:
        """The websocket's address with today's token.

        Raises:
            LoginRequired: there is no token, or no api_key.
        """
        settings = self._settings
        if not settings.api_key:
            raise LoginRequired("kite: there is no api_key; set it in the section brokers.kite")
        token = self._token.read()
        query = urlencode({"api_key": settings.api_key, "access_token": token.reveal()})
        return Endpoint(
            # The load balancer in front of Kite answers 400 where the path is not at least a slash.
            Secret(f"{settings.websocket_url.rstrip('/')}/?{query}"),
            {"X-Kite-Version": "3", "User-Agent": f"mdactors/{__version__}"},
        )

    def login_address(self) -> str:
        """Kite's login page for this app; empty without an api_key. Pure."""
        key = self._settings.api_key
        return f"{LOGIN_PAGE}?{urlencode({'v': 3, 'api_key': key})}" if key else ""

    def credential(self) -> str:
        """A fingerprint of today's token: empty while there is none."""
        try:
            token = self._token.read()
        except LoginRequired:
            return ""
        return hashlib.sha256(token.reveal().encode()).hexdigest()

    def lacks(self) -> Mapping[str, str]:
        """The app's key and today's token, where one of them is missing."""
        lacking = self._token.lacking()
        if not self._settings.api_key:
            lacking["api_key"] = "is empty; it is on Kite Connect's developer page"
        return lacking

    def refusal(self, status: int, body: bytes) -> BrokerError:
        """The error that a refused handshake stands for, see `mdactors_kite.refusal`. Pure."""
        said = masked(body, self._token.secrets())
        return refusal.refusal("the websocket", status, said)

    def download(self, name: str = "", before: Download | None = None) -> Download | None:  # noqa: ARG002 - Kite has one list and does not say whether it is new
        """Everything that Kite lists on NSE, BSE and MCX. Blocking; a token is sent but not needed."""
        settings = self._settings
        try:
            token = self._token.read()
        except LoginRequired:
            token = Secret()
        return Download(rest.fetch(settings.rest_url, settings.api_key, token))

    def previous_close(self, token: BrokerToken, date: dt.date) -> float | None:
        """The close of the instrument's last session before a date. Blocking.

        Raises:
            BrokerError: as `endpoint` does.
        """
        settings = self._settings
        return rest.previous_close(settings.rest_url, settings.api_key, self._token.read(), int(token), date)

    def listings(self, data: bytes, name: str = "") -> Iterator[Listing | Unlisted]:  # noqa: ARG002 - Kite has one list
        """Read Kite's list of instruments, of either dialect. Pure."""
        return rest.listings(data)

    def completed_by(self) -> Sequence[str]:
        """Upstox's, for Kite's says no ISIN; what is no Kite, as a simulator, is asked for them itself."""
        return ("upstox",) if rest.is_kite(self._settings.rest_url) else ()

    def _chunks(self, wanted: Mapping[BrokerToken, Mode]) -> Iterable[tuple[Mode, list[int]]]:
        size = self._settings.tokens_per_message
        for mode in self.modes:
            tokens = [int(token) for token, its_mode in wanted.items() if its_mode == mode]
            for start in range(0, len(tokens), size):
                yield mode, tokens[start : start + size]


def _message(action: str, value: Any) -> Outgoing:
    return Outgoing(msgspec.json.encode({"a": action, "v": value}))
