"""REST of ticks and subscriptions: ``/api/ticks/…``."""

from __future__ import annotations

import hmac
import ipaddress
import time

from mdactors.errors import MdactorsError, StoreError
from mdactors.market import ist
from mdactors.messages import RefreshInstruments
from mdactors.web.handler import Failure, Handler
from mdactors.web.origins import is_local_host

MINUTE_NS = 60 * ist.SECOND_NS
REFRESH_SECONDS = 60.0
PROXY_HEADERS = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


class TicksOfToday(Handler):
    """``GET /api/ticks/today/{symbol}``."""

    async def get(self, symbol: str) -> None:
        """Answer today's ticks as on the websocket, oldest first."""
        minutes = self.whole_number("lastMinutes")
        limit = self.whole_number("limit")
        instrument = await self.instrument(symbol, "symbol")
        try:
            body = await self.in_pool(self._read, instrument.token, since_ns(time.time_ns(), minutes), limit)
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error
        self.answer_bytes(body)

    def _read(self, token: int, since_ns: int, limit: int | None) -> bytes:
        """In a thread of the pool."""
        return b"[" + b",".join(self.parts.gateway.cache.today(token, since_ns, limit)) + b"]"


def since_ns(now_ns: int, minutes: int | None) -> int:
    """From when on ticks are of today, and of the last minutes where those are bounded."""
    midnight_ns = (now_ns // ist.SECOND_NS - ist.second_of_day(now_ns)) * ist.SECOND_NS
    return midnight_ns if minutes is None else max(midnight_ns, now_ns - minutes * MINUTE_NS)


class Subscriptions(Handler):
    """``GET /api/ticks/subscriptions``."""

    def get(self) -> None:
        """Answer every session and what it subscribed."""
        self.answer(self.parts.sessions.describe())


class AdminHandler(Handler):
    """What only an operator may do."""

    def prepare(self) -> None:
        """Check the token; while none is configured, that the operator sits at this machine."""
        super().prepare()
        if self.request.method == "OPTIONS":
            return
        token = self.parts.admin.token
        if token:
            given = self.request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {token.reveal()}".encode()):
                raise Failure(401, "admin_token", "the header Authorization must be: Bearer <admin.token>")
        elif not self._is_local():
            raise Failure(
                403, "admin_token", "set admin.token to allow this from elsewhere than this machine"
            )

    def _is_local(self) -> bool:
        # A proxy beside us makes everybody look local, and a page may have given its own name our address.
        if any(header in self.request.headers for header in PROXY_HEADERS):
            return False
        try:
            address = ipaddress.ip_address(self.request.remote_ip or "")
        except ValueError:
            return False
        return address.is_loopback and is_local_host(self.request.host)


class InstrumentsRefresh(AdminHandler):
    """``POST /api/ticks/admin/refresh-instruments``."""

    async def post(self) -> None:
        """Have the instruments fetched again and answer how many there are."""
        try:
            counts = await self.ask(self.parts.gateway.instruments, RefreshInstruments(), REFRESH_SECONDS)
        except MdactorsError as error:
            failure = Failure(500, "refresh_failed", str(error))
            failure.beside = {"status": "error", "message": str(error)}
            raise failure from error
        self.answer({"status": "success", "message": "Instrument cache refreshed successfully", **counts})
