"""REST of the market as it stands: ``/api/market/…``."""

from __future__ import annotations

from mdactors.market.interest import View
from mdactors.market.view import encode
from mdactors.messages import SnapshotAsked
from mdactors.web.handler import Failure, Handler

FLAT = View(shape="flat")


class MarketSnapshot(Handler):
    """``GET /api/market/snapshot?instrument=``."""

    async def get(self) -> None:
        """Answer the newest tick of an instrument in the flat shape."""
        name = self.get_query_argument("instrument", "")
        if not name:
            raise Failure(400, "invalid_parameter", "instrument must name an instrument", field="instrument")
        instrument = await self.instrument(name, "instrument")
        ticks = await self.ask(self.parts.gateway.hub, SnapshotAsked((instrument.token,)))
        if not ticks:
            raise Failure(404, "no_tick", f"{instrument.symbol} has had no tick yet", field="instrument")
        self.answer_bytes(encode(ticks[0], FLAT))
