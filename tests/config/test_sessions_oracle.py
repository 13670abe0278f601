"""The shipped days beside those of an independent calendar."""

from __future__ import annotations

import datetime as dt

import exchange_calendars
import pytest

from mdactors.config import CalendarSettings, load_calendar

YEARS = (2024, 2025, 2026)


@pytest.mark.filterwarnings("ignore:Series.values")  # its own use of pandas
def test_shares_trade_on_the_days_that_an_independent_calendar_has() -> None:
    """It has no sessions on holidays and weekends: what we know beyond it are special ones."""
    shipped = load_calendar(CalendarSettings())
    oracle = exchange_calendars.get_calendar("XBOM", start="2024-01-01", end="2026-12-31")
    theirs = {session.date() for session in oracle.sessions}
    days = (dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(3 * 365 + 1))
    ours = {day for day in days if shipped.is_trading_day(day)}
    known = (each for year in YEARS for each in shipped.holidays(year))
    special = {day for day, each in known if "shares" in each.kept or "shares" in each.special}
    assert len(theirs) > 700
    assert theirs <= ours
    assert ours - theirs == special
