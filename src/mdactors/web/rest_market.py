"""REST of the market as it stands: ``/api/market/…``."""

from __future__ import annotations

from typing import Any

from mdactors.market import ist
from mdactors.market.calendar import Holiday, Hours, Span
from mdactors.market.interest import View
from mdactors.market.view import NS_PER_MS, encode
from mdactors.messages import MarketStatusAsked, SnapshotAsked
from mdactors.web.handler import Failure, Handler

FLAT = View(shape="flat")


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
        self.answer({"year": year, "holidays": [self._day(str(day), each) for day, each in holidays]})

    def _day(self, date: str, holiday: Holiday) -> dict[str, Any]:
        segments = self.parts.gateway.calendar.segments
        return {
            "date": date,
            "name": holiday.name,
            "closed": [segment for group in sorted(holiday.closed) for segment in segments(group)],
            "special": {
                segment: _hours(hours)
                for group, hours in holiday.special.items()
                for segment in segments(group)
            },
        }


def _hours(hours: Hours) -> dict[str, str]:
    spans = {"preOpen": hours.pre_open, "open": hours.open, "closing": hours.closing}
    return {name: _span(span) for name, span in spans.items() if span is not None}


def _span(span: Span) -> str:
    """As the file of sessions writes it: 09:15-15:30."""
    return "-".join(f"{at // 3600:02d}:{at % 3600 // 60:02d}" for at in (span.begin, span.end))
