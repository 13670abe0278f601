"""REST of who gets which ticks: ``/api/ticks/subscriptions`` and ``/api/ticks/admin/…``."""

from __future__ import annotations

from mdactors.errors import MdactorsError
from mdactors.messages import RefreshInstruments
from mdactors.store.catalogue_process import LOAD_SECONDS
from mdactors.web.admin import AdminHandler
from mdactors.web.handler import Failure, Handler

REFRESH_SECONDS = 2 * LOAD_SECONDS
"""A refresh may wait for the load that is under way."""


class Subscriptions(Handler):
    """``GET /api/ticks/subscriptions``."""

    def get(self) -> None:
        """Answer every session and what it subscribed."""
        self.answer(self.parts.sessions.describe())


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
