"""Which web pages may talk to the server: one rule for websockets and REST."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

LOCAL_HOSTS = ("localhost", "127.0.0.1")
ANY = "*"


class Origins:
    """The origins of the setting ``server.origins``; without any, the server's own and this machine's."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(_plain(origin) for origin in allowed)

    def allows(self, origin: str | None, host: str) -> bool:
        """Whether a request with this ``Origin`` header may go on; without one no browser's page sent it.

        Args:
            origin: the header, None where there is none.
            host: the ``Host`` header: where the client thinks it is connected to.
        """
        if origin is None:
            return True
        if self._allowed:
            return ANY in self._allowed or _plain(origin) in self._allowed
        parts = _split(origin)
        return parts is not None and (parts[1] == host.lower() or parts[0] in LOCAL_HOSTS)


def is_local_host(host: str) -> bool:
    """Whether a ``Host`` header names this machine."""
    parts = _split(f"http://{host}")
    return parts is not None and parts[0] in (*LOCAL_HOSTS, "::1")


def _plain(origin: str) -> str:
    return origin.strip().rstrip("/").lower()


def _split(origin: str) -> tuple[str, str] | None:
    """The host's name and the name with the port; None for what is no web origin."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not name:
        return None
    return name, parts.netloc.lower()
