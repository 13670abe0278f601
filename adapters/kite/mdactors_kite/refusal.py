"""What a refusal of Kite's stands for, and how it is told from a gateway's in front of it.

Kite's own errors are JSON with an ``error_type``. Of them only two are about the login:

- ``TokenException``: the session is missing, has ended or is another's. The one to which the official
  client's ``session_expiry_hook`` listens.
- ``InputException`` whose message names the ``access_token``: credentials that Kite cannot read at all.

Everything else that comes with 400, 401 or 403 leaves the token in doubt, and is tried again slowly: a page
or JSON of a gateway (no ``error_type``), an empty body (of a websocket's handshake Kite documents none), and
Kite's other words, such as a ``PermissionException`` of an app without a data plan, which no login mends.
"""

from __future__ import annotations

import msgspec

from mdactors.adapter import readable
from mdactors.errors import BrokerError, BrokerRefused, BrokerUnavailable, LoginRequired

SECONDS_AFTER_TOO_MANY = 5.0
"""A closed connection still counts for a while at the broker: connecting sooner is refused again."""

_IN_DOUBT = (400, 401, 403)


class _Envelope(msgspec.Struct):
    error_type: str
    message: str | None = None

    @property
    def wants_login(self) -> bool:
        """Whether Kite says that it is the login."""
        about_token = self.error_type == "InputException" and "access_token" in (self.message or "")
        return self.error_type == "TokenException" or about_token


_read_envelope = msgspec.json.Decoder(_Envelope).decode


def refusal(what: str, status: int, body: bytes) -> BrokerError:
    """The error that an HTTP answer stands for; ``body`` without secrets. Pure."""
    said = _own(body)
    line = f"kite: {what} refused ({status}){_words(said, body)}"
    if said is not None and said.wants_login and status < 500:
        return LoginRequired(f"{line}; log in again")
    if status == 429:
        return BrokerRefused(f"{line}: too many connections of this app, or requests", SECONDS_AFTER_TOO_MANY)
    if status >= 500:
        return BrokerUnavailable(line)
    return BrokerRefused(line, login_in_doubt=status in _IN_DOUBT)


def _own(body: bytes) -> _Envelope | None:
    try:
        return _read_envelope(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _words(said: _Envelope | None, body: bytes) -> str:
    if said is not None:
        words = f"{said.error_type} {said.message or ''}"
        return f": {readable(words.encode())}"
    text = readable(body)
    return f", not in Kite's words: {text}" if text else ", without a word"
