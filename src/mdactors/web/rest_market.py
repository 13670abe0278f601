"""REST of the market as it stands: ``/api/market/…``."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mdactors.market import ist
from mdactors.market.interest import View
from mdactors.market.timetable import Holiday, Hours
from mdactors.market.trading_class import SEGMENT_CLASSES
from mdactors.market.view import NS_PER_MS, encode
from mdactors.messages import MarketStatusAsked, SnapshotAsked
from mdactors.web.handler import Failure, Handler

FLAT = View(shape="flat")
_NAMES = {
    "pre_open": "preOpen",
    "closing_orders": "closingOrders",
    "closing_match": "closingMatch",
    "post_close": "postClose",
}


class MarketSnapshot(Handler):
    """``GET /api/market/snapshot?instrument=``."""

    parameters = ("instrument",)

    async def get(self) -> None:
        """Answer the newest tick of an instrument in the flat shape."""
        name = self.get_query_argument("instrument", "")
        if not name:
            raise Failure(400, "invalid_parameter", "instrument must name an instrument", field="instrument")
        instrument = await self.instrument(name, "instrument")
        ticks = await self.ask(self.parts.gateway.hub, SnapshotAsked((instrument.token,)))
        if not ticks:
            raise Failure(404, "no_tick", f"{instrument.answered} has had no tick yet", field="instrument")
        self.answer_bytes(encode(ticks[0], FLAT))


class MarketStatus(Handler):
    """``GET /api/market/status``."""

    async def get(self) -> None:
        """Answer where in its day each segment is, and the day's session."""
        segments = await self.ask(self.parts.gateway.views, MarketStatusAsked())
        self.answer({"time": ist.iso(self.now_ns // NS_PER_MS), "segments": segments})


class MarketHolidays(Handler):
    """``GET /api/market/holidays?year=``."""

    parameters = ("year",)

    def get(self) -> None:
        """Answer the days of a year on which segments are closed or trade at other hours."""
        year = self.whole_number("year") or ist.date(self.now_ns).year
        holidays = self.parts.gateway.calendar.holidays(year)
        self.answer({"year": year, "holidays": [self._day(day, each) for day, each in holidays]})

    def _day(self, date: dt.date, holiday: Holiday) -> dict[str, Any]:
        calendar = self.parts.gateway.calendar
        unlike = set(holiday.special).union(
            *(calendar.classes(group) for group in (*holiday.closed, *holiday.kept))
        )
        hours = {
            segment: calendar.hours(first, date)
            for segment, (first, *_) in SEGMENT_CLASSES.items()
            if first in unlike
        }
        return {
            "date": str(date),
            "name": holiday.name,
            "closed": [segment for segment, each in hours.items() if not each.phases],
            "special": {segment: _hours(each) for segment, each in hours.items() if each.phases},
            "source": holiday.source,
        }


def _hours(hours: Hours) -> dict[str, str]:
    """As the file of sessions writes it; two sessions of a day with a comma between them."""
    spans: dict[str, list[str]] = {}
    for phase, span in hours.phases:
        spans.setdefault(_NAMES.get(phase, phase), []).append(str(span))
    return {name: ",".join(each) for name, each in spans.items()}
