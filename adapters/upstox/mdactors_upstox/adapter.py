"""Upstox as a broker of mdactors: its limits, where to connect and what to say."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlencode

import msgspec

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
    readable,
)
from mdactors.errors import BrokerError, BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors_upstox import codec, identity, rest

_CONNECTIONS = {"normal": 2, "plus": 5}
_ALONE: dict[Mode, int] = {"ltp": 5000, "quote": 3000, "full": 2000}
_COMBINED: dict[Mode, int] = {"ltp": 2000, "quote": 2000, "full": 1500}
_DEEP = 50
_KEYS_PER_MESSAGE = 2000
_Address = Annotated[
    str, msgspec.Meta(pattern=r"^https?://[^/?#\s]", description="an address like https://api.upstox.com")
]


class UpstoxSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``upstox`` section of the configuration."""

    access_token: Secret = Secret()
    """Today's token, or an analytics token, which lives for a year."""
    access_token_file: str = ""
    """A file that holds the token; read at every connect and preferred to access_token."""
    api_key: str = ""
    """The app's key; only a login needs it."""
    api_secret: Secret = Secret()
    """The app's secret; only a login needs it."""
    redirect_uri: str = ""
    """Where Upstox sends the browser after a login, exactly as the app has it; only a login needs it."""
    rest_url: _Address = "https://api.upstox.com"
    """Where each websocket's address is asked for."""
    instruments_url: _Address = "https://assets.upstox.com/market-quote/instruments/exchange/complete.json.gz"
    """Where the list of instruments comes from."""
    plan: Literal["normal", "plus"] = "normal"
    """What the account has subscribed to; plus adds connections and mode depth30."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    """How many websockets this daemon may take; left out: all that the plan allows (2 or 5)."""
    keys_per_message: Annotated[int, msgspec.Meta(ge=1, le=_KEYS_PER_MESSAGE)] = 500
    """How many instruments one subscribe message names."""

    def __post_init__(self) -> None:
        if self.connections is not None and self.connections > _CONNECTIONS[self.plan]:
            raise ValueError(f"plan {self.plan} allows {_CONNECTIONS[self.plan]} connections")


class UpstoxAdapter(BrokerAdapter):
    """Upstox V3: modes ltp and full, with plan plus also depth30; 2000 full instruments a connection.

    Its fourth mode, option_greeks, holds less than full and is never asked for; what comes of it is read
    as quote.
    """

    name: ClassVar[str] = "upstox"
    quote: ClassVar[type[Quote]] = codec.UpstoxQuote
    settings: ClassVar[type[msgspec.Struct]] = UpstoxSettings
    lists: ClassVar[Sequence[str]] = tuple(identity.FLAGS)
    closes_per_second: ClassVar[float] = 0.5
    """Upstox bears 2,000 requests for candles in half an hour, and somebody else may want some."""
    modes: Mapping[Mode, Mode] = {"ltp": "ltp", "quote": "full", "full": "full"}

    def __init__(self, settings: UpstoxSettings) -> None:
        self._settings = settings
        self._token = AccessToken(self.name, settings.access_token, settings.access_token_file)
        deep: dict[Mode, int] = {"depth30": _DEEP} if settings.plan == "plus" else {}
        self.modes = {**type(self).modes, **{mode: mode for mode in deep}}
        self.limits = Limits(
            connections=settings.connections or _CONNECTIONS[settings.plan],
            alone={**_ALONE, **deep},
            combined={**_COMBINED, **deep},
        )

    def section(self) -> UpstoxSettings:
        """The settings that it was made with."""
        return self._settings

    def decode(self, frame: bytes | str) -> Decoded:
        """Read one frame, binary or text. Pure; never raises for what a broker may send."""
        return codec.decode(frame)

    def subscribe(self, wanted: Mapping[BrokerToken, Mode]) -> Sequence[Outgoing]:
        """The frames that subscribe each key in its mode; each is answered by a snapshot. Pure."""
        return self._requests("sub", wanted)

    def unsubscribe(self, tokens: Sequence[BrokerToken]) -> Sequence[Outgoing]:
        """The frames that end these subscriptions. Pure."""
        return [
            codec.request(uuid.uuid4().hex, "unsub", keys) for keys in self._chunks([str(t) for t in tokens])
        ]

    def change_mode(self, wanted: Mapping[BrokerToken, Mode]) -> Sequence[Outgoing]:
        """The frames that give subscribed keys another mode. Pure."""
        return self._requests("change_mode", wanted)

    def endpoint(self) -> Endpoint:
        """Ask Upstox for the address of one websocket: its code is spent by connecting.

        Raises:
            LoginRequired: no token, or Upstox refuses it.
            BrokerRefused: refused for another reason; wait.
            BrokerUnavailable: the network or Upstox's service is away.
        """
        url = rest.authorize(self._settings.rest_url, self._token.read())
        return Endpoint(url, {"User-Agent": rest.USER_AGENT})

    def login_address(self) -> str:
        """Upstox's login page for this app; empty without an api_key and a redirect_uri. Pure."""
        settings = self._settings
        if not settings.api_key or not settings.redirect_uri:
            return ""
        asked = {"client_id": settings.api_key, "redirect_uri": settings.redirect_uri}
        query = urlencode({"response_type": "code"} | asked)
        return f"{settings.rest_url.rstrip('/')}/v2/login/authorization/dialog?{query}"

    def credential(self) -> str:
        """A fingerprint of the token in use now; empty where there is none."""
        try:
            token = self._token.read().reveal()
        except LoginRequired:
            return ""
        return hashlib.sha256(token.encode()).hexdigest()[:16]

    def lacks(self) -> Mapping[str, str]:
        """A token, and what a person needs to get one."""
        settings = self._settings
        lacking = self._token.lacking()
        needed = {"api_key": settings.api_key, "redirect_uri": settings.redirect_uri} if lacking else {}
        return lacking | {
            name: "is empty: no login address can be told" for name, given in needed.items() if not given
        }

    def refusal(self, status: int, body: bytes) -> BrokerError:
        """The error that a refused handshake stands for. Pure.

        The token was proved by `endpoint` a moment before, so that not even a 401 is about it: the code
        in the address was spent or has gone stale, and the next `endpoint` brings a new one. Only a 403
        that lasts puts the login in doubt: feeds have been seen to refuse what `endpoint` grants.
        """
        words = readable(masked(body, self._token.secrets()))
        line = f"upstox: the websocket refused ({status}, {words or 'without a word'})"
        match status:
            case 401:
                return BrokerRefused(f"{line}: its one-time address was spent or too old")
            case 403:
                line += ": too many connections of this user, trouble at Upstox, or a token without the right"
                return BrokerRefused(line, login_in_doubt=True)
            case 429:
                return BrokerRefused(line, rest.SECONDS_AFTER_TOO_MANY)
        return BrokerUnavailable(line) if status >= 500 else BrokerRefused(line)

    def download(self, name: str = "", before: Download | None = None) -> Download | None:
        """Everything that Upstox lists on NSE, BSE and MCX, or one of `lists`. Blocking; needs no token."""
        url = self._settings.instruments_url
        if name:
            url = f"{url.rpartition('/')[0]}/{name}.json.gz"
        return rest.fetch(url, before)

    def previous_close(self, token: BrokerToken, date: dt.date) -> float | None:
        """The close of the instrument's last session before a date. Blocking.

        Raises:
            BrokerError: as `endpoint` does.
        """
        return rest.previous_close(self._settings.rest_url, self._token.read(), str(token), date)

    def listings(self, data: bytes, name: str = "") -> Iterator[Listing | Unlisted]:
        """Read Upstox's file of instruments, or one of `lists`. Pure."""
        return rest.listings(data, identity.FLAGS.get(name, {}))

    def _requests(self, method: str, wanted: Mapping[BrokerToken, Mode]) -> list[Outgoing]:
        by_mode: dict[Mode, list[str]] = {}
        for key, mode in wanted.items():
            by_mode.setdefault(mode, []).append(str(key))
        return [
            codec.request(uuid.uuid4().hex, method, chunk, mode)
            for mode, keys in by_mode.items()
            for chunk in self._chunks(keys)
        ]

    def _chunks(self, keys: Sequence[str]) -> Iterable[Sequence[str]]:
        size = self._settings.keys_per_message
        return (keys[start : start + size] for start in range(0, len(keys), size))
