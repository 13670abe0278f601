"""Which websocket paths there are, and what each of them carries."""

from __future__ import annotations

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.interest import Filter

MARKET = "/ws/market"
RAW = "/websocket"
"""What clients written for SockJS append for a raw websocket."""


class Path(msgspec.Struct, frozen=True):
    """One websocket path."""

    name: str
    carries: Filter
    selective: str = ""
    """Empty where clients choose; on a path that sends everything, the path where they can."""

    @property
    def everything(self) -> bool:
        """Whether a session gets all that the path carries, unasked."""
        return bool(self.selective)

    @property
    def market(self) -> bool:
        """Whether it is the path of any mix, with its events and further ways to ask."""
        return self.name == MARKET

    def admits(self, instrument: Instrument, asked_type: str | None) -> bool:
        """Whether the path carries the instrument, and it is of the type that was asked for."""
        return self.carries.admits(instrument) and asked_type in (None, instrument.type)


_INDICES = Filter(frozenset({"INDEX"}))
_STOCKS = Filter(frozenset({"STOCK"}))
_FUTURES = Filter(frozenset({"FUTURE"}))
_OPTIONS = Filter(frozenset({"OPTION"}))

PATHS = (
    Path("/ws/indices", _INDICES),
    Path("/ws/indices/all", _INDICES, "/ws/indices"),
    Path("/ws/stocks", _STOCKS),
    Path("/ws/stocks/all", _STOCKS, "/ws/stocks"),
    Path("/ws/stocks/nse/all", Filter(_STOCKS.types, "NSE"), "/ws/stocks"),
    Path("/ws/stocks/bse/all", Filter(_STOCKS.types, "BSE"), "/ws/stocks"),
    Path("/ws/futures", _FUTURES),
    Path("/ws/futures/all", _FUTURES, "/ws/futures"),
    Path("/ws/options", _OPTIONS),
    Path("/ws/options/all", _OPTIONS, "/ws/options"),
    Path(MARKET, Filter()),
)
