"""REST of the whole market's views: ``/api/movers`` and ``/api/optionchain/{underlying}``."""

from __future__ import annotations

import difflib
from typing import cast

from mdactors.market import ist
from mdactors.market.movers import BY, By
from mdactors.market.underlyings import Underlyings
from mdactors.messages import ChainAsked, MoversAsked
from mdactors.web.handler import Failure, Handler

ROWS = 10
"""How many movers are answered where nobody says how many."""
SUGGESTIONS = 5


class MarketMovers(Handler):
    """``GET /api/movers?by=&n=``."""

    parameters = ("by", "n")

    async def get(self) -> None:
        """Answer the first of NSE's shares by what they gained, lost or traded."""
        by = cast(By, self.choice("by", BY, "gainers"))
        n = self.whole_number("n") or ROWS
        self.answer(await self.ask(self.parts.gateway.views, MoversAsked(by, n)))


class Options(Handler):
    """``GET /api/optionchain/{underlying}?expiry=``."""

    parameters = ("expiry",)

    async def get(self, underlying: str) -> None:
        """Answer the options of an expiry side by side, by default the nearest."""
        expiry, table = self.date("expiry"), self.table()
        chain = await self.ask(self.parts.gateway.views, ChainAsked(underlying, expiry))
        if chain is None:
            today = ist.date(self.now_ns).isoformat()
            raise await self.in_pool(_why_not, Underlyings(table, on=today), underlying, expiry)
        self.answer(chain)


def _why_not(living: Underlyings, name: str, expiry: str) -> Failure:
    """What a question for a chain that there is not is answered with."""
    known = living.find(name, with_options=True)
    if known is None:
        close = difflib.get_close_matches(name.upper(), living.words(), SUGGESTIONS)
        message = f"no options are written on {name!r}"
        return Failure(404, "unknown_symbol", message, field="underlying", suggestions=close)
    when = f"expire on {expiry}" if expiry else "are left"
    expiries = list(known.expiries)
    message = f"no options on {known.name} {when}; the expiries are {', '.join(expiries)}"
    return Failure(404, "unknown_expiry", message, field="expiry", suggestions=expiries)
