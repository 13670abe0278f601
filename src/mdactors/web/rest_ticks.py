"""REST of who gets which ticks: ``/api/ticks/subscriptions`` and ``/api/ticks/admin/…``."""

from __future__ import annotations

import hmac
import ipaddress

from mdactors.errors import MdactorsError
from mdactors.messages import RefreshInstruments
from mdactors.store.catalogue_process import LOAD_SECONDS
from mdactors.web.handler import Failure, Handler
from mdactors.web.origins import is_local_host

REFRESH_SECONDS = 2 * LOAD_SECONDS
"""A refresh may wait for the load that is under way."""
PROXY_HEADERS = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


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
